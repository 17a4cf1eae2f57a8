package pace

import (
	"math"
	"time"
)

// Rate is how fast one bot may call, or how fast it may call in one room: a
// token bucket whose speed grows while calls succeed and is halved when Webex
// says 429. Webex publishes no number for messages ("dynamically adjusted"), so
// it is found. What was refused is remembered: the speed grows quickly up to near
// that, slowly past it, and quickly again once it is left behind (as TCP's
// CUBIC does), so that a bot that has much to say for hours is refused once in minutes.
// The zero value isn't usable. It isn't safe for concurrent use.
type Rate struct {
	perSecond, floor, ceiling float64
	slow                      float64 // growth is divided by it
	known                     float64 // the speed that was refused last, or was in use before an outage; 0 for none
	tokens                    float64
	filled                    time.Time // when tokens was right
	cut                       time.Time // of the last halving
	until                     time.Time // no call before
	begun                     int       // calls since then
}

const (
	rateFloor  = 0.2 // calls a second: one each 5 s still finds out when more is allowed
	rateGrowth = 0.1 // calls a second, gained in each second of full use while nothing is known
	rateRoom   = 4   // how far above the configured speed the rate may grow
	rateBurst  = 0.8 // seconds
	pauseLeast = time.Second
	// pauseMost bounds what a clock that was set back makes of a saved pause. An
	// hour is the most that users have been told.
	pauseMost = 24 * time.Hour

	// Around the known speed: from half of it to rateNear in rateBack, from there to
	// ratePast in rateProbe, both in seconds of full use.
	rateNear, ratePast  = 0.9, 1.1
	rateBack, rateProbe = 30, 300
	// rateAfter, in calls a second, is the least that is left of the speed after a long pause or outage: what
	// was known of the limit is old, and all that waited wants to be told at once.
	rateAfter = 0.5
)

// NewRate starts at perSecond calls a second; 0 or less means 5, which is what
// Webex documents for most of its resources (300 a minute).
func NewRate(perSecond float64, now time.Time) *Rate {
	if perSecond <= 0 {
		perSecond = 5
	}
	r := &Rate{perSecond: perSecond, floor: min(rateFloor, perSecond), ceiling: perSecond * rateRoom, slow: 1, filled: now}
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
	if r.tokens >= 1-1e-6 { // a sum of parts may miss the whole
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
	r.begun++
}

// GiveBack takes back a Take: no call was made after all. A pause that began
// meanwhile has forgotten the Take already.
func (r *Rate) GiveBack(now time.Time) {
	if !now.Before(r.until) {
		r.tokens = min(r.burst(), r.tokens+1)
		r.begun = max(0, r.begun-1)
	}
}

// Succeeded grows the rate, if it was what held calls back.
func (r *Rate) Succeeded(now time.Time) {
	r.fill(now)
	if r.tokens < 1 {
		r.perSecond = min(r.ceiling, r.perSecond+r.growth()/r.perSecond)
	}
}

// growth is what a second of full use gains, in calls a second.
func (r *Rate) growth() float64 {
	switch {
	case r.known == 0 || r.perSecond >= r.known*ratePast:
		return rateGrowth / r.slow
	case r.perSecond < r.known*rateNear:
		return min(r.known*(rateNear-0.5)/rateBack, r.perSecond/10) / r.slow
	}
	return r.known * (ratePast - rateNear) / rateProbe / r.slow
}

// Limited takes in a 429 for a call that began at started: no call until
// retryAfter is over, exactly, and half the speed after that. Calls that were
// under way together halve it once.
func (r *Rate) Limited(started, now time.Time, retryAfter time.Duration) {
	until := now.Add(max(retryAfter, pauseLeast))
	if r.cut.IsZero() || started.After(r.cut) {
		if r.begun > 1 { // a first call after a pause was too early, not too fast
			r.known = r.perSecond
		}
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
		r.aged(int(until.Sub(now) / time.Minute))
	}
	// One call feels its way after the pause; no burst was saved up.
	r.tokens, r.filled, r.begun = 1, r.until, 0
}

// Resume goes on after an outage: Webex has just answered the first call. All
// that waited is told at a pace that begins low, since the limit may be another one.
func (r *Rate) Resume(away time.Duration, now time.Time) {
	r.known = max(r.known, r.perSecond)
	r.aged(1 + int(away/time.Minute))
	r.tokens, r.filled = min(0, r.tokens), now
	r.begun = max(1, r.begun)
}

// aged lowers the speed for what is known of it is minutes old: by half for each, down to rateAfter.
func (r *Rate) aged(minutes int) {
	r.perSecond = min(r.perSecond, max(rateAfter, r.perSecond/math.Exp2(float64(minutes))))
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
