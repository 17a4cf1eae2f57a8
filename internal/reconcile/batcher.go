package reconcile

import (
	"errors"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/zabbix"
)

const (
	// growAfter is how many calls in a row must succeed before batches grow again.
	growAfter = 8
	// minExclusion and maxExclusion bound how long a problem is excluded if Zabbix can't answer about it.
	minExclusion, maxExclusion = time.Minute, time.Hour
)

// result is how a call ended.
type result int

const (
	answered    result = iota
	overloaded         // Zabbix failed while processing the call: a smaller batch may succeed
	unreachable        // any call would have failed
)

func resultOf(err error) result {
	var e *zabbix.Error
	switch {
	case err == nil:
		return answered
	case errors.As(err, &e) && e.MayBeBatch():
		return overloaded
	}
	return unreachable
}

// reaction is what to do after a call.
type reaction int

const (
	proceed reaction = iota
	split            // ask about the same problems in smaller batches, at once
	exclude          // exclude the one problem for a while
	holdOff          // the source is failing: wait
)

// sizing is how many problems one call asks about. It halves when Zabbix fails, down to the one problem that is the
// cause, and grows again.
type sizing struct {
	size   int
	streak int // successful calls in a row
	// proven: a call succeeded since a problem was last excluded, so if one fails alone, it is the cause.
	proven bool
}

// after is the sizing after a call about n problems, and the reaction.
func (p sizing) after(n int, r result) (sizing, reaction) {
	switch {
	case r == answered:
		p.proven = true
		if p.streak++; p.streak >= growAfter {
			p.size, p.streak = min(2*p.size, batch), 0
		}
		return p, proceed
	case r == unreachable:
		p.streak = 0
		return p, holdOff
	case n > 1:
		p.size, p.streak = n/2, 0
		return p, split
	}
	p.size, p.streak = 1, 0
	if !p.proven {
		return p, holdOff
	}
	p.proven = false
	return p, exclude
}

// exclusion excludes a problem that Zabbix can't answer about.
type exclusion struct {
	times int
	until time.Time
}

// batcher decides which problems to ask a source about next. It makes no calls.
type batcher struct {
	sizing   sizing
	alone    []alert.Key // excluded problems that are due: each in a call of its own
	queue    []alert.Key // other problems that are due
	suspects []alert.Key // those that failed alone while no call succeeded: asked about last
	excluded map[alert.Key]exclusion
}

func newBatcher() *batcher {
	return &batcher{sizing: sizing{size: batch}, excluded: map[alert.Key]exclusion{}}
}

// enqueue adds due problems. Those that are still excluded are passed to later.
func (a *batcher) enqueue(due []alert.Key, now time.Time, later func(alert.Key, time.Time)) {
	for _, key := range due {
		switch e, excluded := a.excluded[key]; {
		case !excluded:
			a.queue = append(a.queue, key)
		case now.Before(e.until):
			later(key, e.until)
		default:
			a.alone = append(a.alone, key)
		}
	}
}

func (a *batcher) idle() bool { return len(a.alone)+len(a.queue)+len(a.suspects) == 0 }

// next returns the problems to ask about now, and the queue that they are the head of; nothing if nothing is due.
func (a *batcher) next() (keys []alert.Key, from *[]alert.Key) {
	switch {
	case len(a.alone) > 0:
		return a.alone[:1], &a.alone
	case len(a.queue) > 0:
		return a.queue[:min(len(a.queue), a.sizing.size)], &a.queue
	case len(a.suspects) > 0:
		return a.suspects[:1], &a.suspects
	}
	return nil, nil
}

// done records the result of the call about next's problems. known reports whether a problem was answered. It
// returns the problems that are excluded now, and whether to wait before the next call.
func (a *batcher) done(known func(alert.Key) bool, r result, now time.Time) (excluded []alert.Key, wait bool) {
	asked, from := a.next()
	s := exclude // an excluded problem that fails again is itself the cause
	if from != &a.alone || r != overloaded {
		a.sizing, s = a.sizing.after(len(asked), r)
	}
	switch {
	case s == split:
		return nil, false
	case s == holdOff && r == unreachable:
		return nil, true
	}
	*from = (*from)[len(asked):]
	if s == holdOff {
		a.suspects = append(a.suspects, asked[0])
		return nil, true
	}
	for _, key := range asked {
		if s == proceed && known(key) {
			delete(a.excluded, key)
			continue
		}
		a.exclude(key, now)
		excluded = append(excluded, key)
	}
	return excluded, false
}

func (a *batcher) exclude(key alert.Key, now time.Time) {
	e := a.excluded[key]
	e.until = now.Add(backoff(e.times))
	e.times++
	a.excluded[key] = e
}

// backoff is how long a problem is excluded after this many earlier failures.
func backoff(times int) time.Duration { return min(minExclusion<<min(times, 10), maxExclusion) }
