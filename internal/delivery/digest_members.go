package delivery

import (
	"context"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// members is all that a step for a digest looks at.
type members struct {
	render.Digest
	account *account
	posts   []store.Post  // all that are in it, of a flapping trigger's
	shown   []store.Shown // what is to be marked as shown
	waiting []waiting     // of those that changed before the room was told of them
	// nudges are to be said in the thread, nudged is what is to be marked as told then.
	nudges []alert.Nudge
	nudged []store.Shown
	// leavers are to be told by themselves since a moment ago: what they were acted on for must
	// not be taken for told because the digest's text is rendered after it.
	leavers []store.Post
}

func (b *bot) members(l lives, t *task, d store.Digest) (m members, ok bool) {
	m.Left, m.Flap = d.Left, d.Flap != ""
	a, ok := b.accountOf(l, t, d)
	if !ok {
		return m, false
	}
	var changed []store.Post
	if !b.persist(l.begin, "reading what changed in a digest", func(ctx context.Context) (err error) {
		if changed, err = b.Store.DigestPosts(ctx, d.ID, true); err == nil && m.Flap {
			m.posts, err = b.Store.DigestPosts(ctx, d.ID, false)
		}
		return err
	}) {
		return m, false
	}
	settings, _ := b.Rooms(d.Room, "")
	now := time.Now()
	any := settings.Storm
	any.Threshold = len(changed)
	may := map[alert.Key]alert.Problem{}
	for batch := range slices.Chunk(changed, digestBatch) {
		problems, broken, ok := b.problems(l.begin, "reading a digest's problems", keysOf(batch))
		if !ok {
			return m, false
		}
		for _, post := range Leavers(batch, problems, any, m.Flap) {
			m.leavers = append(m.leavers, post)
			may[post.Key] = problems[post.Key]
		}
		for _, post := range batch {
			p, readable := problems[post.Key]
			if p.Key = post.Key; !readable && broken != nil {
				p = standIn(post)
			}
			a.put(b.Render.DigestItem(p))
			if revision := max(p.Revision, post.Desired); revision > post.Delivered {
				m.shown = append(m.shown, shownBy(d, p, post, settings, revision))
				m.nudge(p, post, settings, now)
			}
			if post.Shown == 0 && !post.DirtySince.IsZero() {
				m.waiting = append(m.waiting, waiting{1, post.DirtySince})
			}
		}
	}
	m.leavers = Leavers(m.leavers, may, settings.Storm, m.Flap)
	if a, ok = b.keep(l, t, d, a); !ok {
		return m, false
	}
	m.Items, m.account = a.items, a
	return m, true
}

// leave takes posts out of a digest: each is told by itself from now on.
func (b *bot) leave(l lives, t *task, id int64, leavers []store.Post) bool {
	if !b.persist(l.begin, "taking posts out of a digest", func(ctx context.Context) error {
		return b.Store.LeaveDigest(ctx, id, keysOf(leavers))
	}) {
		return false
	}
	b.forget(t, id, leavers)
	tasks := make([]*task, 0, len(leavers))
	for _, p := range leavers {
		b.Log.Info("a problem leaves its digest", "key", p.Key.String(), "room", t.Room, "digest", id)
		p.Digest, p.ToldSeq = 0, max(1, p.ToldSeq)
		tasks = append(tasks, newPostTask(p, time.Now()))
	}
	b.take(tasks, false)
	return true
}

func keysOf(posts []store.Post) []alert.Key {
	keys := make([]alert.Key, 0, len(posts))
	for _, p := range posts {
		keys = append(keys, p.Key)
	}
	return keys
}

// gone are those that left a digest since its message was written.
func (b *bot) gone(l lives, d store.Digest) (items []render.DigestItem, ok bool) {
	var keys []alert.Key
	for line := range strings.Lines(d.Gone) {
		keys = append(keys, alert.ParseKey(strings.TrimSuffix(line, "\n")))
	}
	problems, _, ok := b.problems(l.begin, "reading who left a digest", keys)
	if !ok {
		return nil, false
	}
	for _, k := range keys {
		p := problems[k]
		p.Key = k
		items = append(items, b.Render.DigestItem(p))
	}
	return items, true
}
