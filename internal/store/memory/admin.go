package memory

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// needed reports whether something is still to be sent for a group, or it is a dead letter.
func needed(g store.Group) bool {
	return !g.PendingSince.IsZero() || g.State == store.PostDead || !g.ListDeadAt.IsZero()
}

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, journalBefore, problemsBefore, auditBefore time.Time, limit int) (int, error) {
	journalBefore, problemsBefore, auditBefore = own(journalBefore), own(problemsBefore), own(auditBefore)
	return call(ctx, s, func() (removed int, err error) {
		forgetEntry := func(e store.Entry) { s.journal.delete(e.ID) }
		// Like a database without an index on the time, it considers the oldest applied entries only.
		for _, e := range s.journal.find(limit, oldestEntry, func(e store.Entry) bool { return e.Applied }) {
			if e.ReceivedAt.Before(journalBefore) {
				forgetEntry(e)
				removed++
			}
		}
		removed += s.journal.remove(limit, oldestEntry,
			func(e store.Entry) bool { return setAside(e) && e.ReceivedAt.Before(auditBefore) }, forgetEntry)
		removed += s.notices.remove(limit, func(a, b store.Notice) int { return a.ChangedAt.Compare(b.ChangedAt) },
			func(n store.Notice) bool { return n.State == store.NoticeSent && n.ChangedAt.Before(problemsBefore) }, s.removeNotice)
		removed += s.commands.remove(limit, oldestCommand,
			func(c command) bool { return !unfinished(c) && c.CreatedAt.Before(auditBefore) },
			func(c command) { s.commands.delete(c.ID) })
		removed += s.bindings.remove(limit, func(a, b store.Binding) int { return a.EndedAt.Compare(b.EndedAt) },
			func(b store.Binding) bool { return !b.EndedAt.IsZero() && b.EndedAt.Before(auditBefore) },
			func(b store.Binding) { s.bindings.delete(b.ID) })
		removed += s.reminders.remove(limit, func(a, b reminder) int { return a.ChangedAt.Compare(b.ChangedAt) },
			func(r reminder) bool { return r.Due.IsZero() && r.ChangedAt.Before(problemsBefore) }, func(r reminder) { s.reminders.delete(r.ID) })
		removed += s.pruneIncidents(auditBefore, limit)
		removed += s.triggers.remove(limit, func(a, b trigger) int { return a.WrittenAt.Compare(b.WrittenAt) },
			func(row trigger) bool { return row.WrittenAt.Before(auditBefore) }, func(row trigger) { s.triggers.delete(row.Key) })
		posts := len(s.posts.rows)
		removed += s.problems.remove(limit, func(a, b problem) int { return a.WrittenAt.Compare(b.WrittenAt) },
			func(p problem) bool {
				return p.State != alert.StateOpen && p.WrittenAt.Before(problemsBefore) && !s.keeps(p.Key)
			},
			func(p problem) {
				s.posts.remove(0, byKey, func(post store.Post) bool { return post.Key == p.Key }, s.removePost)
				s.problems.delete(p.Key)
			})
		removed += posts - len(s.posts.rows)
		removed += s.groups.remove(limit, func(a, b store.Group) int { return a.OpenedAt.Compare(b.OpenedAt) },
			func(g store.Group) bool {
				return g.OpenedAt.Before(problemsBefore) && !needed(g) && s.posts.count(func(p store.Post) bool { return p.Group == g.ID }) == 0
			}, s.removeGroup)
		return removed, nil
	})
}

// keeps reports whether a post of a problem is still needed.
func (d *data) keeps(key alert.Key) bool {
	return d.posts.count(func(p store.Post) bool {
		return p.Key == key && (p.Pending() || p.State == store.PostDead || needed(d.groups.rows[p.Group]))
	}) > 0
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	return call(ctx, s, func() (store.Stats, error) { return s.stats(s.now()), nil })
}

func (d *data) stats(now time.Time) store.Stats {
	st := store.Stats{OpenProblems: map[alert.Severity]int64{}, Rooms: map[string]store.RoomStats{}}
	var all store.RoomStats
	pendingSince := func(n *int64, room string, at time.Time) {
		*n++
		if at.After(now) {
			at = time.Time{}
		}
		all.Add(1, at)
		r := st.Rooms[room]
		r.Add(1, at)
		st.Rooms[room] = r
	}
	for _, severity := range alert.Severities {
		st.OpenProblems[severity] = int64(d.problems.count(func(p problem) bool { return p.Open() && p.Severity == severity }))
	}
	st.SetAside = int64(d.journal.count(setAside))
	for i, e := range d.journal.find(0, oldestEntry, pending) {
		if st.JournalPending++; i == 0 {
			all.Add(0, e.ReceivedAt)
		}
	}
	for _, p := range d.posts.rows {
		if p.Pending() {
			pendingSince(&st.PostsPending, p.Room, p.PendingSince)
		} else if p.Fresh() && !p.LookAt.IsZero() && p.LookAt.Equal(p.HeldUntil()) {
			st.PostsPending++
		}
	}
	for _, g := range d.groups.rows {
		if !g.PendingSince.IsZero() {
			pendingSince(&st.PostsPending, g.Room, g.PendingSince)
		}
	}
	for _, n := range d.notices.rows {
		if n.State == store.NoticePending {
			pendingSince(&st.NoticesPending, n.Room, n.ChangedAt)
		}
	}
	st.OldestPending = all.OldestPending
	for _, l := range d.deadLetters() {
		room := l.Room
		if l.Kind == store.LetterNotice {
			room = d.notices.rows[l.Number].Room
		}
		r := st.Rooms[room]
		if r.Dead == nil {
			r.Dead = map[store.LetterKind]int64{}
		}
		r.Dead[l.Kind]++
		st.Rooms[room] = r
	}
	st.CommandsPending = int64(d.commands.count(unfinished))
	return st
}
