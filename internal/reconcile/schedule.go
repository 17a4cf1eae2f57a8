package reconcile

import (
	"container/heap"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
)

// The bounds of a schedule: a Zabbix's API may be unreachable for weeks while its events arrive.
const (
	// maxKeys is how many problems of one source are scheduled. The rest is found in the store later
	// (Options.Unobserved).
	maxKeys = 20_000
	// maxReads is how many reads of one problem are scheduled.
	maxReads = 4
)

// schedule is when to read which problems of a source. In a storm there are tens of thousands, so nothing here
// iterates over all of them.
type schedule struct {
	planned map[alert.Key]*plan
	order   planHeap // by the first read
	dropped bool     // problems were dropped because it was full
}

// plan is when to read one problem.
type plan struct {
	key   alert.Key
	reads []time.Time // the earliest first; at least one
	index int         // in the heap
}

func newSchedule() *schedule { return &schedule{planned: map[alert.Key]*plan{}} }

// add schedules a read, unless there is one within mergeWindow. False: the schedule is full.
func (a *schedule) add(key alert.Key, at time.Time) bool {
	p := a.planned[key]
	if p == nil {
		if len(a.planned) >= maxKeys {
			a.dropped = true
			return false
		}
		p = &plan{key: key, reads: []time.Time{at}}
		a.planned[key] = p
		heap.Push(&a.order, p)
		return true
	}
	if p.add(at) {
		heap.Fix(&a.order, p.index)
	}
	return true
}

// add reports whether the reads have changed.
func (p *plan) add(at time.Time) bool {
	i, _ := slices.BinarySearchFunc(p.reads, at, time.Time.Compare)
	if i > 0 && at.Sub(p.reads[i-1]) < mergeWindow || i < len(p.reads) && p.reads[i].Sub(at) < mergeWindow {
		return false
	}
	p.reads = slices.Insert(p.reads, i, at)
	if len(p.reads) > maxReads {
		// A read sees all that happened before it, so a later one replaces it. The first one is kept for the
		// order of problems, and the last one is needed.
		drop := 1
		for i := 2; i+1 < len(p.reads); i++ {
			if p.reads[i+1].Sub(p.reads[i]) < p.reads[drop+1].Sub(p.reads[drop]) {
				drop = i
			}
		}
		p.reads = slices.Delete(p.reads, drop, drop+1)
	}
	return true
}

// popDue removes the keys that are due, at most batch, the oldest read first, or says how long until the next one.
func (a *schedule) popDue(now time.Time) (due []alert.Key, wait time.Duration) {
	for len(a.order) > 0 && len(due) < batch {
		p := a.order[0]
		if d := p.reads[0].Sub(now); d > 0 {
			return due, d
		}
		due = append(due, p.key)
		p.reads = slices.DeleteFunc(p.reads, func(t time.Time) bool { return !t.After(now) })
		if len(p.reads) == 0 {
			heap.Pop(&a.order)
			delete(a.planned, p.key)
		} else {
			heap.Fix(&a.order, 0)
		}
	}
	return due, time.Hour
}

// hasRoomAgain is true once after problems were dropped and there is room again.
func (a *schedule) hasRoomAgain() bool {
	if !a.dropped || len(a.planned) > maxKeys/2 {
		return false
	}
	a.dropped = false
	return true
}

type planHeap []*plan

func (h planHeap) Len() int           { return len(h) }
func (h planHeap) Less(i, j int) bool { return h[i].reads[0].Before(h[j].reads[0]) }
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
