package memory

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/store"
)

// putGroups writes groups in the ledger's columns, and gives the ids of the new ones.
func (d *data) putGroups(groups []store.Group, now time.Time) map[int64]int64 {
	ids := map[int64]int64{}
	for _, g := range groups {
		since := micro(g.PendingSince)
		if since.IsZero() {
			since = now
		}
		for _, at := range []*time.Time{&g.OpenedAt, &g.JoinedAt, &g.NudgedAt, &g.LeftAt} {
			*at = micro(*at)
		}
		g.PendingSince, g.Open, g.GroupCursor = time.Time{}, false, store.GroupCursor{State: store.PostLive}
		if g.ID <= 0 {
			d.lastGroup++
			ids[g.ID] = d.lastGroup
			g.ID = d.lastGroup
		} else {
			was := d.groups[g.ID]
			g.PendingSince, g.GroupCursor, g.Room, g.Kind, g.Name, g.OpenedAt = was.PendingSince, was.GroupCursor, was.Room, was.Kind, was.Name, was.OpenedAt
		}
		if g.PendingSince.IsZero() && g.State != store.PostDead && g.Revision > g.Shown {
			g.PendingSince = since
		}
		d.groups[g.ID] = &g
	}
	return ids
}

// group is the group as callers see it.
func (d *data) group(is *store.Group) store.Group {
	g := *is
	for _, p := range d.posts {
		g.Open = g.Open || p.Group == g.ID && p.Open
	}
	return g
}

func byID(a, b *store.Group) int { return cmp.Compare(a.ID, b.ID) }

// Group implements store.Store.
func (s *Store) Group(ctx context.Context, id int64) (store.Group, error) {
	return call(ctx, s, func() (store.Group, error) {
		is := s.groups[id]
		if is == nil {
			return store.Group{}, notFound("group %d", id)
		}
		return s.group(is), nil
	})
}

// PendingGroups implements store.Store.
func (s *Store) PendingGroups(ctx context.Context, room string) ([]store.Group, error) {
	return call(ctx, s, func() (found []store.Group, err error) {
		for _, g := range sorted(s.groups, func(g *store.Group) bool { return !g.PendingSince.IsZero() && (room == "" || room == g.Room) }, byID) {
			found = append(found, s.group(g))
		}
		return found, nil
	})
}

// GroupPosts implements store.Store.
func (s *Store) GroupPosts(ctx context.Context, id int64) ([]store.Post, error) {
	return s.find(ctx, 0, func(p *store.Post) bool { return id != 0 && p.Group == id }, byKey)
}

// GroupLeavers implements store.Store.
func (s *Store) GroupLeavers(ctx context.Context, id, afterRevision int64) ([]store.Post, error) {
	return s.find(ctx, 0, func(p *store.Post) bool { return id != 0 && p.LeftGroup == id && p.LeftRevision > afterRevision },
		func(a, b *store.Post) int { return cmp.Or(cmp.Compare(a.LeftRevision, b.LeftRevision), byKey(a, b)) })
}

// SaveGroup implements store.Store.
func (s *Store) SaveGroup(ctx context.Context, id int64, c store.GroupCursor) error {
	if c.State == "" {
		c.State = store.PostLive
	}
	for _, at := range []*time.Time{&c.SaidThrough, &c.NudgedThrough, &c.SpokeAt, &c.NotBefore, &c.DeadAt, &c.ListDeadAt} {
		*at = micro(*at)
	}
	return s.do(ctx, func() error {
		g := s.groups[id]
		if g == nil {
			return notFound("group %d", id)
		}
		if c.MessageID != "" && c.MessageID != g.MessageID {
			s.messages[c.MessageID] = shows{group: id}
		}
		g.GroupCursor = c
		switch {
		case !g.Pending():
			g.PendingSince = time.Time{}
		case g.PendingSince.IsZero():
			g.PendingSince = s.now()
		}
		return nil
	})
}

// FreshRooms implements store.Store.
func (s *Store) FreshRooms(ctx context.Context) ([]string, error) {
	return call(ctx, s, func() (rooms []string, err error) {
		for _, p := range s.posts {
			if !p.Claimed && p.Pending() {
				rooms = append(rooms, p.Room)
			}
		}
		slices.Sort(rooms)
		return slices.Compact(rooms), nil
	})
}

// Grouping implements store.Store.
func (s *Store) Grouping(ctx context.Context, asks []store.GroupingAsk) (map[string]store.RoomGrouping, error) {
	return call(ctx, s, func() (map[string]store.RoomGrouping, error) {
		rooms := map[string]store.RoomGrouping{}
		for _, ask := range asks {
			rooms[ask.Room] = s.grouping(ask)
		}
		return rooms, nil
	})
}

func (d *data) grouping(ask store.GroupingAsk) (g store.RoomGrouping) {
	wanted := map[int64]bool{}
	live := func(kind store.GroupKind, name string) {
		if all := sorted(d.groups, func(g *store.Group) bool {
			return g.Room == ask.Room && g.Kind == kind && g.Name == name && g.State != store.PostDead
		}, byID); len(all) > 0 {
			wanted[all[len(all)-1].ID] = true
		}
	}
	if ask.Limit > 0 {
		g.Fresh = copies(limited(sorted(d.posts, func(p *store.Post) bool {
			return p.Room == ask.Room && !p.Claimed && p.Pending() && p.Severity < ask.Below
		}, bySince), ask.Limit))
		g.Recent = d.count(ask, ask.Limit, func(p *store.Post) bool { return p.JoinedAt.After(micro(ask.Since)) })
		g.Burst = d.count(ask, ask.Limit, func(p *store.Post) bool { return p.JoinedAt.After(micro(ask.BurstSince)) })
		g.Behind = d.count(ask, max(ask.Limit, 1000), func(p *store.Post) bool { return p.Pending() })
		g.NewFlaps = min(ask.Limit, len(sorted(d.groups, func(g *store.Group) bool {
			return g.Room == ask.Room && g.Kind == store.GroupFlap && g.OpenedAt.After(micro(ask.Since))
		}, byID)))
		live(store.GroupStorm, "")
	}
	for _, id := range ask.Groups {
		wanted[id] = true
	}
	for _, opening := range ask.Openings {
		live(store.GroupFlap, strconv.FormatInt(opening, 10))
		if g.Openings == nil {
			g.Openings = map[int64][]store.Opening{}
		}
		if g.Openings[opening] != nil || opening == 0 {
			continue
		}
		for _, p := range limited(sorted(d.posts, func(p *store.Post) bool {
			return p.Room == ask.Room && p.Opening == opening && p.OpenedAt.After(micro(ask.OpenedAfter))
		}, func(a, b *store.Post) int { return b.OpenedAt.Compare(a.OpenedAt) }), store.MaxOpenings) {
			g.Openings[opening] = append(g.Openings[opening], store.Opening{Key: p.Key, OpenedAt: p.OpenedAt, Open: p.Open})
		}
	}
	for _, one := range sorted(d.groups, func(g *store.Group) bool { return wanted[g.ID] }, byID) {
		g.Groups = append(g.Groups, d.group(one))
	}
	return g
}

// count counts the posts of a room that pass, to a limit.
func (d *data) count(ask store.GroupingAsk, limit int, pass func(*store.Post) bool) int {
	n := 0
	for _, p := range d.posts {
		if n < limit && p.Room == ask.Room && pass(p) {
			n++
		}
	}
	return n
}

// removeGroup removes a group with what is known of its messages.
func (d *data) removeGroup(id int64) {
	delete(d.groups, id)
	d.forget(shows{group: id})
}
