// Package queue orders work: by urgency, fairly between rooms, one item of a lane at a time, and so that
// nothing starves. It is a data structure: the time is an argument, and it isn't safe for concurrent use.
package queue

import (
	"container/heap"
	"iter"
	"slices"
	"time"
)

// Urgency orders items: by class, then by rank, then by age. Lower numbers are more urgent.
type Urgency struct {
	Class, Rank int // class 0: somebody is waiting for it
	Since       time.Time
}

func (u Urgency) before(v Urgency) bool {
	switch {
	case u.Class != v.Class:
		return u.Class < v.Class
	case u.Rank != v.Rank:
		return u.Rank < v.Rank
	}
	return u.Since.Before(v.Since)
}

// Item is one piece of work. The exported fields are the caller's; Urgency is changed by Reorder. Value belongs to whoever picked
// the item: what may change meanwhile (Urgency, Version) is read and written only where the queue is used.
type Item[T any] struct {
	ID   string
	Room string // items of a room share its turns
	Lane string // items of a lane go one at a time, by Order; "" for none
	Urgency
	Version int64 // of the newest news about it
	Order   int64
	Value   T

	state   state
	wake    time.Time // while waiting
	again   bool      // woken while it was picked
	index   [3]int    // in the heaps
	arrival int64     // breaks ties
}

type state int

const (
	ready   state = iota
	waiting       // until wake
	picked        // until Back or Done
	behind        // another item of its lane goes first
)

const (
	// turnEvery: one pick in turnEvery goes to an item that has waited for Patience, the rooms in turn.
	turnEvery = 4
	// firstTurnEvery is the same while items of class 0 are ready.
	firstTurnEvery = 10
	// Patience is how long an item waits before it gets such a turn.
	Patience = 30 * time.Second
)

// Queue is the work of one bot. New makes one.
type Queue[T any] struct {
	// PerRoom bounds how many items of a room are picked at the same time; 0 for no bound.
	PerRoom int
	// Opens is when a room can take the next call; nil for always.
	Opens func(room string, now time.Time) time.Time

	items    map[string]*Item[T]
	rooms    map[string]*room[T] // rooms with a ready item
	served   map[string]int64    // room → number of its last pick
	turned   map[string]int64    // room → number of its last pick for waiting long
	lanes    map[string][]*Item[T]
	first    map[string]*Item[T] // lane → its item that isn't behind
	inFlight map[string]int      // room → picked items
	waiting  itemHeap[T]
	picks    int64
	passed   int // picks in a row that ignored an item with a turn
	arrivals int64
}

// room holds the ready items of a room.
type room[T any] struct {
	urgent itemHeap[T]
	oldest itemHeap[T]
}

// New makes an empty queue.
func New[T any]() *Queue[T] {
	return &Queue[T]{
		items: map[string]*Item[T]{}, rooms: map[string]*room[T]{}, served: map[string]int64{}, turned: map[string]int64{},
		lanes: map[string][]*Item[T]{}, first: map[string]*Item[T]{}, inFlight: map[string]int{}, waiting: itemHeap[T]{kind: byWake},
	}
}

// Get returns the item with this id, or nil.
func (q *Queue[T]) Get(id string) *Item[T] { return q.items[id] }

// Len is the number of items, picked ones included.
func (q *Queue[T]) Len() int { return len(q.items) }

// ReadyRooms yields the rooms with an item that could be picked if they were open.
func (q *Queue[T]) ReadyRooms(now time.Time) iter.Seq[string] {
	q.expire(now)
	return func(yield func(string) bool) {
		for name := range q.rooms {
			if !q.full(name) && !yield(name) {
				return
			}
		}
	}
}

// Add enqueues a new item, ready at wake, or at once if that isn't after now.
func (q *Queue[T]) Add(i *Item[T], wake, now time.Time) {
	q.arrivals++
	i.arrival = q.arrivals
	q.items[i.ID] = i
	if i.Lane != "" {
		if q.first[i.Lane] != nil {
			q.queueInLane(i)
			return
		}
		q.first[i.Lane] = i
	}
	if wake.After(now) {
		q.wait(i, wake)
		return
	}
	q.push(i)
}

func (q *Queue[T]) queueInLane(i *Item[T]) {
	i.state = behind
	lane := q.lanes[i.Lane]
	at := len(lane)
	for at > 0 && lane[at-1].Order > i.Order {
		at--
	}
	q.lanes[i.Lane] = slices.Insert(lane, at, i)
}

// Wake makes a waiting item ready. A picked one becomes ready as soon as it comes back, even through Done.
func (q *Queue[T]) Wake(i *Item[T]) {
	switch i.state {
	case waiting:
		q.remove(i)
		q.push(i)
	case picked:
		i.again = true
	}
}

// Reorder changes an item's urgency.
func (q *Queue[T]) Reorder(i *Item[T], u Urgency) {
	if i.state != ready {
		i.Urgency = u
		return
	}
	q.remove(i)
	i.Urgency = u
	q.push(i)
}

