package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// DeadLetters implements store.Store.
func (s *Store) DeadLetters(ctx context.Context) ([]store.DeadLetter, error) {
	return call(ctx, s, func() ([]store.DeadLetter, error) { return s.deadLetters(), nil })
}

func (d *data) deadLetters() (all []store.DeadLetter) {
	for id, p := range d.posts {
		if p.State == store.PostDead {
			all = append(all, store.DeadLetter{ID: "post:" + id.key.String() + "@" + id.room, Room: id.room, Key: id.key, Reason: p.LastError, TrackingID: p.TrackingID, At: p.DeadAt})
		}
	}
	for id, g := range d.groups {
		number := strconv.FormatInt(id, 10)
		if g.State == store.PostDead {
			all = append(all, store.DeadLetter{ID: "digest:" + number, Room: g.Room, GroupID: id, Reason: g.LastError, TrackingID: g.TrackingID, At: g.DeadAt})
		}
		if !g.ListDeadAt.IsZero() {
			all = append(all, store.DeadLetter{ID: "list:" + number, Room: g.Room, GroupID: id, List: true, Reason: g.ListError, TrackingID: g.ListTrackingID, At: g.ListDeadAt})
		}
	}
	for id, n := range d.notices {
		if n.State == store.NoticeDead {
			all = append(all, store.DeadLetter{ID: "notice:" + strconv.FormatInt(id, 10), Room: cmp.Or(n.Room, n.Person, n.RoomID), NoticeID: id,
				Reason: n.LastError, TrackingID: n.TrackingID, At: n.ChangedAt})
		}
	}
	slices.SortFunc(all, func(a, b store.DeadLetter) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(a.ID, b.ID)) })
	return all
}

// letter finds a dead letter.
func (d *data) letter(id string) (store.DeadLetter, error) {
	for _, l := range d.deadLetters() {
		if l.ID == id {
			return l, nil
		}
	}
	return store.DeadLetter{}, fmt.Errorf("dead letter %q: %w: expected an id such as post:main/4711@noc, digest:3, list:3 or notice:12", id, store.ErrNotFound)
}

// ReplayDead implements store.Store.
func (s *Store) ReplayDead(ctx context.Context, id string) error {
	return s.do(ctx, func() error {
		l, err := s.letter(id)
		if err != nil {
			return err
		}
		now := s.now()
		switch {
		case l.NoticeID > 0:
			n := s.notices[l.NoticeID]
			n.State, n.ChangedAt, n.Attempts, n.NotBefore, n.LastError, n.TrackingID = store.NoticePending, now, 0, time.Time{}, "", ""
		case l.GroupID > 0:
			g := s.groups[l.GroupID]
			if l.List {
				g.Listed, g.Owes, g.ListDeadAt, g.ListError, g.ListTrackingID = 0, true, time.Time{}, "", ""
			} else {
				g.State, g.Owes, g.Attempts, g.NotBefore, g.LastError, g.TrackingID, g.DeadAt = store.PostLive, true, 0, time.Time{}, "", "", time.Time{}
			}
			if g.State == store.PostLive && g.PendingSince.IsZero() {
				g.PendingSince = now
			}
		default:
			p := s.posts[postID{l.Key, l.Room}]
			p.State, p.Attempts, p.NotBefore, p.LastError, p.TrackingID, p.DeadAt = store.PostLive, 0, time.Time{}, "", "", time.Time{}
			p.Delivered = min(p.Delivered, p.Desired-1)
			settle(p, now)
		}
		return nil
	})
}

// DropDead implements store.Store.
func (s *Store) DropDead(ctx context.Context, id string) error {
	return s.do(ctx, func() error {
		l, err := s.letter(id)
		if err != nil {
			return err
		}
		switch {
		case l.NoticeID > 0:
			s.removeNotice(l.NoticeID)
		case l.List:
			g := s.groups[l.GroupID]
			g.ListDeadAt, g.ListError, g.ListTrackingID = time.Time{}, "", ""
		case l.GroupID > 0:
			s.removeGroup(l.GroupID)
			s.removePosts(func(p *store.Post) bool { return p.Group == l.GroupID })
		default:
			s.removePosts(func(p *store.Post) bool { return p.Key == l.Key && p.Room == l.Room })
		}
		return nil
	})
}

func (d *data) removeNotice(id int64) {
	delete(d.notices, id)
	d.forget(shows{notice: id})
}

// forget removes what is known of the messages of a post, group or notice.
func (d *data) forget(what shows) {
	maps.DeleteFunc(d.messages, func(_ string, of shows) bool { return of == what })
}

