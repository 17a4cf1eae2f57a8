package reconcile

import (
	"errors"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/zabbix"
)

const (
	// steady is how many calls in a row must succeed before a batch grows again.
	steady = 8
	// firstApart and lastApart bound how long a problem is left out that Zabbix can't
	// answer about.
	firstApart, lastApart = time.Minute, time.Hour
)

// result is how a call ended.
type result int

const (
	answered result = iota
	choked          // Zabbix failed while it worked on it: a smaller batch may succeed
	away            // whatever was asked would have failed
)

func resultOf(err error) result {
	var e *zabbix.Error
	switch {
	case err == nil:
		return answered
	case errors.As(err, &e) && e.MayBeBatch():
		return choked
	}
	return away
}

// step is what follows from a call.
type step int

const (
	goOn    step = iota
	split        // ask for the same in smaller batches, at once
	exclude      // leave the one problem out for a while
	hold         // the source is at fault: wait
)

// pace says how many problems one call asks about. It halves where Zabbix
// fails, down to the one problem that is to blame, and grows again.
type pace struct {
	size int
	calm int // calls in a row that succeeded
	// proven says that a call succeeded since the last problem was excluded, so that one
	// that fails alone is to blame rather than Zabbix.
	proven bool
}

// after is the pace after a call about n problems, and what to do about them.
func (p pace) after(n int, r result) (pace, step) {
	switch {
	case r == answered:
		p.proven = true
		if p.calm++; p.calm >= steady {
			p.size, p.calm = min(2*p.size, batch), 0
		}
		return p, goOn
	case r == away:
		p.calm = 0
		return p, hold
	case n > 1:
		p.size, p.calm = n/2, 0
		return p, split
	}
	p.size, p.calm = 1, 0
	if !p.proven {
		return p, hold
	}
	p.proven = false
	return p, exclude
}

// exile is a problem that Zabbix can't answer about.
type exile struct {
	times int
	until time.Time
}

// asker decides what one source is asked next. It makes no calls, and the time is an argument.
type asker struct {
	pace     pace
	alone    []alert.Key // exiles whose time has come: each is asked by itself
	queue    []alert.Key // what else is due
	suspects []alert.Key // failed by themselves while nothing was answered: after all others
	apart    map[alert.Key]exile
}

func newAsker() *asker {
	return &asker{pace: pace{size: batch}, apart: map[alert.Key]exile{}}
}

// take adds what is due. Exiles whose time hasn't come are given to later.
func (a *asker) take(due []alert.Key, now time.Time, later func(alert.Key, time.Time)) {
	for _, key := range due {
		switch e, apart := a.apart[key]; {
		case !apart:
			a.queue = append(a.queue, key)
		case now.Before(e.until):
			later(key, e.until)
		default:
			a.alone = append(a.alone, key)
		}
	}
}

func (a *asker) idle() bool { return len(a.alone)+len(a.queue)+len(a.suspects) == 0 }

// next is what to ask now, and the list that it is the beginning of; nothing
// where nothing is due.
func (a *asker) next() (keys []alert.Key, from *[]alert.Key) {
	switch {
	case len(a.alone) > 0:
		return a.alone[:1], &a.alone
	case len(a.queue) > 0:
		return a.queue[:min(len(a.queue), a.pace.size)], &a.queue
	case len(a.suspects) > 0:
		return a.suspects[:1], &a.suspects
	}
	return nil, nil
}

// done records how the call about next's problems ended. known says about which of them something
// was learned. It gives back the problems that are now set apart, to be asked again when their time
// has come, and whether to wait first.
func (a *asker) done(known func(alert.Key) bool, r result, now time.Time) (excluded []alert.Key, wait bool) {
	asked, from := a.next()
	s := exclude // an exile that fails again is to blame, not Zabbix
	if from != &a.alone || r != choked {
		a.pace, s = a.pace.after(len(asked), r)
	}
	switch {
	case s == split:
		return nil, false
	case s == hold && r == away:
		return nil, true
	}
	*from = (*from)[len(asked):]
	if s == hold {
		a.suspects = append(a.suspects, asked[0])
		return nil, true
	}
	for _, key := range asked {
		if s == goOn && known(key) {
			delete(a.apart, key)
			continue
		}
		a.exile(key, now)
		excluded = append(excluded, key)
	}
	return excluded, false
}

func (a *asker) exile(key alert.Key, now time.Time) {
	e := a.apart[key]
	e.until = now.Add(backoff(e.times))
	e.times++
	a.apart[key] = e
}

// backoff is how long a problem is left alone after it was asked about in vain so many times before.
func backoff(times int) time.Duration { return min(firstApart<<min(times, 10), lastApart) }
