package delivery

import (
	"cmp"
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
	openings step.Openings       // of a flapping trigger
	lines    []render.DigestLine // that weren't posted, in their order
	lastLine int                 // the number of the last line that any member got
	joined   []store.Member      // those that joined since the digest was written
	parent   string              // of symptoms: the message of their cause; "" for none
	late     int                 // how many joined after the group itself was read
}

// separate reports whether its first message leaves something to its thread: it stands for reminders and escalations
// that mention nobody.
func (m members) separate(room string) bool {
	return slices.ContainsFunc(m.lines, func(l render.DigestLine) bool { return l.Words != "" || len(l.Nudge.MentionIn(room)) > 0 })
}

func (b *bot) groupPosts(l lives, g store.Group) ([]store.Post, bool) {
	return read(l.begin, b.Delivery, "reading a group's posts", func(ctx context.Context) ([]store.Post, error) {
		return b.Store.GroupPosts(ctx, g.ID)
	})
}

// members reads the members of a group.
func (b *bot) members(l lives, g store.Group, room RoomSettings) (m members, ok bool) {
	m.digest, m.lastLine = render.Digest{Left: g.Left, Flap: g.Kind == store.GroupFlap, Symptoms: g.Kind == store.GroupCause}, g.Lines
	posts, ok := read(l.begin, b.Delivery, "reading a group's members", func(ctx context.Context) ([]store.Member, error) {
		return b.Store.Members(ctx, g.ID)
	})
	now := time.Now()
	for _, post := range posts {
		if post.Problem.Revision == 0 {
			post.Problem.Name = room.Lang.T("(this problem can't be read)")
		}
		item := b.Render().DigestItem(post.Problem, room.Room)
		b.addLines(&m, post, g, item, now)
		m.add(post, g, item)
	}
	slices.SortFunc(m.lines, func(a, b render.DigestLine) int { return cmp.Compare(a.N, b.N) })
	return m, ok
}

// addLines adds the lines of a member that weren't posted, without nudges that came too late and what its route filters out.
func (b *bot) addLines(m *members, post store.Member, g store.Group, item render.DigestItem, now time.Time) {
	p := post.Problem
	for _, l := range post.Lines {
		m.lastLine = max(m.lastLine, l.N)
		i := slices.IndexFunc(p.Timeline, func(e alert.Entry) bool { return e.Seq == l.Seq })
		if l.N <= g.LinesPosted || i < 0 {
			continue
		}
		room, _ := b.Rooms(g.Room, post.Route)
		line, e := render.DigestLine{N: l.N, Item: item}, p.Timeline[i]
		switch {
		case e.Nudge == nil:
			line.Words = b.Render().Lines(p, []alert.Entry{e}, room.Room, now)
		case render.Timely(*e.Nudge, p, room.Room, now):
			line.Nudge = *e.Nudge
		}
		if line.Words != "" || line.Nudge.Kind != "" {
			m.lines = append(m.lines, line)
		}
	}
}

// add adds one post. Its problem may be newer than the group's row: showing a revision early does no harm.
func (m *members) add(post store.Member, g store.Group, item render.DigestItem) {
	p := post.Problem
	if !m.digest.Flap {
		item.Link = "" // a storm's digest has no room for it
	}
	m.digest.Items = append(m.digest.Items, item)
	if post.GroupRevision > g.Shown {
		m.joined = append(m.joined, post)
	}
	if post.GroupRevision > g.Revision {
		m.late++
	}
	if !m.digest.Flap {
		return
	}
	if !p.Open() && p.ResolvedAt.After(m.openings.Resolved) {
		m.openings.Resolved = p.ResolvedAt
	}
	if p.Open() && g.MessageID != "" && post.GroupRevision > g.Notified && (m.openings.Down.IsZero() || post.JoinedAt.Before(m.openings.Down)) {
		m.openings.Down = post.JoinedAt
	}
}

// leavers are the members that left a group since its message was written.
func (b *bot) leavers(l lives, g store.Group, room RoomSettings) (items []render.DigestItem, ok bool) {
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
		items = append(items, b.Render().DigestItem(p, room.Room))
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
