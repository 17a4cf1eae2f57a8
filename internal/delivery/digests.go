package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// serveDigests puts what was gathered into a digest, lets go who acted-on
// problems are, and makes one call for the room's digests, or finds that none is needed.
func (b *bot) serveDigests(l lives, t *task) outcome {
	later := outcome{wake: time.Now().Add(storeMost)}
	b.mu.Lock()
	t.Value.digest.came = false
	joined := slices.Collect(maps.Keys(t.Value.digest.joined))
	b.mu.Unlock()
	if !b.joinOpenings(l, t) || !b.join(l, t) || !b.sort(l, t) {
		return later
	}
	var pending []store.Digest
	if !b.persist(l.begin, "reading the digests of a room", func(ctx context.Context) (err error) {
		pending, err = b.Store.PendingDigests(ctx, t.Room)
		return err
	}) {
		return later
	}
	now := time.Now()
	isPending := func(id int64) bool {
		return slices.ContainsFunc(pending, func(d store.Digest) bool { return d.ID == id })
	}
	settings, _ := b.Rooms(t.Room, "")
	b.mu.Lock()
	for _, id := range joined {
		if !isPending(id) {
			delete(t.Value.digest.joined, id) // it tells of them already, or is a dead letter
		}
	}
	seen := t.Value.digest.seen
	storm := false
	if g := b.gather[t.Room]; g != nil {
		if !t.Value.digest.came && !slices.ContainsFunc(pending, func(d store.Digest) bool { return d.Flap == "" && d.Shown < d.Joined }) {
			g.toldAll()
		}
		seen.Arrived, seen.Parked, seen.Gathers, storm = g.Last, len(g.parked) > 0, g.Until(), g.Storm
	}
	b.mu.Unlock()
	maps.DeleteFunc(t.Value.digest.accounts, func(id int64, _ *account) bool { return !isPending(id) })
	out := outcome{done: true}
	for _, d := range pending {
		if b.skips(digestID(d.ID)) {
			continue
		}
		if until := Gathers(d, storm, now); !until.Equal(d.GathersUntil) {
			d.GathersUntil, d.GathersBelow = until, settings.Storm.Individual
			if !b.saveDigest(l, d, nil) {
				return later
			}
		}
		b.mu.Lock()
		d = t.Value.digest.doubts[d.ID].believedOf(d)
		b.mu.Unlock()
		seen.Again, seen.Differs = time.Time{}, t.Value.digest.differs[d.ID]
		if d.Flap != "" {
			var ok bool
			if seen.Again, ok = b.againAt(l, d, settings.Storm.Individual); !ok {
				return later
			}
		}
		next := NextDigest(d, seen, now)
		if until := t.Value.digest.nudgeAt[d.ID]; next.Op == OpDigestEdit && gathersNudges(d) && now.Before(until) {
			next = step.Step{Op: step.OpWait, Reason: step.ReasonDebounce, Until: until}
		}
		switch next.Op {
		case step.OpNone:
			if d.Pending {
				d.Pending = false
				b.saveDigest(l, d, nil)
			}
		case step.OpWait:
			if out.done || next.Until.Before(out.wake) {
				out = outcome{wake: next.Until}
			}
		default:
			return b.serveDigest(l, t, d, next)
		}
	}
	return out
}

// join puts what was gathered into the room's newest digest, or a new one. It is
// on disk before anything is said, so that a crash repeats one message at most.
func (b *bot) join(l lives, t *task) bool {
	room, now := t.Room, time.Now()
	tasks := b.gathered(room, now)
	if len(tasks) == 0 {
		return true
	}
	var d store.Digest
	ok := b.persist(l.begin, "finding the digest that gathers", func(ctx context.Context) (err error) {
		if d, err = b.Store.NewestDigest(ctx, room, ""); err != nil || !Takes(d, now) {
			d = store.Digest{Room: room}
		}
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return err
	})
	settings, _ := b.Rooms(room, "")
	d.GathersUntil, d.GathersBelow = now.Add(gatherLease), settings.Storm.Individual
	// In pieces, for intake waits while one is written. Nothing is said before all are in.
	var keys []alert.Key
	for batch := range slices.Chunk(slices.Collect(maps.Keys(tasks)), digestBatch) {
		ok = ok && b.persist(l.begin, "gathering posts into a digest", func(ctx context.Context) error {
			grown, joined, err := b.Store.JoinDigest(ctx, d, batch, now)
			if err == nil {
				d, keys = grown, append(keys, joined...)
			}
			return err
		})
	}
	b.Log.Info("problems gathered into a digest", "digest", d.ID, "room", room, "bot", b.name, "gathered", len(keys), "problems", d.Joined)
	b.Metrics.Digested.Add(float64(len(keys)))
	b.joined(t, d, tasks, keys)
	return ok
}

