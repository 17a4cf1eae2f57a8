package pace

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// spend makes as many calls as the rate allows within d, all accepted.
func spend(r *Rate, now time.Time, d time.Duration) (calls int, end time.Time) {
	for end = now.Add(d); now.Before(end); {
		if at := r.ReadyAt(now); at.After(now) {
			now = at
			continue
		}
		r.Take(now)
		r.Succeeded(now)
		calls++
	}
	return calls, end
}

func TestRateIsPaced(t *testing.T) {
	r := NewRate(5, noon)
	calls, _ := spend(r, noon, time.Second)
	require.InDelta(t, 10, calls, 1, "a burst and one second's calls")
}

func TestRateGrowsWhileItIsTheLimit(t *testing.T) {
	r := NewRate(5, noon)
	_, now := spend(r, noon, 10*time.Second)
	require.InDelta(t, 6, r.PerSecond(), 0.1, "0.1/s gained in each second of full use")
	for range 100 { // a call in ten seconds doesn't use the rate, so it doesn't raise it
		now = now.Add(10 * time.Second)
		r.Take(now)
		r.Succeeded(now)
	}
	require.InDelta(t, 6, r.PerSecond(), 0.1)
	_, _ = spend(r, now, time.Hour)
	require.Equal(t, 20.0, r.PerSecond(), "the ceiling")
}

func TestRateIsHalvedOnceForCallsInFlightTogether(t *testing.T) {
	r := NewRate(8, noon)
	now := noon.Add(time.Second)
	for range 4 {
		r.Limited(noon, now, 3*time.Second)
	}
	require.Equal(t, 4.0, r.PerSecond())
	later := now.Add(3 * time.Second)
	r.Limited(later, later, time.Second)
	require.Equal(t, 2.0, r.PerSecond())
	for i := range 20 {
		at := later.Add(time.Duration(i+1) * time.Minute)
		r.Limited(at, at, time.Second)
	}
	require.Equal(t, rateFloor, r.PerSecond(), "the floor")
}

func TestRatePausesExactly(t *testing.T) {
	r := NewRate(5, noon)
	r.Take(noon)
	r.Limited(noon, noon, 17*time.Second)
	require.Equal(t, noon.Add(17*time.Second), r.ReadyAt(noon))
	require.Equal(t, noon.Add(17*time.Second), r.ReadyAt(noon.Add(16*time.Second)))
	r.Limited(noon, noon.Add(time.Second), 5*time.Second) // another call's answer asks for less
	require.Equal(t, noon.Add(17*time.Second), r.ReadyAt(noon.Add(2*time.Second)))
	at := noon.Add(17 * time.Second)
	require.Equal(t, at, r.ReadyAt(at))
	r.Take(at)
	require.True(t, r.ReadyAt(at).After(at), "no burst was saved up in the pause")
}

// bucket is a limit of Webex: a token bucket, as in the simulator.
type bucket struct {
	perSecond, burst, tokens float64
	at                       time.Time
}

func newBucket(perSecond, burst float64, now time.Time) *bucket {
	return &bucket{perSecond: perSecond, burst: burst, tokens: burst, at: now}
}

// take returns 0 for an accepted call, otherwise the Retry-After.
func (b *bucket) take(now time.Time) time.Duration {
	b.tokens = min(b.burst, b.tokens+now.Sub(b.at).Seconds()*b.perSecond)
	b.at = now
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	return time.Duration(math.Ceil((1-b.tokens)/b.perSecond)) * time.Second
}

// against makes calls against a bucket as fast as the rate allows for d. It returns how many were refused and
// accepted.
func against(r *Rate, b *bucket, now time.Time, d time.Duration) (refused, taken int, end time.Time) {
	for end = now.Add(d); now.Before(end); {
		if at := r.ReadyAt(now); at.After(now) {
			now = at
			continue
		}
		r.Take(now)
		if wait := b.take(now); wait > 0 {
			refused++
			r.Limited(now, now, wait)
			continue
		}
		taken++
		r.Succeeded(now)
	}
	return refused, taken, end
}

// A long backlog gets a 429 every few minutes, and uses nine tenths of the limit.
func TestRateSettlesBelowTheLimit(t *testing.T) {
	for _, limit := range []float64{0.5, 1, 2, 5, 10} {
		for _, burst := range []float64{1, 5, 60} {
			r, b := NewRate(5, noon), newBucket(limit, burst, noon)
			refused, _, now := against(r, b, noon, 5*time.Minute)
			require.LessOrEqual(t, refused, 8, "while searching for a limit of %v with a burst of %v", limit, burst)
			refused, taken, _ := against(r, b, now, time.Hour)
			require.LessOrEqual(t, refused, 27, "in an hour at a limit of %v with a burst of %v", limit, burst)
			require.GreaterOrEqual(t, refused, 10, "it keeps probing for more")
			require.Greater(t, float64(taken), 0.88*limit*3600, "at a limit of %v with a burst of %v", limit, burst)
		}
	}
}

