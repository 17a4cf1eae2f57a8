package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// DeadLetters implements store.Store.
func (s *Store) DeadLetters(ctx context.Context) (all []store.DeadLetter, err error) {
	err = s.do(ctx, func() error {
		all = s.deadLetters()
		return nil
	})
	return all, err
}

func (d *data) deadLetters() (all []store.DeadLetter) {
	for id, p := range d.posts {
		if c := p.cursor; c != nil && c.State == store.PostDead {
			all = append(all, store.DeadLetter{ID: "post:" + id.key.String() + "@" + id.room, Room: id.room, Key: id.key, Reason: c.LastError, TrackingID: c.TrackingID, At: c.DeadAt})
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
			if g.State == store.PostLive && g.since.IsZero() {
				g.since = now
			}
		default:
			p := s.posts[postID{l.Key, l.Room}]
			c := p.cursor
			c.State, c.Attempts, c.NotBefore, c.LastError, c.TrackingID, c.DeadAt = store.PostLive, 0, time.Time{}, "", "", time.Time{}
			c.Delivered = min(c.Delivered, p.Desired-1)
			p.settle(now)
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
			for id, p := range s.posts {
				if p.Group == l.GroupID {
					s.removePost(id)
				}
			}
		default:
			s.removePost(postID{l.Key, l.Room})
		}
		return nil
	})
}

func (d *data) removeNotice(id int64) {
	delete(d.notices, id)
	for message, of := range d.messages {
		if of.notice == id {
			delete(d.messages, message)
		}
	}
}

// needed says whether a group is still to be told something, or is a dead letter.
func (g *group) needed() bool {
	return !g.since.IsZero() || g.State == store.PostDead || !g.ListDeadAt.IsZero()
}

// Prune implements store.Store.
func (s *Store) Prune(ctx context.Context, journalBefore, problemsBefore, auditBefore time.Time, limit int) (removed int, err error) {
	err = s.do(ctx, func() error {
		byEntry := func(a, b *store.Entry) int { return cmp.Compare(a.ID, b.ID) }
		old := func(at, before time.Time) bool { return at.Before(micro(before)) }
		// The oldest applied entries alone are looked at, as a database without an index does.
		for _, e := range limited(sorted(s.journal, func(e *store.Entry) bool { return e.Applied }, byEntry), limit) {
			if old(e.ReceivedAt, journalBefore) {
				delete(s.journal, e.ID)
				removed++
			}
		}
		for _, e := range limited(sorted(s.journal, func(e *store.Entry) bool { return e.SetAside != "" && old(e.ReceivedAt, auditBefore) }, byEntry), limit) {
			delete(s.journal, e.ID)
			removed++
		}
		for _, n := range limited(sorted(s.notices, func(n *store.Notice) bool { return n.State == store.NoticeSent && old(n.ChangedAt, problemsBefore) },
			func(a, b *store.Notice) int { return a.ChangedAt.Compare(b.ChangedAt) }), limit) {
			s.removeNotice(n.ID)
			removed++
		}
		for _, c := range limited(sorted(s.commands, func(c *command) bool { return !unfinished(c) && old(c.CreatedAt, auditBefore) },
			func(a, b *command) int { return a.CreatedAt.Compare(b.CreatedAt) }), limit) {
			delete(s.commands, c.ID)
			removed++
		}
		for _, p := range limited(sorted(s.problems, func(p *problem) bool {
			return p.State != alert.StateOpen && old(p.writtenAt, problemsBefore) && !s.keeps(p.Key)
		},
			func(a, b *problem) int { return a.writtenAt.Compare(b.writtenAt) }), limit) {
			for id := range s.posts {
				if id.key == p.Key {
					s.removePost(id)
					removed++
				}
			}
			delete(s.problems, p.Key)
			removed++
		}
		members := map[int64]bool{}
		for _, p := range s.posts {
			members[p.Group] = true
		}
		for _, g := range limited(sorted(s.groups, func(g *group) bool { return old(g.OpenedAt, problemsBefore) && !members[g.ID] && !g.needed() },
			func(a, b *group) int { return a.OpenedAt.Compare(b.OpenedAt) }), limit) {
			s.removeGroup(g.ID)
			removed++
		}
		return nil
	})
	return removed, err
}

// keeps says whether a post of a problem is still needed.
func (d *data) keeps(key alert.Key) bool {
	for id, p := range d.posts {
		if id.key != key {
			continue
		}
		if g := d.groups[p.Group]; !p.since.IsZero() || p.cursor != nil && p.cursor.State == store.PostDead || g != nil && g.needed() {
			return true
		}
	}
	return false
}

// Stats implements store.Store.
func (s *Store) Stats(ctx context.Context) (st store.Stats, err error) {
	err = s.do(ctx, func() error {
		st = s.stats(s.now())
		return nil
	})
	return st, err
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
	first := int64(0)
	for id, e := range d.journal {
		if e.SetAside != "" {
			st.SetAside++
		} else if !e.Applied {
			st.JournalPending++
			if first == 0 || id < first {
				first = id
			}
		}
	}
	if first > 0 {
		oldest(d.journal[first].ReceivedAt)
	}
	for _, p := range d.posts {
		waits := p.Group == 0 && p.cursor == nil && p.since.IsZero() && !p.LookAt.IsZero() && p.LookAt.Equal(p.HeldUntil())
		if !p.since.IsZero() || waits {
			st.PostsPending++
		}
		if !p.since.IsZero() && !p.since.After(now) {
			oldest(p.since)
		}
		if p.cursor != nil && p.cursor.State == store.PostDead {
			st.DeadPosts++
		}
	}
	for _, g := range d.groups {
		if !g.since.IsZero() {
			st.PostsPending++
			oldest(g.since)
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
