package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// putGroup writes a group in the ledger's columns, and returns its id.
func (d *data) putGroup(g store.Group, now time.Time) (int64, error) {
	is, known := d.groups.rows[g.ID]
	switch {
	case g.ID <= 0:
		d.lastGroup++
		is = g
		is.ID, is.Open, is.GroupCursor, is.PendingSince = d.lastGroup, false, store.GroupCursor{State: store.PostLive}, time.Time{}
	case !known:
		return 0, fmt.Errorf("%w: group %d was removed", store.ErrConflict, g.ID)
	case is.State == store.PostDead && g.Joined > is.Joined:
		return 0, fmt.Errorf("%w: group %d is dead and takes no more posts", store.ErrConflict, g.ID)
	}
	g.ID, g.Room, g.Kind, g.Name, g.OpenedAt, g.Open, g.GroupCursor = is.ID, is.Room, is.Kind, is.Name, is.OpenedAt, false, is.GroupCursor
	since := cmp.Or(g.PendingSince, now)
	if g.PendingSince = is.PendingSince; g.Pending() {
		g.PendingSince = cmp.Or(g.PendingSince, since)
	}
	d.groups.put(g.ID, g)
	return g.ID, nil
}

// findGroups returns the groups that pass as callers see them, by id.
func (d *data) findGroups(pass func(store.Group) bool) []store.Group {
	found := d.groups.find(0, func(a, b store.Group) int { return cmp.Compare(a.ID, b.ID) }, pass)
	for i := range found {
		found[i].Open = d.isOpen(found[i].ID)
	}
	return found
}

// isOpen reports whether a member's problem is open.
func (d *data) isOpen(id int64) bool {
	return d.posts.count(func(p store.Post) bool { return p.Group == id && p.Open }) > 0
}

func (d *data) group(id int64, name string) (store.Group, error) {
	g, err := d.groups.get(id, name)
	g.Open = d.isOpen(id)
	return g, err
}

// Group implements store.Store.
func (s *Store) Group(ctx context.Context, id int64) (store.Group, error) {
	return call(ctx, s, func() (store.Group, error) { return s.group(id, groupName(id)) })
}

func groupName(id int64) string { return fmt.Sprintf("group %d", id) }

// PendingGroups implements store.Store.
func (s *Store) PendingGroups(ctx context.Context, room string) ([]store.Group, error) {
	return call(ctx, s, func() ([]store.Group, error) {
		return s.findGroups(func(g store.Group) bool { return !g.PendingSince.IsZero() && (room == "" || room == g.Room) }), nil
	})
}

// GroupPosts implements store.Store.
func (s *Store) GroupPosts(ctx context.Context, id int64) ([]store.Post, error) {
	return s.findPosts(ctx, 0, byKey, func(p store.Post) bool { return id != 0 && p.Group == id })
}

// Members implements store.Store.
func (s *Store) Members(ctx context.Context, id int64) ([]store.Member, error) {
	posts, err := s.GroupPosts(ctx, id)
	if err != nil {
		return nil, err
	}
	return call(ctx, s, func() (members []store.Member, err error) {
		for _, p := range posts {
			m := store.Member{Route: p.Route, JoinedAt: p.JoinedAt, FirstDue: p.FirstDue(), GroupRevision: p.GroupRevision, Lines: p.Lines, Causes: p.Causes, Problem: p.UnreadableProblem()}
			if found, err := decode([]problem{s.problems.rows[p.Key]}); err == nil {
				m.Problem = found[0]
			}
			if m.Problem.Merge = (alert.Merge{}); m.Problem.Origin == alert.OriginTrigger && m.Problem.Name != "" {
				m.Problem.Macros = nil
			}
			members = append(members, m)
		}
		return members, nil
	})
}

// GroupLeavers implements store.Store.
func (s *Store) GroupLeavers(ctx context.Context, id, afterRevision int64) ([]store.Post, error) {
	order := func(a, b store.Post) int { return cmp.Or(cmp.Compare(a.LeftRevision, b.LeftRevision), byKey(a, b)) }
	return s.findPosts(ctx, 0, order, func(p store.Post) bool { return id != 0 && p.LeftGroup == id && p.LeftRevision > afterRevision })
}

