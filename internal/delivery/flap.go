package delivery

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
)

const (
	// A message of a flapping trigger waits before each edit, the longer the more were used: they
	// are to last, since it opens and closes all the time. What is over and stays so for flapCalm is told sooner.
	flapLeast = 10 * time.Second
	flapMost  = 5 * time.Minute
	flapCalm  = time.Minute
	// It takes in more openings while it was edited less than flapJoinEdits times,
	// which takes 20 minutes, and stands for less than flapOpenings: its text names each.
	flapJoinEdits = 8
	flapOpenings  = 100
	// flapAgain is how far apart people are notified at least that a severe problem opened again.
	flapAgain = time.Minute
)

// flapping says whether a post is one opening of many that its room is told of
// in one message, and wasn't told yet.
func flapping(p store.Post) bool { return p.Flap != "" && !step.Told(p.Cursor) }

// TakesOpening says whether the message of a flapping trigger takes in one more
// opening, which came to the room at the time given (a delay may have held it since);
// last is when the newest of those in it did.
func TakesOpening(d store.Digest, last time.Time, f config.Flapping, came time.Time) bool {
	switch {
	case d.State != store.PostLive:
		return false
	case d.MessageID == "":
		return d.Joined < flapOpenings
	}
	return d.Edits < flapJoinEdits && d.Joined < flapOpenings && came.Sub(last) < time.Duration(f.Window)
}

// lastOpening is when the newest of these came to the room; zero for none.
func lastOpening(posts []store.Post) (last time.Time) {
	for _, p := range posts {
		if p.JoinedAt.After(last) {
			last = p.JoinedAt
		}
	}
	return last
}

// AgainAt is when the thread of a flapping trigger's message is to say that it opened
// again, since an edit notifies nobody; zero for never. That is for open problems
// from the severity on that has posts of its own, and not twice in a minute.
func AgainAt(d store.Digest, posts []store.Post, individual alert.Severity) time.Time {
	if d.Flap == "" || d.MessageID == "" || d.Said >= d.Joined {
		return time.Time{}
	}
	posts = slices.Clone(posts)
	slices.SortFunc(posts, func(a, b store.Post) int {
		return cmp.Or(a.JoinedAt.Compare(b.JoinedAt), cmp.Compare(a.Key.String(), b.Key.String()))
	})
	said := max(0, len(posts)-(d.Joined-d.Said))
	if !slices.ContainsFunc(posts[said:], func(p store.Post) bool { return p.Open && p.Severity >= individual }) {
		return time.Time{}
	}
	if said == 0 {
		return posts[said].JoinedAt // those that the room was notified of have left
	}
	if at := posts[said-1].JoinedAt.Add(flapAgain); at.After(posts[said].JoinedAt) {
		return at
	}
	return posts[said].JoinedAt
}

// flapEditAt is editAt for a flapping trigger's message.
func flapEditAt(d store.Digest, seen Seen, at time.Time) time.Time {
	spacing := min(flapMost, flapLeast<<min(d.Edits, 20))
	if d.Edits >= digestEdits(true) && d.Shown < d.Joined+d.Left {
		spacing = leftSpacing
	}
	spaced := d.SpokeAt.Add(spacing)
	if !d.Open {
		changed := d.BehindSince
		if seen.Changed.After(changed) {
			changed = seen.Changed
		}
		if calm := changed.Add(flapCalm); calm.Before(spaced) {
			spaced = calm
		}
	}
	if spaced.After(at) {
		return spaced
	}
	return at
}

// openedAgain hands a post that is one opening of many to the task of its room's
// digests: that alone writes digests.
func (b *bot) openedAgain(t *task, now time.Time) {
	b.known(t)
	b.queue.Back(t, now, now)
	b.queue.Park(t)
	d := b.digestsOf(t.Room, now, now)
	d.openings = append(d.openings, t)
	b.queue.Wake(b.queue.Get("digest:" + t.Room))
}

// joinOpenings puts what opened again into the messages of their triggers.
func (b *bot) joinOpenings(l lives, t *task) bool {
	b.mu.Lock()
	opened := t.Value.digest.openings
	t.Value.digest.openings = nil
	b.mu.Unlock()
	settings, _ := b.Rooms(t.Room, "")
	var flaps []string // in the order in which they opened
	byFlap := map[string]map[alert.Key]*task{}
	for _, one := range opened {
		flap := one.Value.post.flap
		if byFlap[flap] == nil {
			byFlap[flap] = map[alert.Key]*task{}
			flaps = append(flaps, flap)
		}
		byFlap[flap][one.Value.post.key] = one
	}
	for n, flap := range flaps {
		var keys []alert.Key
		ok := b.persist(l.begin, "joining a flapping trigger's message", func(ctx context.Context) (err error) {
			keys, err = b.joinFlap(ctx, t.Room, flap, byFlap[flap], settings.Flapping)
			return err
		})
		if !ok {
			b.mu.Lock()
			for _, later := range flaps[n:] {
				for _, one := range byFlap[later] {
					t.Value.digest.openings = append(t.Value.digest.openings, one)
				}
			}
			b.mu.Unlock()
			return false
		}
		b.joined(t, store.Digest{}, byFlap[flap], keys)
	}
	return true
}

// joinFlap is one transaction: into the newest message of the trigger, or a new one.
func (b *bot) joinFlap(ctx context.Context, room, flap string, tasks map[alert.Key]*task, f config.Flapping) ([]alert.Key, error) {
	now := time.Now()
	keys, came := make([]alert.Key, 0, len(tasks)), now
	for k, t := range tasks {
		keys = append(keys, k)
		if opened := t.Value.post.opened; !opened.IsZero() && opened.Before(came) {
			came = opened
		}
	}
	d, err := b.Store.NewestDigest(ctx, room, flap)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrRejected):
		d = store.Digest{Room: room, Flap: flap}
	case err != nil:
		return nil, err
	default:
		posts, err := b.Store.DigestPosts(ctx, d.ID, false)
		if err != nil {
			return nil, err
		}
		last := lastOpening(posts)
		if last.IsZero() {
			last = d.CreatedAt // all have left
		}
		if !TakesOpening(d, last, f, came) {
			d = store.Digest{Room: room, Flap: flap}
		}
	}
	d, joined, err := b.Store.JoinDigest(ctx, d, keys, now)
	if err == nil && len(joined) > 0 {
		b.Log.Info("opened again", "digest", d.ID, "room", room, "bot", b.name, "flap", flap, "openings", len(joined), "in_all", d.Joined)
	}
	return joined, err
}

// againAt is AgainAt, which needs the posts only where there was something new.
func (b *bot) againAt(l lives, d store.Digest, individual alert.Severity) (at time.Time, ok bool) {
	if d.MessageID == "" || d.Said >= d.Joined {
		return time.Time{}, true
	}
	var posts []store.Post
	ok = b.persist(l.begin, "reading a digest's posts", func(ctx context.Context) (err error) {
		posts, err = b.Store.DigestPosts(ctx, d.ID, false)
		return err
	})
	return AgainAt(d, posts, individual), ok
}