// sort lets the posts go that are told by themselves from now on.
func (b *bot) sort(l lives, t *task) bool {
	b.mu.Lock()
	all, due := !t.Value.digest.sorted, !time.Now().Before(t.Value.digest.changedAt.Add(sortAfter))
	var keys []alert.Key
	if all || due {
		for k, mayLeave := range t.Value.digest.changed {
			if mayLeave {
				keys = append(keys, k)
			}
		}
		t.Value.digest.sorted, t.Value.digest.changed = true, map[alert.Key]bool{}
	}
	b.mu.Unlock()
	settings, _ := b.Rooms(t.Room, "")
	again := func() bool {
		b.mu.Lock()
		t.Value.digest.sorted = false
		b.mu.Unlock()
		return false
	}
	var changed []store.Post
	if all {
		ok := b.persist(l.begin, "reading what changed in digests", func(ctx context.Context) error {
			changed = nil
			pending, err := b.Store.PendingDigests(ctx, t.Room)
			for _, d := range pending {
				posts, err := b.Store.DigestPosts(ctx, d.ID, true)
				if err != nil {
					return err
				}
				changed = append(changed, posts...)
			}
			return err
		})
		if !ok {
			return again()
		}
	}
	for batch := range slices.Chunk(keys, digestBatch) {
		ok := b.persist(l.begin, "reading what changed in digests", func(ctx context.Context) error {
			posts, err := b.Store.PostsOf(ctx, batch)
			for _, of := range posts {
				for _, p := range of {
					if p.Room == t.Room && p.Digest != 0 && !all {
						changed = append(changed, p)
					}
				}
			}
			return err
		})
		if !ok {
			return again()
		}
	}
	byDigest := map[int64][]store.Post{}
	for _, p := range changed {
		byDigest[p.Digest] = append(byDigest[p.Digest], p)
	}
	for id, posts := range byDigest {
		// In a storm there are thousands that nothing happened to yet: they aren't even read.
		posts = slices.DeleteFunc(posts, func(p store.Post) bool { return p.Desired <= 1 && p.Severity < settings.Storm.Individual })
		problems := map[alert.Key]alert.Problem{}
		for batch := range slices.Chunk(posts, digestBatch) {
			found, _, ok := b.problems(l.begin, "reading what changed in digests", keysOf(batch))
			if !ok {
				return again()
			}
			for k, p := range found {
				if p.Open() {
					problems[k] = p
				}
			}
		}
		var d store.Digest
		if !b.persist(l.begin, "reading a digest", func(ctx context.Context) (err error) {
			d, err = b.Store.Digest(ctx, id)
			return err
		}) {
			return again()
		}
		leavers := Leavers(posts, problems, settings.Storm, d.Flap != "")
		if len(leavers) == 0 {
			continue
		}
		if !b.leave(l, t, id, leavers) {
			return again()
		}
	}
	return true
}

