package delivery

import (
	"time"

	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
)

// A new problem that its room may not be told of yet (a delay, quiet hours) waits
// without being looked at, and comes to the room when that is over: so what comes
// at the end of quiet hours is gathered into a digest like any storm.

// heldUntil is when the room may be told of a problem that it doesn't know of;
// zero for one that it does, or that is over: that is looked at at once.
func heldUntil(p store.Post) time.Time {
	if step.Told(p.Cursor) || !p.Open {
		return time.Time{}
	}
	return p.HeldUntil()
}

// dueSince is since when the room is behind and might have been told.
func dueSince(p store.Post) time.Time {
	if at := p.HeldUntil(); !p.DirtySince.IsZero() && at.After(p.DirtySince) {
		return at
	}
	return p.DirtySince
}

// hold lets a new task, or a known one, wait for its time; false where that has come.
func (b *bot) hold(t *task, fresh bool, now time.Time) bool {
	if t.Value.post == nil || !t.Value.post.hold.After(now) {
		return false
	}
	b.queue.Sleep(t, t.Value.post.hold, fresh)
	g := b.gatheringOf(t.Room)
	if g == nil || !t.Waiting() {
		return t.Waiting()
	}
	delete(g.untold, t)
	g.held[t] = true
	if g.nextHeld.IsZero() || t.Value.post.hold.Before(g.nextHeld) {
		g.nextHeld = t.Value.post.hold
	}
	return true
}

// rehold takes in that a known task may be told at another time than before. It says
// whether it still waits, and whether it comes to the room now.
func (b *bot) rehold(t *task, until time.Time, open bool, now time.Time) (waits, comes bool) {
	t.Value.post.hold = until
	if b.hold(t, false, now) {
		return true, false
	}
	g := b.gather[t.Room]
	if g == nil || !g.held[t] {
		return false, false
	}
	delete(g.held, t)
	b.queue.Reorder(t, queue.Urgency{Class: t.Class, Rank: t.Rank, Since: now})
	return false, open
}

// release lets those come to their rooms whose time has come.
func (b *bot) release(now time.Time) {
	for room, g := range b.gather {
		if g.nextHeld.IsZero() || g.nextHeld.After(now) {
			continue
		}
		var come []*task
		g.nextHeld = time.Time{}
		for t := range g.held {
			switch {
			case !t.Value.post.hold.After(now):
				delete(g.held, t)
				come = append(come, t)
			case g.nextHeld.IsZero() || t.Value.post.hold.Before(g.nextHeld):
				g.nextHeld = t.Value.post.hold
			}
		}
		if len(come) > 0 {
			b.arrived(room, come, now)
		}
	}
}
