package delivery

import (
	"container/heap"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// class is what kind of work waits, the most urgent first.
type class int

const (
	classAnswer class = iota // answers to commands: somebody is looking at the room
	classNew                 // problems that their room doesn't know of
	classUpdate              // recoveries, changes
	classCard                // buttons
	classRest                // notices that answer nobody
)

// urgency orders what waits: by class, then rank (the lower the more urgent:
// severity, or a notice's kind), then since when.
type urgency struct {
	class class
	rank  int
	since time.Time
}

func (u urgency) before(v urgency) bool {
	switch {
	case u.class != v.class:
		return u.class < v.class
	case u.rank != v.rank:
		return u.rank < v.rank
	}
	return u.since.Before(v.since)
}

// bySeverity is the rank of a severity.
func bySeverity(s alert.Severity) int { return int(alert.Disaster - s) }

// pressing is what waits for nothing that can be helped: answers to commands, and new disasters.
func (u urgency) pressing() bool {
	return u.class == classAnswer || u.class == classNew && u.rank == bySeverity(alert.Disaster)
}

// task is one post or notice that is behind, or the digests of a room. Only the queue writes its
// unexported scheduling fields; the worker that holds it may write the others.
type task struct {
	id   string // "post:main/4711@noc", "notice:12", "digest:noc"
	room string // for fairness: tasks of one room share its turns
	lane string // one task of a lane at a time, in the order of order; "" for none
	// order is the place in the lane.
	order int64
	urgency

	// version is the newest that is known of what to tell: Post.Desired, Notice.Version.
	version int64

	post   *postTask   // one of these
	notice *noticeTask // three is set
	digest *digestTask

	place   place
	wake    time.Time // while placeWaiting
	again   bool      // woken while it was held
	index   [3]int    // in the heaps, by heapKind
	arrival int64     // the last resort of every order, so that there is always one
}

type place int

const (
	placeReady   place = iota // may be picked
	placeWaiting              // not before wake
	placeHeld                 // a worker has it
	placeBehind               // another one of its lane comes first
	placeParked               // gathered: the room's digest may take it
)

const (
	// turnEvery: one pick in so many goes to what has waited long, whatever its
	// urgency, the rooms in turn. So nothing starves, and a new disaster still
	// goes with the next pick or the one after.
	turnEvery = 4
	// answerTurnEvery is the same while answers to commands are ready, which else go first.
	answerTurnEvery = 10
	// patience is how long a task waits before that.
	patience = 30 * time.Second
)

// queue is a bot's work: what is behind, in the order in which it is to be
// done. It is data; now is an argument. It isn't safe for concurrent use.
type queue struct {
	tasks   map[string]*task
	rooms   map[string]*roomQueue // those with something ready
	served  map[string]int64      // room → the pick that served it last; since the queue was empty
	turned  map[string]int64      // likewise, of those picks that went to what had waited long
	lanes   map[string][]*task    // lane → those behind its first, by order
	first   map[string]*task      // lane → who is ready, waiting or held
	held    map[string]int        // room → how many of its tasks are held
	perRoom int                   // how many may be; 0 for any number
	waiting taskHeap
	picks   int64
	passed  int // picks in a row that passed over what has waited long
	arrived int64
	// opens says from when on a room takes calls, where that isn't now; nil for always.
	opens func(room string, now time.Time) time.Time
}

// roomQueue is what is ready for one room.
type roomQueue struct {
	urgent taskHeap // the most urgent first
	oldest taskHeap // the longest waiting first
}

func newQueue() *queue {
	return &queue{
		tasks: map[string]*task{}, rooms: map[string]*roomQueue{}, served: map[string]int64{}, turned: map[string]int64{},
		lanes: map[string][]*task{}, first: map[string]*task{}, held: map[string]int{}, waiting: taskHeap{kind: heapWaiting},
	}
}

func (q *queue) get(id string) *task { return q.tasks[id] }

func (q *queue) len() int { return len(q.tasks) }

// add takes in a new task, ready at once.
func (q *queue) add(t *task) {
	q.arrived++
	t.arrival = q.arrived
	q.tasks[t.id] = t
	if t.lane != "" {
		if q.first[t.lane] != nil {
			q.fallBehind(t)
			return
		}
		q.first[t.lane] = t
	}
	q.ready(t)
}

func (q *queue) fallBehind(t *task) {
	t.place = placeBehind
	behind := q.lanes[t.lane]
	i := len(behind)
	for i > 0 && behind[i-1].order > t.order {
		i--
	}
	behind = append(behind, nil)
	copy(behind[i+1:], behind[i:])
	behind[i] = t
	q.lanes[t.lane] = behind
}

// wakeUp makes a task that waits ready; one that is held comes back at once.
func (q *queue) wakeUp(t *task) {
	switch t.place {
	case placeWaiting:
		q.lift(t)
		q.ready(t)
	case placeHeld:
		t.again = true
	}
}

// reorder gives a task another urgency.
func (q *queue) reorder(t *task, u urgency) {
	if t.place != placeReady {
		t.urgency = u
		return
	}
	q.lift(t)
	t.urgency = u
	q.ready(t)
}

// pick gives the task to do next, nil when there is none; it is held until
// back or done. Answers first; else in turnEvery picks one for who has waited
// longest, and the others for the most urgent. Rooms that are equally urgent
// take turns; one that doesn't take calls now is left out.
func (q *queue) pick(now time.Time) *task {
	q.rouse(now)
	var urgent, oldest *task
	for name, room := range q.rooms {
		if q.full(name) || q.opensAt(name, now).After(now) {
			continue
		}
		if t := room.urgent.tasks[0]; urgent == nil || q.moreUrgent(t, urgent) {
			urgent = t
		}
		if t := room.oldest.tasks[0]; now.Sub(t.since) >= patience && (oldest == nil || q.longerSince(q.turned, t, oldest)) {
			oldest = t
		}
	}
	if urgent == nil {
		return nil
	}
	q.picks++
	t, every := urgent, turnEvery
	if urgent.class == classAnswer {
		every = answerTurnEvery
	}
	switch {
	case oldest == nil:
		q.passed = 0
	case q.passed+1 < every:
		q.passed++
	default:
		t, q.passed = oldest, 0
		q.turned[t.room] = q.picks
	}
	q.lift(t)
	t.place = placeHeld
	q.held[t.room]++
	q.served[t.room] = q.picks
	return t
}

// rouse makes ready what has waited long enough.
func (q *queue) rouse(now time.Time) {
	for q.waiting.Len() > 0 && !q.waiting.tasks[0].wake.After(now) {
		t := q.waiting.tasks[0]
		q.lift(t)
		q.ready(t)
	}
}

// full says whether a room has as many workers as it may have: one whose answers are
// slow must not keep all of them from the others.
func (q *queue) full(room string) bool { return q.perRoom > 0 && q.held[room] >= q.perRoom }

// letGo counts a task that isn't held any more.
func (q *queue) letGo(t *task) {
	if q.held[t.room]--; q.held[t.room] <= 0 {
		delete(q.held, t.room)
	}
}

// moreUrgent compares the heads of two rooms.
func (q *queue) moreUrgent(a, b *task) bool {
	if a.class != b.class || a.rank != b.rank {
		return a.before(b.urgency)
	}
	return q.longerSince(q.served, a, b)
}

// longerSince compares by which of two tasks' rooms had its pick longer ago. The turns of what has waited long are
// counted by themselves: rooms that alternate would else get each fourth pick always, or never.
func (q *queue) longerSince(picks map[string]int64, a, b *task) bool {
	if pa, pb := picks[a.room], picks[b.room]; pa != pb {
		return pa < pb
	}
	if !a.since.Equal(b.since) {
		return a.since.Before(b.since)
	}
	return a.arrival < b.arrival
}

// park takes a task that is ready or waiting out of the order.
func (q *queue) park(t *task) {
	q.lift(t)
	t.place = placeParked
}

// unpark makes a parked task ready.
func (q *queue) unpark(t *task) { q.ready(t) }

// drop forgets a parked task.
func (q *queue) drop(t *task) { delete(q.tasks, t.id) }

// sleep lets a ready or waiting task wait until at, or less where it would be ready earlier.
func (q *queue) sleep(t *task, at time.Time, fresh bool) {
	if t.place == placeReady && !fresh || t.place == placeWaiting && !at.Before(t.wake) {
		return
	}
	if t.place != placeReady && t.place != placeWaiting {
		return
	}
	q.lift(t)
	t.place, t.wake = placeWaiting, at
	heap.Push(&q.waiting, t)
}

// back returns a held task, not to be picked before wake; one that was woken
// meanwhile is ready at once.
func (q *queue) back(t *task, wake time.Time, now time.Time) {
	q.letGo(t)
	if t.again || !wake.After(now) {
		t.again = false
		q.ready(t)
		return
	}
	t.place, t.wake = placeWaiting, wake
	heap.Push(&q.waiting, t)
}

// leaveLane lets those behind a task go on without it: it fails and fails.
func (q *queue) leaveLane(t *task) {
	if t.lane == "" {
		return
	}
	lane := t.lane
	t.lane = ""
	q.advance(lane)
}

// done drops a held task; one that was woken meanwhile stays, ready.
func (q *queue) done(t *task) {
	q.letGo(t)
	if t.again {
		t.again = false
		q.ready(t)
		return
	}
	delete(q.tasks, t.id)
	if len(q.tasks) == 0 {
		clear(q.served)
		clear(q.turned)
	}
	if t.lane != "" {
		q.advance(t.lane)
	}
}

func (q *queue) advance(lane string) {
	delete(q.first, lane)
	behind := q.lanes[lane]
	if len(behind) == 0 {
		return
	}
	t := behind[0]
	if q.lanes[lane] = behind[1:]; len(behind) == 1 {
		delete(q.lanes, lane)
	}
	q.first[lane] = t
	q.ready(t)
}

func (q *queue) opensAt(room string, now time.Time) time.Time {
	if q.opens == nil {
		return time.Time{}
	}
	return q.opens(room, now)
}

// readyAt is when pick gives a task: now or earlier, or later; false where only
// a new one, or a wake, can tell.
func (q *queue) readyAt(now time.Time) (at time.Time, ok bool) {
	q.rouse(now)
	if q.waiting.Len() > 0 {
		at, ok = q.waiting.tasks[0].wake, true
	}
	for name := range q.rooms {
		if q.full(name) {
			continue
		}
		if opens := q.opensAt(name, now); !ok || opens.Before(at) {
			at, ok = opens, true
		}
	}
	return at, ok
}

func (q *queue) ready(t *task) {
	t.place = placeReady
	room := q.rooms[t.room]
	if room == nil {
		room = &roomQueue{urgent: taskHeap{kind: heapUrgent}, oldest: taskHeap{kind: heapOldest}}
		q.rooms[t.room] = room
	}
	heap.Push(&room.urgent, t)
	heap.Push(&room.oldest, t)
}

// lift takes a task out of the heaps that it is in.
func (q *queue) lift(t *task) {
	switch t.place {
	case placeReady:
		room := q.rooms[t.room]
		heap.Remove(&room.urgent, t.index[heapUrgent])
		heap.Remove(&room.oldest, t.index[heapOldest])
		if room.urgent.Len() == 0 {
			delete(q.rooms, t.room)
		}
	case placeWaiting:
		heap.Remove(&q.waiting, t.index[heapWaiting])
	}
}

type heapKind int

const (
	heapUrgent heapKind = iota
	heapOldest
	heapWaiting
)

// taskHeap is a heap of tasks that knows where each one is.
type taskHeap struct {
	kind  heapKind
	tasks []*task
}

func (h *taskHeap) Len() int { return len(h.tasks) }

func (h *taskHeap) Less(i, j int) bool {
	a, b := h.tasks[i], h.tasks[j]
	switch {
	case h.kind == heapUrgent && (a.before(b.urgency) || b.before(a.urgency)):
		return a.before(b.urgency)
	case h.kind == heapOldest && !a.since.Equal(b.since):
		return a.since.Before(b.since)
	case h.kind == heapWaiting && !a.wake.Equal(b.wake):
		return a.wake.Before(b.wake)
	}
	return a.arrival < b.arrival
}

func (h *taskHeap) Swap(i, j int) {
	h.tasks[i], h.tasks[j] = h.tasks[j], h.tasks[i]
	h.tasks[i].index[h.kind], h.tasks[j].index[h.kind] = i, j
}

func (h *taskHeap) Push(x any) {
	t := x.(*task)
	t.index[h.kind] = len(h.tasks)
	h.tasks = append(h.tasks, t)
}

func (h *taskHeap) Pop() any {
	last := len(h.tasks) - 1
	t := h.tasks[last]
	h.tasks[last] = nil
	h.tasks = h.tasks[:last]
	return t
}

// noticeRank is the rank of a notice's kind.
func noticeRank(kind store.NoticeKind) int {
	for i, k := range []store.NoticeKind{store.NoticeAnswer, store.NoticeNotify, store.NoticeTest, store.NoticeSystem} {
		if k == kind {
			return i
		}
	}
	return len(kind)
}
