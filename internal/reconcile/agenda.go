package reconcile

import (
	"container/heap"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
)

// An agenda is bounded, since a Zabbix may be away for weeks while it sends events.
const (
	// maxKeys is how many problems of one source wait to be asked about. The store knows of
	// the others which were never asked about (Options.Unobserved).
	maxKeys = 20_000
	// maxLooks is how many looks at one problem are planned.
	maxLooks = 4
)

// agenda says which problems are to be looked at, and when: in a storm there are
// tens of thousands, so that nothing here walks through all of them.
type agenda struct {
	planned map[alert.Key]*plan
	order   planHeap // by the first look
	dropped bool     // problems, for want of room
}

// plan is when one problem is to be looked at.
type plan struct {
	key   alert.Key
	looks []time.Time // the earliest first; at least one
	index int         // in the heap
}

func newAgenda() *agenda { return &agenda{planned: map[alert.Key]*plan{}} }

// add plans a look, unless one stands within settle of it. It is false where there is no
// room for another problem.
func (a *agenda) add(key alert.Key, at time.Time) bool {
	p := a.planned[key]
	if p == nil {
		if len(a.planned) >= maxKeys {
			a.dropped = true
			return false
		}
		p = &plan{key: key, looks: []time.Time{at}}
		a.planned[key] = p
		heap.Push(&a.order, p)
		return true
	}
	if p.add(at) {
		heap.Fix(&a.order, p.index)
	}
	return true
}

// add says whether the looks have changed.
func (p *plan) add(at time.Time) bool {
	i, _ := slices.BinarySearchFunc(p.looks, at, time.Time.Compare)
	if i > 0 && at.Sub(p.looks[i-1]) < settle || i < len(p.looks) && p.looks[i].Sub(at) < settle {
		return false
	}
	p.looks = slices.Insert(p.looks, i, at)
	if len(p.looks) > maxLooks {
		// A look sees what happened before it, so that the next one stands for it. The first
		// says since when the problem waits, the last one is needed.
		drop := 1
		for i := 2; i+1 < len(p.looks); i++ {
			if p.looks[i+1].Sub(p.looks[i]) < p.looks[drop+1].Sub(p.looks[drop]) {
				drop = i
			}
		}
		p.looks = slices.Delete(p.looks, drop, drop+1)
	}
	return true
}

// take removes the keys that are due, batch at most, the oldest look first; with
// none due it says how long to wait.
func (a *agenda) take(now time.Time) (due []alert.Key, wait time.Duration) {
	for len(a.order) > 0 && len(due) < batch {
		p := a.order[0]
		if d := p.looks[0].Sub(now); d > 0 {
			return due, d
		}
		due = append(due, p.key)
		p.looks = slices.DeleteFunc(p.looks, func(t time.Time) bool { return !t.After(now) })
		if len(p.looks) == 0 {
			heap.Pop(&a.order)
			delete(a.planned, p.key)
		} else {
			heap.Fix(&a.order, 0)
		}
	}
	return due, time.Hour
}

// roomAgain is true once after problems were dropped, when there is room again.
func (a *agenda) roomAgain() bool {
	if !a.dropped || len(a.planned) > maxKeys/2 {
		return false
	}
	a.dropped = false
	return true
}

type planHeap []*plan

func (h planHeap) Len() int           { return len(h) }
func (h planHeap) Less(i, j int) bool { return h[i].looks[0].Before(h[j].looks[0]) }
func (h planHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *planHeap) Push(x any) {
	p := x.(*plan)
	p.index = len(*h)
	*h = append(*h, p)
}

func (h *planHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	return last
}
