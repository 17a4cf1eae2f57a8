package reconcile

import (
	"container/heap"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
)

// agenda says which problems are to be looked at, and when: in a storm there are
// tens of thousands, so that nothing here walks through all of them.
type agenda struct {
	looks map[alert.Key][]time.Time // of each, the earliest first
	order lookHeap                  // each of them, and some that are done with
}

type look struct {
	key alert.Key
	at  time.Time
}

func newAgenda() *agenda { return &agenda{looks: map[alert.Key][]time.Time{}} }

// add notes a look, unless one stands within settle of it.
func (a *agenda) add(key alert.Key, at time.Time) {
	looks := a.looks[key]
	for _, t := range looks {
		if d := t.Sub(at); d > -settle && d < settle {
			return
		}
	}
	looks = append(looks, at)
	if len(looks) > 1 {
		slices.SortFunc(looks, time.Time.Compare)
	}
	a.looks[key] = looks
	heap.Push(&a.order, look{key, at})
}

// take gives the keys that are due, batch at most, the oldest look first, and
// with none due how long to wait.
func (a *agenda) take(now time.Time) (taken []alert.Key, wait time.Duration) {
	for len(a.order) > 0 && len(taken) < batch {
		next := a.order[0]
		if d := next.at.Sub(now); d > 0 {
			return taken, d
		}
		heap.Pop(&a.order)
		looks := a.looks[next.key]
		rest := slices.DeleteFunc(looks, func(t time.Time) bool { return !t.After(now) })
		if len(rest) == len(looks) {
			continue // it was taken with an earlier one
		}
		if taken = append(taken, next.key); len(rest) == 0 {
			delete(a.looks, next.key)
		} else {
			a.looks[next.key] = rest
		}
	}
	return taken, time.Hour
}

type lookHeap []look

func (h lookHeap) Len() int           { return len(h) }
func (h lookHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h lookHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lookHeap) Push(x any)        { *h = append(*h, x.(look)) }

func (h *lookHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = look{}
	*h = (*h)[:len(*h)-1]
	return last
}
