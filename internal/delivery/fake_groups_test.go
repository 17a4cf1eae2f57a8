package delivery

import (
	"cmp"
	"context"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// join gives the group that a new post of a room joins, 0 for none; the caller holds the lock.
func (s *memStore) join(room string) int64 {
	kind, name := store.GroupStorm, ""
	switch {
	case s.flap != "":
		kind, name = store.GroupFlap, s.flap
	case !s.storm:
		return 0
	}
	now, id := time.Now(), int64(len(s.groups))
	for ; id > 0; id-- {
		g := s.counted(s.groups[id])
		if g.Room != room || g.Kind != kind || g.Name != name || g.State == store.PostDead {
			continue
		}
		takes := g.MessageID == "" || g.Open && g.Edits < 5 && now.Sub(g.OpenedAt) < 10*time.Minute
		if kind == store.GroupFlap {
			takes = g.MessageID == "" || g.Edits < 8
		}
		if !takes {
			id = 0
		}
		break
	}
	if id == 0 {
		id = int64(len(s.groups)) + 1
		s.groups[id] = store.Group{ID: id, Room: room, Kind: kind, Name: name, OpenedAt: now, GroupCursor: store.GroupCursor{State: store.PostLive}}
	}
	g := s.groups[id]
	g.Joined++
	g.JoinedAt = now
	s.groups[id] = g
	return id
}

// leave takes a post out of its group; the caller holds the lock.
func (s *memStore) leave(p *store.Post) store.Group {
	g := s.groups[p.Group]
	g.Left++
	g.LeftAt = time.Now()
	g.Revision++
	if g.PendingSince.IsZero() {
		g.PendingSince = time.Now()
	}
	s.groups[p.Group] = g
	p.LeftGroup, p.LeftRevision, p.Group, p.FromSeq = g.ID, g.Revision, 0, 1
	return g
}

// raise notes that a member changed; the caller holds the lock.
func (s *memStore) raise(id int64, p alert.Problem) store.Group {
	g := s.groups[id]
	g.Revision++
	for _, e := range p.Timeline {
		if e.Nudge != nil && e.Nudge.For(g.Room) && e.Nudge.At.After(g.NudgedAt) {
			g.NudgedAt = e.Nudge.At
		}
	}
	if g.PendingSince.IsZero() {
		g.PendingSince = time.Now()
	}
	s.groups[id] = g
	return g
}

// acted reports whether somebody acted on a problem.
func acted(before, after alert.Problem) bool {
	return slices.ContainsFunc(after.Timeline, func(e alert.Entry) bool { return e.Seq > before.LastSeq() && e.Update != nil && !e.Update.Wide })
}

func (s *memStore) members(id int64) (posts []store.Post) {
	for _, of := range s.posts {
		for _, p := range of {
			if p.Group == id {
				posts = append(posts, p)
			}
		}
	}
	slices.SortFunc(posts, func(a, b store.Post) int {
		return cmp.Or(a.JoinedAt.Compare(b.JoinedAt), cmp.Compare(a.Key.String(), b.Key.String()))
	})
	return posts
}

func (s *memStore) counted(g store.Group) store.Group {
	g.Open = slices.ContainsFunc(s.members(g.ID), func(p store.Post) bool { return p.Open })
	return g
}

func (s *memStore) Group(_ context.Context, id int64) (store.Group, error) {
	leave, err := s.enter("Group")
	if err != nil {
		return store.Group{}, err
	}
	defer leave()
	g, ok := s.groups[id]
	if !ok {
		return g, store.ErrNotFound
	}
	return s.counted(g), nil
}

func (s *memStore) PendingGroups(_ context.Context, room string) ([]store.Group, error) {
	leave, err := s.enter("PendingGroups")
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []store.Group
	for id := int64(1); id <= int64(len(s.groups)); id++ {
		if g := s.groups[id]; g.Pending() && (room == "" || g.Room == room) {
			out = append(out, s.counted(g))
		}
	}
	return out, nil
}

func (s *memStore) GroupPosts(_ context.Context, id int64) ([]store.Post, error) {
	leave, err := s.enter("GroupPosts")
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.members(id), nil
}

func (s *memStore) GroupLeavers(_ context.Context, id, after int64) ([]store.Post, error) {
	leave, err := s.enter("GroupLeavers")
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []store.Post
	for _, of := range s.posts {
		for _, p := range of {
			if p.LeftGroup == id && p.LeftRevision > after {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

func (s *memStore) SaveGroup(_ context.Context, id int64, c store.GroupCursor) error {
	leave, err := s.enter("SaveGroup")
	if err != nil {
		return err
	}
	defer leave()
	g, ok := s.groups[id]
	if !ok {
		return store.ErrNotFound
	}
	g.GroupCursor = c
	if !g.Pending() {
		g.PendingSince = time.Time{}
	} else if g.PendingSince.IsZero() {
		g.PendingSince = time.Now()
	}
	s.groups[id] = g
	return nil
}
