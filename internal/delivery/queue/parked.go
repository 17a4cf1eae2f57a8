package queue

import "time"

// Idle reports whether an item is ready or waiting.
func (i *Item[T]) Idle() bool { return i.state == ready || i.state == waiting }

// Waiting reports whether an item waits for a time.
func (i *Item[T]) Waiting() bool { return i.state == waiting }

// Park takes an idle item out of the order.
func (q *Queue[T]) Park(i *Item[T]) {
	q.remove(i)
	i.state = parked
}

// Unpark makes a parked item ready.
func (q *Queue[T]) Unpark(i *Item[T]) { q.push(i) }

// Drop removes a parked item.
func (q *Queue[T]) Drop(i *Item[T]) { delete(q.items, i.ID) }

// Sleep lets an idle item wait until at, or less where it would be ready earlier.
func (q *Queue[T]) Sleep(i *Item[T], at time.Time, fresh bool) {
	if i.state == ready && !fresh || i.state == waiting && !at.Before(i.wake) || !i.Idle() {
		return
	}
	q.remove(i)
	q.wait(i, at)
}
