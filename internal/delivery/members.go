package delivery

import (
	"context"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// members is the content of a group, from its posts.
type members struct {
	digest   render.Digest
	openings step.Openings // of a flapping trigger
	nudges   []alert.Nudge // not sent yet
	joined   []time.Time   // when each post joined that did so since the digest was written
}

func (m members) mentions() bool {
	return slices.ContainsFunc(m.nudges, func(n alert.Nudge) bool { return len(n.Mention) > 0 })
}

func (b *bot) groupPosts(l lives, g store.Group) ([]store.Post, bool) {
	return read(l.begin, b.Delivery, "reading a group's posts", func(ctx context.Context) ([]store.Post, error) {
		return b.Store.GroupPosts(ctx, g.ID)
	})
}

// members reads the members of a group.
func (b *bot) members(l lives, g store.Group, room RoomSettings) (m members, ok bool) {
	m.digest = render.Digest{Left: g.Left, Flap: g.Kind == store.GroupFlap}
	posts, ok := read(l.begin, b.Delivery, "reading a group's members", func(ctx context.Context) ([]store.Member, error) {
		return b.Store.Members(ctx, g.ID)
	})
	now := time.Now()
	for _, post := range posts {
		if post.Problem.Revision == 0 {
			post.Problem.Name = unreadable
		}
		m.add(post, g, b.Render().DigestItem(post.Problem), room, now)
	}
	return m, ok
}

// unreadable is shown as the name of a problem that can't be read.
const unreadable = "(this problem can't be read)"

// add adds one post. Its problem may be newer than the group's row: showing a revision early does no harm.
func (m *members) add(post store.Member, g store.Group, item render.DigestItem, room RoomSettings, now time.Time) {
	p := post.Problem
	if !m.digest.Flap {
		item.Link = "" // a storm's digest has no room for it
	}
	m.digest.Items = append(m.digest.Items, item)
	if post.JoinedAt.After(g.SpokeAt) {
		m.joined = append(m.joined, post.JoinedAt)
	}
	for _, e := range p.Timeline {
		if e.Nudge != nil && e.Nudge.At.After(g.NudgedThrough) && render.Timely(*e.Nudge, p, room.Room, now) {
			m.nudges = append(m.nudges, *e.Nudge)
		}
	}
	if !m.digest.Flap {
		return
	}
	if !p.Open() && p.ResolvedAt.After(m.openings.Resolved) {
		m.openings.Resolved = p.ResolvedAt
	}
	if p.Open() && g.MessageID != "" && post.JoinedAt.After(g.SaidThrough) && (m.openings.Down.IsZero() || post.JoinedAt.Before(m.openings.Down)) {
		m.openings.Down = post.JoinedAt
	}
}

// leavers are the members that left a group since its message was written.
func (b *bot) leavers(l lives, g store.Group) (items []render.DigestItem, ok bool) {
	posts, ok := read(l.begin, b.Delivery, "reading the members that left a group", func(ctx context.Context) ([]store.Post, error) {
		return b.Store.GroupLeavers(ctx, g.ID, g.Shown)
	})
	if !ok {
		return nil, false
	}
	problems, _, ok := b.problems(l.begin, "reading the problems that left a group", keysOf(posts))
	for _, post := range posts {
		p := problems[post.Key]
		p.Key = post.Key
		items = append(items, b.Render().DigestItem(p))
	}
	return items, ok
}

func keysOf(posts []store.Post) []alert.Key {
	keys := make([]alert.Key, 0, len(posts))
	for _, p := range posts {
		keys = append(keys, p.Key)
	}
	return keys
}
