package delivery

import (
	"math"
	"time"
)

// Rate is how fast one bot may call: a token bucket whose speed grows by a
// fixed step while calls succeed and is halved when Webex says 429. Webex
// publishes no number for messages ("dynamically adjusted"), so it is found.
// The zero value isn't usable. It isn't safe for concurrent use.
type Rate struct {
	perSecond, floor, ceiling float64
	tokens                    float64
	filled                    time.Time // when tokens was right
	cut                       time.Time // of the last halving
	until                     time.Time // no call before
}

const (
	rateFloor  = 0.2 // calls a second: one each 5 s still finds out when more is allowed
	rateGrowth = 0.1 // calls a second, gained in each second of full use
	rateRoom   = 4   // how far above the configured speed the rate may grow
	rateBurst  = 0.8 // seconds
	pauseLeast = time.Second
	// pauseMost bounds what a clock that was set back makes of a saved pause. An
	// hour is the most that users have been told.
	pauseMost = 24 * time.Hour
)

// NewRate starts at perSecond calls a second; 0 or less means 5, which is what
// Webex documents for most of its resources (300 a minute).
func NewRate(perSecond float64, now time.Time) *Rate {
	if perSecond <= 0 {
		perSecond = 5
	}
	r := &Rate{perSecond: perSecond, floor: min(rateFloor, perSecond), ceiling: perSecond * rateRoom, filled: now}
	r.tokens = r.burst()
	return r
}

// burst is what may be sent at once after a quiet while: most of a second's
// worth. Whoever takes a burst of exactly a second's worth at exactly this pace
// refuses the first call that comes a moment early.
func (r *Rate) burst() float64 { return max(1, r.perSecond*rateBurst) }

// PerSecond is the speed now.
func (r *Rate) PerSecond() float64 { return r.perSecond }

// PausedUntil is when Webex allows calls again; it is past when it does already.
func (r *Rate) PausedUntil() time.Time { return r.until }

func (r *Rate) fill(now time.Time) {
	if d := now.Sub(r.filled); d > 0 {
		r.tokens = min(r.burst(), r.tokens+d.Seconds()*r.perSecond)
		r.filled = now
	}
}

// ReadyAt is when the next call may be made: now, or later.
func (r *Rate) ReadyAt(now time.Time) time.Time {
	if now.Before(r.until) {
		return r.until
	}
	r.fill(now)
	if r.tokens >= 1 {
		return now
	}
	// Rounded up, so that there is a whole token then.
	wait := time.Duration(math.Ceil((1 - r.tokens) / r.perSecond * float64(time.Second)))
	return now.Add(max(wait, time.Microsecond))
}

// Take counts a call that begins now.
func (r *Rate) Take(now time.Time) {
	r.fill(now)
	r.tokens--
}

// GiveBack takes back a Take: no call was made after all. A pause that began
// meanwhile has forgotten the Take already.
func (r *Rate) GiveBack(now time.Time) {
	if !now.Before(r.until) {
		r.tokens = min(r.burst(), r.tokens+1)
	}
}

// Succeeded grows the rate, if it was what held calls back.
func (r *Rate) Succeeded(now time.Time) {
	r.fill(now)
	if r.tokens < 1 {
		r.perSecond = min(r.ceiling, r.perSecond+rateGrowth/r.perSecond)
	}
}

// Limited takes in a 429 for a call that began at started: no call until
// retryAfter is over, exactly, and half the speed after that. Calls that were
// under way together halve it once.
func (r *Rate) Limited(started, now time.Time, retryAfter time.Duration) {
	until := now.Add(max(retryAfter, pauseLeast))
	if r.cut.IsZero() || started.After(r.cut) {
		r.perSecond = max(r.floor, r.perSecond/2)
		r.cut = now
	}
	r.PauseUntil(until, now)
}

// PauseUntil allows no call before until; a longer pause that goes on already stays.
func (r *Rate) PauseUntil(until, now time.Time) {
	if until.After(now.Add(pauseMost)) {
		until = now.Add(pauseMost)
	}
	if !until.After(now) {
		return
	}
	if until.After(r.until) {
		r.until = until
	}
	// One call feels its way after the pause; no burst was saved up.
	r.tokens, r.filled = 1, r.until
}

// Backoff is how long to wait after the nth failure in a row (from 1): it
// doubles from base up to most. r in [0,1) is the jitter: between half of that
// and the whole.
func Backoff(n int, base, most time.Duration, r float64) time.Duration {
	d := most
	if n < 30 {
		d = min(most, base<<max(0, n-1))
	}
	return d/2 + time.Duration(r*float64(d/2))
}