// serveDigest makes one call for a digest.
func (b *bot) serveDigest(l lives, t *task, d store.Digest, next step.Step) outcome {
	room, known := b.Rooms(t.Room, "")
	if !known {
		return b.buryDigest(l, t, d, step.Dead, "the room isn't configured (any more)", "", false)
	}
	if room.Person != "" && room.ID == "" && d.MessageID != "" {
		if room.ID = b.directRoom(l.begin, room.Person); room.ID == "" && next.Op == OpDigestEdit {
			d.MessageID, next.Op = "", OpDigest // its messages can't be edited
		}
	}
	looked := time.Now()
	m, ok := b.members(l, t, d)
	if !ok {
		return outcome{wake: time.Now().Add(storeMost)}
	}
	now := time.Now()
	if len(m.leavers) > 0 {
		if !b.leave(l, t, d.ID, m.leavers) {
			now = now.Add(storeMost)
		}
		return outcome{wake: now}
	}
	// settled is the digest once all is shown; a thread may owe people a word all the same.
	settled := func(d store.Digest) store.Digest {
		if !AgainAt(d, m.posts, room.Storm.Individual).IsZero() {
			d.Pending = true
		}
		return d
	}
	text, complete := b.Render.Digest(m.Digest, room.Room)
	shows := hash(text)
	b.mu.Lock()
	t.Value.digest.seen.Looked, t.Value.digest.seen.Took = now, time.Since(looked)
	b.mu.Unlock()
	message := room.address()
	message.Markdown = text
	delete(t.Value.digest.differs, d.ID)
	switch next.Op {
	case OpDigestLook:
		if len(m.nudges) > 0 || d.Hash != shows {
			t.Value.digest.differs[d.ID] = true
			return outcome{wake: now}
		}
		return b.shown(l, settled(ShownDigest(d)), m)
	case OpDigestEdit:
		if at := nudgesAt(m.nudges); len(m.nudges) > 0 && d.Shown >= 0 && !now.Before(at) {
			return b.nudgeDigest(l, t, d, m, room)
		} else if len(m.nudges) > 0 {
			t.Value.digest.nudgeAt[d.ID] = at
			if gathersNudges(d) {
				return outcome{wake: now} // there may be other digests
			}
			m.shown = without(m.shown, m.nudged)
		}
		open := slices.ContainsFunc(m.Items, func(i render.DigestItem) bool { return i.Open })
		if d.Hash == shows {
			return b.shown(l, settled(ShownDigest(d)), m)
		}
		if open && d.Edits >= digestEdits(open)-1 {
			last := m.Digest
			last.Last = true
			if text, complete = b.Render.Digest(last, room.Room); d.Hash == hash(text) {
				return b.shown(l, settled(ShownDigest(d)), m)
			}
			shows = hash(text)
		}
		if d.Edits < digestEdits(open) {
			break
		}
		next.Op = OpDigestLine
		message.ParentID = d.MessageID
		m.Account = true
		text, _ = b.Render.Digest(m.Digest, room.Room)
		if shows = hash(text); d.Hash == shows && d.Gone == "" {
			return b.shown(l, settled(ShownDigest(d)), m)
		}
		if m.Gone, ok = b.gone(l, d); !ok {
			return outcome{wake: time.Now().Add(storeMost)}
		}
		message.Markdown, complete = b.Render.Digest(m.Digest, room.Room)
	case OpDigestAgain:
		message.ParentID = d.MessageID
		message.Markdown = b.Render.FlapLine(m.Digest, room.Room)
	case OpDigestFile:
		message.ParentID = d.MessageID
		message.Markdown = fmt.Sprintf("📎 the complete list: %d problems", len(m.Items))
		message.File = &webex.File{Name: fmt.Sprintf("problems-%d.txt", d.ID), ContentType: "text/plain; charset=utf-8", Content: b.Render.DigestFile(m.Digest, room.Room, now)}
	}
	var got webex.Message
	took, made, err := b.call(l, t, next.Op, d.Attempts, func(ctx context.Context) (err error) {
		if next.Op == OpDigestEdit {
			got, err = b.client.EditMessage(ctx, d.MessageID, room.ID, text)
		} else {
			got, err = b.client.CreateMessage(ctx, message)
		}
		return err
	})
	now = time.Now()
	if !made {
		return outcome{wake: now}
	}
	if err != nil {
		out := b.refusedDigest(l, t, d, next, m, err, now)
		if next.Op == OpDigest {
			out.urgency = &queue.Urgency{Class: classNew, Rank: rankOfDigests, Since: now}
		}
		return out
	}
	if message.ToPersonEmail != "" && next.Op == OpDigest {
		b.keepDirectRoom(l.save, message.ToPersonEmail, got.RoomID)
	}
	b.Log.Info("message sent", "digest", d.ID, "room", t.Room, "bot", b.name, "op", next.Op, "problems", len(m.Items), "message", got.ID, "took", took)
	// All problems were read for the list: where the message needs no edit, that is what it was to be looked at for.
	needsNone := next.Op == OpDigestFile && d.Hash == shows && len(m.nudges) == 0
	if message.ParentID != "" {
		b.threadTakes(t, d.ID)
	}
	d = settled(TakenDigest(next, d, got.ID, shows, complete, now))
	if !needsNone && (next.Op == OpDigestFile || next.Op == OpDigestAgain) {
		m.shown = nil
	} else {
		for _, w := range append(m.waiting, m.account.waiting...) {
			for range w.posts {
				b.Metrics.Told.Observe(now.Sub(w.since).Seconds())
			}
		}
		m.account.waiting = nil
	}
	out := b.shown(l, d, m)
	out.called = true
	return out
}

// shown saves what the digest's message shows, in pieces that hold up nobody:
// the message first, so that a crash in between only has it looked at again.
func (b *bot) shown(l lives, d store.Digest, m members) outcome {
	first := m.shown[:min(len(m.shown), digestBatch)]
	b.saveDigest(l, d, first)
	for batch := range slices.Chunk(m.shown[len(first):], digestBatch) {
		b.saveDigest(l, d, batch)
	}
	return outcome{wake: time.Now()}
}

func (b *bot) saveDigest(l lives, d store.Digest, shown []store.Shown) bool {
	return b.save(l, digestID(d.ID), "saving a digest's progress", func(ctx context.Context) error { return b.Store.SaveDigest(ctx, d, shown) })
}

// digestID names a digest among the skipped.
func digestID(id int64) string { return fmt.Sprintf("digest %d", id) }
