// Package pace decides how fast a bot may call Webex: its rate, the limits of account and rooms, and a
// circuit breaker. It is pure: the time and randomness are arguments.
package pace

import (
	"math"
	"time"
)

// Rate is the speed of a bot, or of a bot in one room: a token bucket whose rate grows while calls succeed and is
// halved by a 429. Webex publishes no limit for messages ("dynamically adjusted"), so the rate searches for it. Like
// TCP's CUBIC, the rate grows quickly up to near the last refused one, slowly past it, and quickly again beyond, so
// that a long backlog is refused once in minutes. Not safe for concurrent use.
type Rate struct {
	perSecond, floor, ceiling float64
	slow                      float64 // divides the growth
	known                     float64 // the rate that was refused last, or in use before an outage; 0 for none
	tokens                    float64
	filled                    time.Time // when tokens was last updated
	cut                       time.Time // of the last halving
	until                     time.Time // end of the pause
	begun                     int       // calls since then
}

const (
	rateFloor  = 0.2 // calls a second: enough to notice when more is allowed
	rateGrowth = 0.1 // calls a second, gained in each second of full use while no limit is known
	rateRoom   = 4   // the ceiling, as a multiple of the configured rate
	rateBurst  = 0.8 // seconds
	pauseLeast = time.Second
	// pauseMost bounds a saved pause after the clock was set back. Webex has been seen to ask for up to an hour.
	pauseMost = 24 * time.Hour

	// Growth around the known rate: from half of it to rateNear in rateBack, from there to ratePast in
	// rateProbe seconds of full use.
	rateNear, ratePast  = 0.9, 1.1
	rateBack, rateProbe = 30, 300
	// rateAfter is the lowest rate after a long pause or outage: the known limit is old, and a backlog waits.
	rateAfter = 0.5
)

// NewRate starts at perSecond calls a second; 0 or less means 5, Webex's documented limit for most resources
// (300 a minute).
func NewRate(perSecond float64, now time.Time) *Rate {
	if perSecond <= 0 {
		perSecond = 5
	}
	r := &Rate{perSecond: perSecond, floor: min(rateFloor, perSecond), ceiling: perSecond * rateRoom, slow: 1, filled: now}
	r.tokens = r.burst()
	return r
}

// burst is the size of the bucket: less than a second's worth, since a server that allows exactly that refuses
// a call that comes a moment early.
func (r *Rate) burst() float64 { return max(1, r.perSecond*rateBurst) }

// PerSecond is the present rate.
func (r *Rate) PerSecond() float64 { return r.perSecond }

// PausedUntil is the end of the last pause.
func (r *Rate) PausedUntil() time.Time { return r.until }

func (r *Rate) fill(now time.Time) {
	if d := now.Sub(r.filled); d > 0 {
		r.tokens = min(r.burst(), r.tokens+d.Seconds()*r.perSecond)
		r.filled = now
	}
}

// ReadyAt is when the next call may be made, now or later.
func (r *Rate) ReadyAt(now time.Time) time.Time {
	if now.Before(r.until) {
		return r.until
	}
	r.fill(now)
	if r.tokens >= 1-1e-6 { // tolerate rounding
		return now
	}
	// Round up, so that there is a whole token then.
	wait := time.Duration(math.Ceil((1 - r.tokens) / r.perSecond * float64(time.Second)))
	return now.Add(max(wait, time.Microsecond))
}

// Take counts a call that begins now.
func (r *Rate) Take(now time.Time) {
	r.fill(now)
	r.tokens--
	r.begun++
}

// GiveBack undoes Take: no call was made. A pause that began meanwhile has reset the count already.
func (r *Rate) GiveBack(now time.Time) {
	if !now.Before(r.until) {
		r.tokens = min(r.burst(), r.tokens+1)
		r.begun = max(0, r.begun-1)
	}
}

// Succeeded grows the rate if it was the limit.
func (r *Rate) Succeeded(now time.Time) {
	r.fill(now)
	if r.tokens < 1 {
		r.perSecond = min(r.ceiling, r.perSecond+r.growth()/r.perSecond)
	}
}

// growth is the gain of a second of full use, in calls a second.
func (r *Rate) growth() float64 {
	switch {
	case r.known == 0 || r.perSecond >= r.known*ratePast:
		return rateGrowth / r.slow
	case r.perSecond < r.known*rateNear:
		return min(r.known*(rateNear-0.5)/rateBack, r.perSecond/10) / r.slow
	}
	return r.known * (ratePast - rateNear) / rateProbe / r.slow
}

// Limited records a 429 for a call that began at started: a pause of exactly retryAfter, and half the rate.
// Calls in flight together halve it once.
func (r *Rate) Limited(started, now time.Time, retryAfter time.Duration) {
	until := now.Add(max(retryAfter, pauseLeast))
	if r.cut.IsZero() || started.After(r.cut) {
		if r.begun > 1 { // the first call after a pause was too early, not too fast
			r.known = r.perSecond
		}
		r.perSecond = max(r.floor, r.perSecond/2)
		r.cut = now
	}
	r.PauseUntil(until, now)
}

// PauseUntil allows no call before until. A longer pause stays.
func (r *Rate) PauseUntil(until, now time.Time) {
	if until.After(now.Add(pauseMost)) {
		until = now.Add(pauseMost)
	}
	if !until.After(now) {
		return
	}
	if until.After(r.until) {
		r.until = until
		r.aged(int(until.Sub(now) / time.Minute))
	}
	// A single call probes after the pause; no burst has accumulated.
	r.tokens, r.filled, r.begun = 1, r.until, 0
}

// Resume continues after an outage: Webex has just answered the first call. The rate starts low, since the
// limit may have changed and a backlog waits.
func (r *Rate) Resume(away time.Duration, now time.Time) {
	r.known = max(r.known, r.perSecond)
	r.aged(1 + int(away/time.Minute))
	r.tokens, r.filled = min(0, r.tokens), now
	r.begun = max(1, r.begun)
}

// aged halves the rate for each of these minutes, down to rateAfter.
func (r *Rate) aged(minutes int) {
	r.perSecond = min(r.perSecond, max(rateAfter, r.perSecond/math.Exp2(float64(minutes))))
}

// Backoff is the wait after the nth failure in a row, from 1: it doubles from base up to most. r in [0,1) is
// the jitter, which picks from the upper half.
func Backoff(n int, base, most time.Duration, r float64) time.Duration {
	d := most
	if n < 30 {
		d = min(most, base<<max(0, n-1))
	}
	return d/2 + time.Duration(r*float64(d/2))
}