// After an outage or a long wait the limit may have changed. It is found with at most two 429s in the first minute, and
// no burst has accumulated.
func TestRateFindsTheLimitAgain(t *testing.T) {
	again := map[string]func(perSecond float64) (*Rate, time.Time){
		"an outage": func(perSecond float64) (*Rate, time.Time) {
			r := NewRate(perSecond, noon)
			now := noon.Add(time.Hour)
			r.Take(now) // the first call that is answered
			r.Resume(time.Hour, now)
			require.True(t, r.ReadyAt(now).After(now), "no burst")
			return r, now
		},
		"a wait": func(perSecond float64) (*Rate, time.Time) {
			r := NewRate(perSecond, noon)
			_, now := spend(r, noon, 10*time.Second)
			r.Limited(now, now, time.Hour)
			return r, now.Add(time.Hour)
		},
	}
	for name, after := range again {
		for _, before := range []float64{5, 20} {
			for _, limit := range []float64{1, 2, 3, 4} {
				for _, burst := range []float64{1, 2, 5} {
					r, now := after(before)
					refused, _, now := against(r, newBucket(limit, burst, now), now, time.Minute)
					require.LessOrEqual(t, refused, 2, "after %s, from %v to %v with a burst of %v", name, before, limit, burst)
					_, taken, _ := against(r, newBucket(limit, burst, now), now, 10*time.Minute)
					require.Greater(t, float64(taken), 0.8*limit*600)
				}
			}
		}
	}
}

// The rate from before an outage is reached again soon.
func TestRateComesBackAfterAnOutage(t *testing.T) {
	for _, away := range []time.Duration{10 * time.Second, time.Hour} {
		r := NewRate(5, noon)
		_, now := spend(r, noon, 50*time.Second) // 10 a second
		was := r.PerSecond()
		r.Resume(away, now)
		require.LessOrEqual(t, r.PerSecond(), was/2)
		_, _ = spend(r, now, 90*time.Second)
		require.Greater(t, r.PerSecond(), 0.9*was)
	}
}

// If only the first call after each wait is refused, the calls are early but not too fast: the known limit is kept.
func TestRateKeepsTheKnownLimitThroughRefusals(t *testing.T) {
	r := NewRate(5, noon)
	_, now := spend(r, noon, 10*time.Second)
	for range 10 {
		r.Take(now)
		r.Limited(now, now, 5*time.Second)
		now = now.Add(5 * time.Second)
	}
	require.Equal(t, rateFloor, r.PerSecond())
	_, _ = spend(r, now, 2*time.Minute)
	require.Greater(t, r.PerSecond(), 5.)
}

func TestRateNeverExceedsItsPace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		r := NewRate(float64(rapid.IntRange(1, 50).Draw(t, "rate")), now)
		var until time.Time
		for range rapid.IntRange(1, 100).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
			at := r.ReadyAt(now)
			if at.Before(until) {
				t.Fatalf("ready at %v although it had to wait until %v", at, until)
			}
			if again := r.ReadyAt(at); again.After(at) {
				t.Fatalf("ReadyAt returned %v, then %v", at, again)
			}
			now = at
			r.Take(now)
			if rapid.Bool().Draw(t, "limited") {
				after := time.Duration(rapid.IntRange(1, 60).Draw(t, "retry after")) * time.Second
				r.Limited(now, now, after)
				until = now.Add(after)
			} else {
				r.Succeeded(now)
			}
			if p := r.PerSecond(); p < r.floor || p > r.ceiling {
				t.Fatalf("rate %v", p)
			}
		}
	})
}

func TestBackoff(t *testing.T) {
	require.Equal(t, 500*time.Millisecond, Backoff(1, time.Second, time.Minute, 0))
	require.Equal(t, 4*time.Second, Backoff(3, time.Second, time.Minute, 1))
	require.Equal(t, time.Minute, Backoff(1000, time.Second, time.Minute, 1))
}

func TestBreaker(t *testing.T) {
	t.Run("one task that always fails doesn't open it", func(t *testing.T) {
		var b Breaker
		for range 100 {
			b.Failed("x", noon, noon, 1)
		}
		require.False(t, b.Open())
	})
	t.Run("three tasks in a row open it, and each failed attempt doubles the wait", func(t *testing.T) {
		var b Breaker
		b.Failed("x", noon, noon, 1)
		b.Failed("y", noon, noon, 1)
		b.Answered()
		b.Failed("x", noon, noon, 1)
		b.Failed("y", noon, noon, 1)
		require.False(t, b.Open())
		b.Failed("z", noon, noon, 1)
		require.Equal(t, BreakerAway, b.State())
		require.Equal(t, noon.Add(2*time.Second), b.At())
		b.Failed("w", noon, noon, 1)
		require.Equal(t, noon.Add(2*time.Second), b.At(), "a call in flight changes nothing")
		b.Failed("x", b.At(), b.At(), 1)
		require.Equal(t, noon.Add(6*time.Second), b.At())
		for range 20 {
			b.Failed("x", b.At(), b.At(), 1)
		}
		now := b.At()
		b.Failed("x", now, now, 1)
		require.Equal(t, now.Add(time.Minute), b.At())
		b.Answered()
		require.False(t, b.Open())
	})
	t.Run("a bad token is retried once a minute", func(t *testing.T) {
		var b Breaker
		b.Unauthorized(noon)
		require.Equal(t, BreakerUnauthorized, b.State())
		require.Equal(t, noon.Add(time.Minute), b.At())
	})
}
