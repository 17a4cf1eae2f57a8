package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// spend makes as many calls as the rate allows within d, each taken by Webex.
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
	require.InDelta(t, 10, calls, 1, "a second's burst and a second's worth")
}

func TestRateGrowsWhileItIsTheLimit(t *testing.T) {
	r := NewRate(5, noon)
	_, now := spend(r, noon, 10*time.Second)
	require.InDelta(t, 6, r.PerSecond(), 0.1, "0.1/s gained in each second of full use")
	for range 100 { // one call in ten seconds isn't what tells how much is allowed
		now = now.Add(10 * time.Second)
		r.Take(now)
		r.Succeeded(now)
	}
	require.InDelta(t, 6, r.PerSecond(), 0.1)
	_, _ = spend(r, now, time.Hour)
	require.Equal(t, 20.0, r.PerSecond(), "the ceiling")
}

func TestRateIsHalvedOnceForCallsUnderWayTogether(t *testing.T) {
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

func TestRateNeverExceedsItsPace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		r := NewRate(float64(rapid.IntRange(1, 50).Draw(t, "rate")), now)
		var until time.Time
		for range rapid.IntRange(1, 100).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
			at := r.ReadyAt(now)
			if at.Before(until) {
				t.Fatalf("ready at %v though told to wait until %v", at, until)
			}
			if again := r.ReadyAt(at); again.After(at) {
				t.Fatalf("said %v, then %v", at, again)
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
	t.Run("one post that always fails doesn't open it", func(t *testing.T) {
		var b Breaker
		for range 100 {
			b.Failed("x", noon, noon, 1)
		}
		require.False(t, b.Open())
	})
	t.Run("three in a row do, and each try that fails doubles the wait", func(t *testing.T) {
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
		require.Equal(t, noon.Add(2*time.Second), b.At(), "a call that was under way tells nothing new")
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
	t.Run("a bad token is tried once a minute", func(t *testing.T) {
		var b Breaker
		b.Unauthorized(noon)
		require.Equal(t, BreakerUnauthorized, b.State())
		require.Equal(t, noon.Add(time.Minute), b.At())
	})
}
