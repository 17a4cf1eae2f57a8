package pace

import "time"

// Breaker keeps a bot from hammering a Webex that is unreachable or refuses its token. While it is open, it admits
// one call at a time, whose answer decides. The zero value is closed. Not safe for concurrent use.
type Breaker struct {
	failed map[string]bool // ids that failed since the last answer
	opened int             // how many times in a row it opened
	state  BreakerState
	since  time.Time // of the last opening
	first  time.Time // of the first opening in the row
	until  time.Time
}

// BreakerState is why a bot makes no calls.
type BreakerState string

// The states.
const (
	BreakerClosed       BreakerState = "closed"
	BreakerAway         BreakerState = "webex away"
	BreakerUnauthorized BreakerState = "unauthorized"
)

const (
	// breakerOpens is how many different tasks must fail in a row. One message that always gets a 500 must
	// not stop the others.
	breakerOpens   = 3
	breakerBase    = 2 * time.Second
	breakerMost    = time.Minute
	unauthorizedIn = time.Minute // a bad token stays bad until it is replaced
)

// State reports whether the breaker is open, and why.
func (b *Breaker) State() BreakerState {
	if b.state == "" {
		return BreakerClosed
	}
	return b.state
}

// Open reports whether only single calls are admitted, not before At.
func (b *Breaker) Open() bool { return b.State() != BreakerClosed }

// At is when the next attempt may be made.
func (b *Breaker) At() time.Time { return b.until }

// Opened is since when the breaker is open.
func (b *Breaker) Opened() time.Time { return b.first }

// Answered closes the breaker: Webex answered, and accepted the token.
func (b *Breaker) Answered() { *b = Breaker{} }

// Failed records a call for the task id that got no answer, or 5xx. Calls in flight when the breaker opened
// are ignored.
func (b *Breaker) Failed(id string, started, now time.Time, r float64) {
	if b.Open() && !started.After(b.since) {
		return
	}
	if b.failed == nil {
		b.failed = map[string]bool{}
	}
	b.failed[id] = true
	if !b.Open() && len(b.failed) < breakerOpens {
		return
	}
	b.opened++
	if !b.Open() {
		b.first = now
	}
	b.state, b.since, b.until = BreakerAway, now, now.Add(Backoff(b.opened, breakerBase, breakerMost, r))
}

// Unauthorized records a 401.
func (b *Breaker) Unauthorized(now time.Time) {
	if !b.Open() {
		b.first = now
	}
	b.state, b.since, b.until = BreakerUnauthorized, now, now.Add(unauthorizedIn)
}