// needed says whether a group is still to be told something, or is a dead letter.
func needed(g *store.Group) bool {
	return !g.PendingSince.IsZero() || g.State == store.PostDead || !g.ListDeadAt.IsZero()
}

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, journalBefore, problemsBefore, auditBefore time.Time, limit int) (int, error) {
	old := func(at, before time.Time) bool { return at.Before(micro(before)) }
	return call(ctx, s, func() (removed int, err error) {
		// Only the oldest applied entries are considered, as by a database without an index.
		for _, e := range limited(sorted(s.journal, func(e *store.Entry) bool { return e.Applied }, byEntry), limit) {
			if old(e.ReceivedAt, journalBefore) {
				delete(s.journal, e.ID)
				removed++
			}
		}
		removed += prune(s.journal, limit, func(e *store.Entry) bool { return e.SetAside != "" && old(e.ReceivedAt, auditBefore) }, byEntry,
			func(e *store.Entry) { delete(s.journal, e.ID) })
		removed += prune(s.notices, limit, func(n *store.Notice) bool { return n.State == store.NoticeSent && old(n.ChangedAt, problemsBefore) },
			func(a, b *store.Notice) int { return a.ChangedAt.Compare(b.ChangedAt) },
			func(n *store.Notice) { s.removeNotice(n.ID) })
		removed += prune(s.commands, limit, func(c *command) bool { return !unfinished(c) && old(c.CreatedAt, auditBefore) },
			func(a, b *command) int { return a.CreatedAt.Compare(b.CreatedAt) },
			func(c *command) { delete(s.commands, c.ID) })
		posts := len(s.posts)
		removed += prune(s.problems, limit, func(p *problem) bool {
			return p.State != alert.StateOpen && old(p.writtenAt, problemsBefore) && !s.keeps(p.Key)
		},
			func(a, b *problem) int { return a.writtenAt.Compare(b.writtenAt) },
			func(p *problem) {
				s.removePosts(func(post *store.Post) bool { return post.Key == p.Key })
				delete(s.problems, p.Key)
			})
		removed += posts - len(s.posts)
		members := map[int64]bool{}
		for _, p := range s.posts {
			members[p.Group] = true
		}
		removed += prune(s.groups, limit, func(g *store.Group) bool { return old(g.OpenedAt, problemsBefore) && !members[g.ID] && !needed(g) },
			func(a, b *store.Group) int { return a.OpenedAt.Compare(b.OpenedAt) },
			func(g *store.Group) { s.removeGroup(g.ID) })
		return removed, nil
	})
}

// prune removes the first values that pass, and returns how many.
func prune[K comparable, V any](of map[K]V, limit int, pass func(V) bool, order func(a, b V) int, remove func(V)) int {
	found := limited(sorted(of, pass, order), limit)
	for _, v := range found {
		remove(v)
	}
	return len(found)
}

// keeps says whether a post of a problem is still needed.
func (d *data) keeps(key alert.Key) bool {
	for id, p := range d.posts {
		if id.key != key {
			continue
		}
		if g := d.groups[p.Group]; p.Pending() || p.State == store.PostDead || g != nil && needed(g) {
			return true
		}
	}
	return false
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	return call(ctx, s, func() (store.Stats, error) { return s.stats(s.now()), nil })
}

func (d *data) stats(now time.Time) store.Stats {
	st := store.Stats{OpenProblems: map[alert.Severity]int64{}}
	oldest := func(at time.Time) {
		if st.OldestPending.IsZero() || at.Before(st.OldestPending) {
			st.OldestPending = at
		}
	}
	for _, v := range alert.Severities {
		st.OpenProblems[v] = 0
	}
	for _, p := range d.problems {
		if p.Open() {
			st.OpenProblems[p.Severity]++
		}
	}
	for _, e := range d.journal {
		if e.SetAside != "" {
			st.SetAside++
		}
	}
	if all := sorted(d.journal, pending, byEntry); len(all) > 0 {
		st.JournalPending = int64(len(all))
		oldest(all[0].ReceivedAt)
	}
	for _, p := range d.posts {
		waits := p.Fresh() && !p.Pending() && !p.LookAt.IsZero() && p.LookAt.Equal(p.HeldUntil())
		if p.Pending() || waits {
			st.PostsPending++
		}
		if p.Pending() && !p.PendingSince.After(now) {
			oldest(p.PendingSince)
		}
		if p.State == store.PostDead {
			st.DeadPosts++
		}
	}
	for _, g := range d.groups {
		if !g.PendingSince.IsZero() {
			st.PostsPending++
			oldest(g.PendingSince)
		}
		if g.State == store.PostDead {
			st.DeadGroups++
		}
		if !g.ListDeadAt.IsZero() {
			st.DeadLists++
		}
	}
	for _, n := range d.notices {
		switch n.State {
		case store.NoticePending:
			st.NoticesPending++
			oldest(n.ChangedAt)
		case store.NoticeDead:
			st.DeadNotices++
		}
	}
	for _, c := range d.commands {
		if unfinished(c) {
			st.CommandsPending++
		}
	}
	return st
}