// Pick dequeues the next item; nil if there is none. The item stays picked until Back or Done. The most urgent goes
// first, and one pick in turnEvery to the longest waiting one. Equally urgent rooms take turns. Rooms that can't take
// a call now are left out.
func (q *Queue[T]) Pick(now time.Time) *Item[T] {
	q.expire(now)
	var urgent, oldest *Item[T]
	for name, room := range q.rooms {
		if q.full(name) || q.opensAt(name, now).After(now) {
			continue
		}
		if i := room.urgent.items[0]; urgent == nil || q.moreUrgent(i, urgent) {
			urgent = i
		}
		if i := room.oldest.items[0]; now.Sub(i.Since) >= Patience && (oldest == nil || q.servedBefore(q.turned, i, oldest)) {
			oldest = i
		}
	}
	if urgent == nil {
		return nil
	}
	q.picks++
	i, every := urgent, turnEvery
	if urgent.Class == 0 {
		every = firstTurnEvery
	}
	switch {
	case oldest == nil:
		q.passed = 0
	case q.passed+1 < every:
		q.passed++
	default:
		i, q.passed = oldest, 0
		q.turned[i.Room] = q.picks
	}
	q.remove(i)
	i.state = picked
	q.inFlight[i.Room]++
	q.served[i.Room] = q.picks
	return i
}

// ReadyAt is when Pick returns an item; false if only Add or Wake can change that.
func (q *Queue[T]) ReadyAt(now time.Time) (at time.Time, ok bool) {
	q.expire(now)
	if q.waiting.Len() > 0 {
		at, ok = q.waiting.items[0].wake, true
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

// Back returns a picked item, to be picked again at wake, or at once if it was woken meanwhile.
func (q *Queue[T]) Back(i *Item[T], wake, now time.Time) {
	q.release(i)
	if i.again || !wake.After(now) {
		i.again = false
		q.push(i)
		return
	}
	q.wait(i, wake)
}

// Done removes a picked item. One that was woken meanwhile stays, ready.
func (q *Queue[T]) Done(i *Item[T]) {
	q.release(i)
	if i.again {
		i.again = false
		q.push(i)
		return
	}
	delete(q.items, i.ID)
	if len(q.items) == 0 {
		clear(q.served)
		clear(q.turned)
	}
	if i.Lane != "" {
		q.advance(i.Lane)
	}
}

// LeaveLane lets the items behind a picked one go on without it.
func (q *Queue[T]) LeaveLane(i *Item[T]) {
	if i.Lane == "" {
		return
	}
	lane := i.Lane
	i.Lane = ""
	q.advance(lane)
}

func (q *Queue[T]) advance(lane string) {
	delete(q.first, lane)
	rest := q.lanes[lane]
	if len(rest) == 0 {
		return
	}
	if q.lanes[lane] = rest[1:]; len(rest) == 1 {
		delete(q.lanes, lane)
	}
	q.first[lane] = rest[0]
	q.push(rest[0])
}

// expire makes items ready whose wait has ended.
func (q *Queue[T]) expire(now time.Time) {
	for q.waiting.Len() > 0 && !q.waiting.items[0].wake.After(now) {
		i := q.waiting.items[0]
		q.remove(i)
		q.push(i)
	}
}

// full reports whether a room has as many items in flight as it may: a slow room must not occupy every worker.
func (q *Queue[T]) full(room string) bool { return q.PerRoom > 0 && q.inFlight[room] >= q.PerRoom }

func (q *Queue[T]) release(i *Item[T]) {
	if q.inFlight[i.Room]--; q.inFlight[i.Room] <= 0 {
		delete(q.inFlight, i.Room)
	}
}

func (q *Queue[T]) opensAt(room string, now time.Time) time.Time {
	if q.Opens == nil {
		return time.Time{}
	}
	return q.Opens(room, now)
}

// moreUrgent compares the most urgent items of two rooms.
func (q *Queue[T]) moreUrgent(a, b *Item[T]) bool {
	if a.Class != b.Class || a.Rank != b.Rank {
		return a.before(b.Urgency)
	}
	return q.servedBefore(q.served, a, b)
}

// servedBefore compares two items by when their rooms had their last pick. Turns are counted apart from
// other picks: otherwise two rooms that alternate would get every fourth pick always, or never.
func (q *Queue[T]) servedBefore(picks map[string]int64, a, b *Item[T]) bool {
	if pa, pb := picks[a.Room], picks[b.Room]; pa != pb {
		return pa < pb
	}
	if !a.Since.Equal(b.Since) {
		return a.Since.Before(b.Since)
	}
	return a.arrival < b.arrival
}

func (q *Queue[T]) wait(i *Item[T], wake time.Time) {
	i.state, i.wake = waiting, wake
	heap.Push(&q.waiting, i)
}

func (q *Queue[T]) push(i *Item[T]) {
	i.state = ready
	r := q.rooms[i.Room]
	if r == nil {
		r = &room[T]{urgent: itemHeap[T]{kind: byUrgency}, oldest: itemHeap[T]{kind: byAge}}
		q.rooms[i.Room] = r
	}
	heap.Push(&r.urgent, i)
	heap.Push(&r.oldest, i)
}

// remove removes an item from its heaps.
func (q *Queue[T]) remove(i *Item[T]) {
	switch i.state {
	case ready:
		r := q.rooms[i.Room]
		heap.Remove(&r.urgent, i.index[byUrgency])
		heap.Remove(&r.oldest, i.index[byAge])
		if r.urgent.Len() == 0 {
			delete(q.rooms, i.Room)
		}
	case waiting:
		heap.Remove(&q.waiting, i.index[byWake])
	}
}
