package command

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// perMinute is how many commands one person may give in a minute.
const perMinute = 30

// limiter counts each person's commands. The first one above the limit is told
// so, the next ones are left out without a word until it is less.
type limiter struct {
	mu     sync.Mutex
	people map[string]*allowance
}

type allowance struct {
	bucket *rate.Limiter
	warned bool
	last   time.Time
}

// allow says whether the person may give one more command now, and if not,
// whether to tell them so.
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

// forget drops those whose allowance is whole again.
func (l *limiter) forget(now time.Time) {
	for email, a := range l.people {
		if now.Sub(a.last) > time.Minute {
			delete(l.people, email)
		}
	}
}