// SaveGroup implements store.Store.
func (s *Store) SaveGroup(ctx context.Context, id int64, c store.GroupCursor) error {
	c.State = cmp.Or(c.State, store.PostLive)
	return s.do(ctx, func() error {
		return s.groups.update(id, groupName(id), func(g *store.Group) {
			s.show(c.MessageID, g.MessageID, shows{group: id})
			g.GroupCursor = c
			if !g.Pending() {
				g.PendingSince = time.Time{}
			} else {
				g.PendingSince = cmp.Or(g.PendingSince, s.now())
			}
		})
	})
}

// FreshRooms implements store.Store.
func (s *Store) FreshRooms(ctx context.Context) ([]string, error) {
	fresh, err := s.findPosts(ctx, 0, byKey, func(p store.Post) bool { return !p.Claimed && p.Pending() })
	var rooms []string
	for _, p := range fresh {
		rooms = append(rooms, p.Room)
	}
	slices.Sort(rooms)
	return slices.Compact(rooms), err
}

// Grouping implements store.Store.
func (s *Store) Grouping(ctx context.Context, asks []store.GroupingAsk) (map[string]store.RoomGrouping, error) {
	return call(ctx, s, func() (map[string]store.RoomGrouping, error) {
		rooms := map[string]store.RoomGrouping{}
		for _, ask := range asks {
			rooms[ask.Room] = s.grouping(own(ask))
		}
		return rooms, nil
	})
}

func (d *data) grouping(ask store.GroupingAsk) (g store.RoomGrouping) {
	wanted := slices.Clone(ask.Groups)
	newest := func(kind store.GroupKind, name string) {
		live := d.findGroups(func(g store.Group) bool {
			return g.Room == ask.Room && g.Kind == kind && g.Name == name && g.State != store.PostDead
		})
		if len(live) > 0 {
			wanted = append(wanted, live[len(live)-1].ID)
		}
	}
	if ask.Limit > 0 {
		count := func(pass func(store.Post) bool) int {
			return d.posts.count(func(p store.Post) bool { return p.Room == ask.Room && pass(p) })
		}
		g.Fresh = d.posts.find(ask.Limit, bySince, func(p store.Post) bool {
			return p.Room == ask.Room && !p.Claimed && p.Pending() && p.Severity < ask.Below
		})
		g.Recent = min(ask.Limit, count(func(p store.Post) bool { return p.JoinedAt.After(ask.Since) }))
		g.Burst = min(ask.Limit, count(func(p store.Post) bool { return p.JoinedAt.After(ask.BurstSince) }))
		g.Behind = min(ask.Limit, count(store.Post.Pending))
		g.NewFlaps = min(ask.Limit, d.groups.count(func(g store.Group) bool {
			return g.Room == ask.Room && g.Kind == store.GroupFlap && g.OpenedAt.After(ask.Since)
		}))
		newest(store.GroupStorm, "")
	}
	if len(ask.Openings) > 0 {
		g.Openings = map[int64][]store.Opening{}
	}
	for _, opening := range ask.Openings {
		newest(store.GroupFlap, strconv.FormatInt(opening, 10))
		if found := d.openings(ask, opening); len(found) > 0 {
			g.Openings[opening] = found
		}
	}
	for _, group := range d.findGroups(func(g store.Group) bool {
		return g.Room == ask.Room && g.Kind == store.GroupCause && (slices.Contains(ask.Causes, g.Name) || slices.Contains(ask.Ended, g.Name))
	}) {
		wanted = append(wanted, group.ID)
		if slices.Contains(ask.Ended, group.Name) {
			g.Symptoms = append(g.Symptoms, d.posts.find(0, byKey, func(p store.Post) bool { return p.Group == group.ID && p.Open })...)
		}
	}
	g.Groups = d.findGroups(func(g store.Group) bool { return slices.Contains(wanted, g.ID) })
	return g
}

// openings returns the newest posts of an opening.
func (d *data) openings(ask store.GroupingAsk, opening int64) (all []store.Opening) {
	newest := func(a, b store.Post) int { return b.OpenedAt.Compare(a.OpenedAt) }
	for _, p := range d.posts.find(store.MaxOpenings, newest, func(p store.Post) bool {
		return p.Room == ask.Room && p.Opening == opening && opening != 0 && p.OpenedAt.After(ask.OpenedAfter)
	}) {
		all = append(all, store.Opening{Key: p.Key, OpenedAt: p.OpenedAt, Open: p.Open})
	}
	return all
}

// removeGroup removes a group, and the records of its messages.
func (d *data) removeGroup(g store.Group) {
	d.groups.delete(g.ID)
	d.forget(shows{group: g.ID})
}
