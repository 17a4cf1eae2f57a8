package command

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// perMinute is how many commands a person may give in a minute.
const perMinute = 30

// limiter limits each person's commands. The first one above the limit gets a warning, the following ones
// no reply.
type limiter struct {
	mu     sync.Mutex
	people map[string]*allowance
}

type allowance struct {
	bucket *rate.Limiter
	warned bool
	last   time.Time
}

// allow reports whether the person may give another command now, and if not, whether to warn them.
func (l *limiter) allow(email string, now time.Time) (ok, warn bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.people == nil {
		l.people = make(map[string]*allowance)
	}
	a := l.people[email]
	if a == nil {
		if len(l.people) >= 1000 {
			l.forget(now)
		}
		a = &allowance{bucket: rate.NewLimiter(rate.Every(time.Minute/perMinute), perMinute)}
		l.people[email] = a
	}
	a.last = now
	if a.bucket.AllowN(now, 1) {
		a.warned = false
		return true, false
	}
	warn = !a.warned
	a.warned = true
	return false, warn
}

// forget evicts the people whose allowance is full again.
func (l *limiter) forget(now time.Time) {
	for email, a := range l.people {
		if now.Sub(a.last) > time.Minute {
			delete(l.people, email)
		}
	}
}
