package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// batch is how many problems are read at once.
const batch = 500

// members is what the posts of a group say.
type members struct {
	digest   render.Digest
	openings step.Openings // of a flapping trigger
	nudges   []alert.Nudge // not sent yet
	joined   []time.Time   // of those that joined since the digest was written: when
}

func (m members) mentions() bool {
	return slices.ContainsFunc(m.nudges, func(n alert.Nudge) bool { return len(n.Mention) > 0 })
}

// members reads who is in a group.
func (b *bot) members(l lives, g store.Group, room RoomSettings) (m members, ok bool) {
	m.digest = render.Digest{Left: g.Left, Flap: g.Kind == store.GroupFlap}
	var posts []store.Post
	if !b.persist(l.begin, "reading who is in a group", func(ctx context.Context) (err error) {
		posts, err = b.Store.GroupPosts(ctx, g.ID)
		return err
	}) {
		return m, false
	}
	now := time.Now()
	for some := range slices.Chunk(posts, batch) {
		problems, broken, ok := b.problems(l.begin, "reading a group's problems", keysOf(some))
		if !ok {
			return m, false
		}
		for _, post := range some {
			p, readable := problems[post.Key]
			if p.Key = post.Key; !readable && broken != nil {
				p = standIn(post)
			}
			m.add(post, p, g, b.Render().DigestItem(p), room, now)
		}
	}
	return m, true
}

// add takes in one post. What it says of its problem may be newer than the group's row: a revision that is
// shown early does no harm.
func (m *members) add(post store.Post, p alert.Problem, g store.Group, item render.DigestItem, room RoomSettings, now time.Time) {
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

// leavers are those that left a group since its message was written.
func (b *bot) leavers(l lives, g store.Group) (items []render.DigestItem, ok bool) {
	var posts []store.Post
	if !b.persist(l.begin, "reading who left a group", func(ctx context.Context) (err error) {
		posts, err = b.Store.GroupLeavers(ctx, g.ID, g.Shown)
		return err
	}) {
		return nil, false
	}
	problems, _, ok := b.problems(l.begin, "reading who left a group", keysOf(posts))
	for _, post := range posts {
		p := problems[post.Key]
		p.Key = post.Key
		items = append(items, b.Render().DigestItem(p))
	}
	return items, ok
}

// rerouteGroup tells the fallback room of a group's problems, except those that it was told of already.
func (b *bot) rerouteGroup(l lives, t *task, g store.Group, to, reason string, already map[alert.Key]bool) (told map[alert.Key]bool, ok bool) {
	room, known := b.Rooms(to, "")
	if !known {
		return nil, true // a configuration that was loaded doesn't have this
	}
	m, ok := b.members(l, g, room)
	if !ok || !b.sayRefused(l, t.Room, to, reason) {
		return nil, false
	}
	told = map[alert.Key]bool{}
	for _, i := range m.digest.Items {
		told[i.Key] = true
	}
	items := slices.DeleteFunc(m.digest.Items, func(i render.DigestItem) bool { return already[i.Key] })
	if b.Reroute != nil {
		// All at once, so that they share a few commits.
		var all errgroup.Group
		all.SetLimit(batch)
		for _, i := range items {
			all.Go(func() error {
				if !b.tell(l, "telling the default room", func(ctx context.Context) error { return b.Reroute(ctx, i.Key, to) }) {
					return store.ErrClosed
				}
				return nil
			})
		}
		if all.Wait() != nil {
			return nil, false
		}
	} else if !b.noticeOf(l, g, items, to, room) {
		return nil, false
	}
	b.Metrics.Reroutes.Add(float64(len(items)))
	return told, true
}

// noticeOf tells a room of problems by notices. A notice carries no file: what one doesn't name, the next
// ones do.
func (b *bot) noticeOf(l lives, g store.Group, items []render.DigestItem, to string, room RoomSettings) bool {
	flap := g.Kind == store.GroupFlap
	for n := 0; len(items) > 0; n++ {
		some := items
		text, complete := b.Render().Digest(render.Digest{Items: some, Flap: flap}, room.Room)
		for !complete && len(some) > 1 {
			some = some[:(len(some)+1)/2]
			text, complete = b.Render().Digest(render.Digest{Items: some, Flap: flap}, room.Room)
		}
		if !b.tell(l, "telling the default room", func(ctx context.Context) error {
			_, err := b.Store.AddNotice(ctx, store.Notice{
				Kind: store.NoticeSystem, Sender: "relay", Room: to, Bot: room.Bot, Markdown: text, Dedup: fmt.Sprintf("reroute/digest/%d/%d/%d", g.ID, len(items), n),
			})
			return err
		}) {
			return false
		}
		items = items[len(some):]
	}
	return true
}

func keysOf(posts []store.Post) []alert.Key {
	keys := make([]alert.Key, 0, len(posts))
	for _, p := range posts {
		keys = append(keys, p.Key)
	}
	return keys
}
