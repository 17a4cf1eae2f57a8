package pace

import "time"

// Breaker keeps a bot from hammering a Webex that doesn't answer, or one that
// doesn't know its token. While it is open one call at a time is let through
// now and then, and whatever answer that gets decides. The zero value is closed.
// It isn't safe for concurrent use.
type Breaker struct {
	failed map[string]bool // what failed since the last answer
	opened int             // how often in a row it opened
	state  BreakerState
	since  time.Time // when it opened last
	first  time.Time // when it opened first in this row
	until  time.Time
}

// BreakerState says why a bot doesn't call.
type BreakerState string

// The states.
const (
	BreakerClosed       BreakerState = "closed"
	BreakerAway         BreakerState = "webex away"
	BreakerUnauthorized BreakerState = "unauthorized"
)

const (
	// breakerOpens is how many different posts and notices must fail with no
	// success in between. One that Webex always fails on (a 500 for what it says)
	// must not hold up the others.
	breakerOpens   = 3
	breakerBase    = 2 * time.Second
	breakerMost    = time.Minute
	unauthorizedIn = time.Minute // WEBEX: a bad token is final; don't hammer
)

// State says whether the breaker is open, and why.
func (b *Breaker) State() BreakerState {
	if b.state == "" {
		return BreakerClosed
	}
	return b.state
}

// Open says whether only single calls are let through, not before At.
func (b *Breaker) Open() bool { return b.State() != BreakerClosed }

// At is when the next call may try.
func (b *Breaker) At() time.Time { return b.until }

// Opened is since when it is open.
func (b *Breaker) Opened() time.Time { return b.first }

// Answered closes it: Webex answered, and knows the bot.
func (b *Breaker) Answered() { *b = Breaker{} }

// Failed takes in a call for id (a post or notice) that got no answer, or 5xx.
// Calls that were under way when the breaker opened tell nothing new.
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

// Unauthorized takes in a 401.
func (b *Breaker) Unauthorized(now time.Time) {
	if !b.Open() {
		b.first = now
	}
	b.state, b.since, b.until = BreakerUnauthorized, now, now.Add(unauthorizedIn)
}
