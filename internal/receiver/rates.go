package receiver

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// senderRates limits how fast each sender of the notify API may send.
type senderRates struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter // by sender
}

// wait counts a request, and returns 0 if it may be accepted, else how long to wait before the next one. A sender may send the
// messages of a minute at once.
func (r *senderRates) wait(s Sender, now time.Time) time.Duration {
	if s.PerMinute <= 0 {
		return 0
	}
	limit := rate.Limit(float64(s.PerMinute) / 60)
	r.mu.Lock()
	defer r.mu.Unlock()
	bucket := r.buckets[s.Name]
	if bucket == nil || bucket.Burst() != s.PerMinute {
		bucket = rate.NewLimiter(limit, s.PerMinute)
		r.buckets[s.Name] = bucket
	}
	reserved := bucket.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}
