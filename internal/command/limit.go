package command

import (
	"slices"
	"sync"
	"time"
)

const (
	// perMinute is how many commands a person may give in a minute.
	perMinute = 30
	// remembered bounds the times that the limiter remembers of a person: two hours of commands at the limit.
	remembered = 2 * 60 * perMinute
)

// limiter limits each person's commands by the times at which they were written, not those at which they are read: what was written
// over an hour in which the relay was down is read in a few seconds. The first command above the limit gets a warning, the following
// ones no reply.
type limiter struct {
	mu     sync.Mutex
	people map[string]*allowance
}

type allowance struct {
	given  []time.Time // when the commands that were allowed were written, in the order of reading
	warned bool
	last   time.Time // when a command was read last
}

// allow reports whether a command that a person wrote at a time is within the limit, and if not, whether to warn them.
func (l *limiter) allow(email string, at, now time.Time) (ok, warn bool) {
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
		a = &allowance{}
		l.people[email] = a
	}
	a.last = now
	near := 0 // commands of the same minute, also those written later and read earlier
	for _, t := range a.given {
		if at.Sub(t).Abs() < time.Minute {
			near++
		}
	}
	if near < perMinute {
		a.given = append(a.given, at)
		if len(a.given) > remembered {
			a.given = slices.Delete(a.given, 0, perMinute)
		}
		a.warned = false
		return true, false
	}
	warn = !a.warned
	a.warned = true
	return false, warn
}

// forget evicts the people who gave no command for a minute.
func (l *limiter) forget(now time.Time) {
	for email, a := range l.people {
		if now.Sub(a.last) > time.Minute {
			delete(l.people, email)
		}
	}
}
