package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// postTask is a pending post.
type postTask struct {
	key       alert.Key
	notBefore time.Time
	doubt     step.PostDoubt
}

func (d *Delivery) newPostTask(p store.Post) *task {
	op := step.OpEdit
	if p.Open && p.RootID == "" {
		op = step.OpRoot
	}
	return &task{
		ID: "post:" + p.Key.String() + "@" + p.Room, Version: p.Desired, Room: p.Room, Urgency: urgencyOf(op, !p.Open, rankOf(p.Severity), p.PendingSince),
		Value: work{
			bot: d.botOf(p.Room, p.Route), about: []any{"key", p.Key.String()},
			post: &postTask{key: p.Key, notBefore: p.PendingSince},
		},
	}
}

// hint is the urgency of a queued task that is woken. The fold that woke it doesn't know delivery's progress, so the
// class changes only from a card to an update, and to a resolution.
func hint(known, woken queue.Urgency) queue.Urgency {
	u := queue.Urgency{Class: known.Class, Rank: woken.Rank, Since: known.Since}
	switch {
	case woken.Class == classWrong:
		u.Class = classWrong
	case known.Class == classCard:
		u.Class = classUpdate
	}
	return u
}

// view has everything that a step depends on.
type view struct {
	post    store.Post
	rooms   []store.Post // of the problem, this one too
	problem alert.Problem
	broken  error // why the problem can't be read; nil if it can
	room    RoomSettings
	known   bool // the room is configured
	actions string
	doubt   step.PostDoubt
}

// plan is the next step of a view, and the text of a root or of lines. It skips entries that the room filters out,
// and edits that would change nothing.
func (b *bot) plan(v *view, now time.Time) (s step.Step, text string) {
	room := v.room.step()
	for {
		s = step.NextPost(v.problem, v.post, v.doubt, room, v.actions, now)
		switch {
		case s.Op == step.OpEdit || s.Op == step.OpRoot && !s.AsCard:
			text = b.Render().Root(v.problem, v.room.Room, now)
			s.Hash = hash(text)
			if s.Op == step.OpRoot || s.Reason == step.ReasonProbe || s.Hash != v.post.RootHash || b.inDoubt(v.post) {
				return s, text
			}
			v.post.Cursor = step.Unchanged(v.problem, v.post.Cursor, room)
		case s.Op == step.OpLines:
			text = b.Render().Lines(v.problem, s.Entries, v.room.Room, now)
			for len(text) > webex.MaxMessageBytes && len(s.Entries) > 1 {
				s.Entries = s.Entries[:len(s.Entries)/2]
				text = b.Render().Lines(v.problem, s.Entries, v.room.Room, now)
			}
			if text != "" {
				return s, text
			}
			v.post.Cursor = step.ToldLines(s.Entries, v.problem, v.post.Cursor, room)
		default:
			return s, ""
		}
	}
}

// inDoubt reports whether the root may differ from its hash: the post was pending when the relay started, and
// the previous process may have been killed during an edit.
func (b *bot) inDoubt(p store.Post) bool {
	return !p.PendingSince.IsZero() && p.PendingSince.Before(b.started)
}

// hash identifies a text, to tell whether it has changed.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}

// message is the message that a step posts.
func (b *bot) message(v *view, s step.Step, text string, now time.Time) webex.NewMessage {
	m := v.room.address()
	m.Markdown = text
	if s.Op == step.OpLines || s.Op == step.OpCard {
		m.ParentID = v.post.RootID
	}
	if s.Op == step.OpCard || s.AsCard {
		content, fallback := b.Render().Card(v.problem, v.room.Room, now)
		m.Markdown = fallback
		m.Attachments = []webex.Attachment{{ContentType: webex.CardContentType, Content: content}}
	}
	return m
}

// remaining returns what follows a step: done, a wait, or another step.
func (b *bot) remaining(v *view, now time.Time) outcome {
	s, _ := b.plan(v, now)
	switch s.Op {
	case step.OpNone:
		if s.Reason != step.ReasonDead && v.post.Desired > v.post.Delivered {
			v.post.Cursor = step.CaughtUp(v.problem, v.post, now)
		}
		return outcome{done: true}
	case step.OpWait:
		return outcome{wake: s.Until}
	}
	u := v.urgency(s)
	return outcome{wake: now, urgency: &u}
}

func (v *view) urgency(s step.Step) queue.Urgency {
	return urgencyOf(s.Op, !v.problem.Open(), rankOf(v.problem.Severity), v.post.PendingSince)
}

// servePost makes one call for a post, or finds that none is needed.
func (b *bot) servePost(l lives, t *task, picked int) outcome {
	v, gone := b.readView(l, t)
	if v == nil {
		return outcome{done: gone, wake: time.Now().Add(storeMost)}
	}
	switch {
	case v.broken != nil:
		return b.markDead(l, t, v, step.Dead, v.broken.Error(), "", false)
	case v.problem.Revision == 0:
		return b.markDead(l, t, v, step.Dead, "the problem was pruned", "", false)
	case !v.known:
		return b.markDead(l, t, v, step.Gone, "the room isn't configured (any more)", "", false)
	case b.left(v.room):
		return outcome{done: true}
	}
	if why := b.Withheld(t.Room, v.post.Route, text.Names(v.rooms, func(p store.Post) string { return p.Room }), v.post.RootID != ""); why != "" {
		return b.withhold(l, t, v, why)
	}
	t.Value.traced.causes, t.Value.traced.route = v.post.Causes, v.post.Route
	now := time.Now()
	next, words := b.plan(v, now)
	switch next.Op {
	case step.OpNone:
		out := b.remaining(v, now)
		b.savePost(l, t, v)
		return out
	case step.OpWait:
		return outcome{wake: next.Until}
	}
	if u := v.urgency(next); u.Class > picked {
		return outcome{wake: now, urgency: &u} // there may be more urgent work
	}
	if claimed, ok := b.claim(l, v); !claimed {
		return outcome{done: ok, wake: now.Add(storeMost)}
	}

	if next.Op == step.OpEdit && v.room.ID == "" { // a direct chat whose room id was lost: its messages can't be edited
		v.post.RootID, v.post.CardID, v.post.CardActions = "", "", ""
		next, words = b.plan(v, now)
	}

	if next.Op == step.OpDelete && v.post.CardActions != "" {
		// Until Webex answers, it is unknown whether the card still exists.
		v.post.CardActions = ""
		if !b.savePost(l, t, v) {
			return outcome{wake: now.Add(storeMost)}
		}
	}
	shown := v.post.RootID
	if next.Op == step.OpDelete {
		shown = v.post.CardID
	}
	got, made, err := b.act(l, t, next, v.post.Attempts, shown, b.message(v, next, words, now))
	if !made {
		return outcome{wake: now}
	}
	now = time.Now()
	if err != nil {
		return b.refused(l, t, v, next, err, now)
	}
	first := isFirst(next, v.post)
	if first {
		b.Metrics.shown(v.problem.Severity, v.post.FirstDue(), now, t.Value.traced.last)
	}
	tracking := got.TrackingID
	if tracking == "" && v.post.LastError == "" { // of a deletion
		tracking = v.post.TrackingID
	}
	v.post.Cursor, v.doubt = step.AcceptedPost(next, v.problem, v.post.Cursor, v.doubt, v.room.step(), v.actions, got.ID)
	v.post.TrackingID = tracking
	t.Value.post.doubt = v.doubt
	out := b.remaining(v, now)
	out.called = true
	if b.savePost(l, t, v) && first {
		b.Posted(v.post, v.problem)
	}
	return out
}

// withhold ends a post without a call: the room may not have it.
func (b *bot) withhold(l lives, t *task, v *view, why string) outcome {
	if claimed, ok := b.claim(l, v); !claimed {
		return outcome{done: ok, wake: time.Now().Add(storeMost)}
	}
	b.logOf(t).Info("not sent: the room has no right to it", "room", t.Room, "route", v.post.Route, "why", why)
	v.post.Cursor = step.CaughtUp(v.problem, v.post, time.Now())
	return outcome{done: b.savePost(l, t, v), wake: time.Now().Add(storeMost)}
}

// claim keeps the ledger from grouping or withdrawing a fresh post from now on. It precedes the first call. false,
// and ok, if the ledger was faster.
func (b *bot) claim(l lives, v *view) (claimed, ok bool) {
	if v.post.Claimed {
		return true, true
	}
	claimed, ok = read(l.begin, b.Delivery, "claiming a post", func(ctx context.Context) (bool, error) {
		return b.Store.ClaimPost(ctx, v.post.Key, v.post.Room)
	})
	v.post.Claimed = claimed
	return claimed, ok
}

// readView reads a post, then its problem, so that the problem is at least as new as the revision that the post
// should show. nil and gone if the post isn't pending any more, only nil if the bot is stopping.
func (b *bot) readView(l lives, t *task) (v *view, gone bool) {
	keys := []alert.Key{t.Value.post.key}
	posts, ok := read(l.begin, b.Delivery, "reading a post", func(ctx context.Context) (map[alert.Key][]store.Post, error) {
		return b.Store.PostsOf(ctx, keys)
	})
	if !ok {
		return nil, l.begin.Err() == nil
	}
	problems, broken, ok := b.problems(l.begin, "reading a problem", keys)
	if !ok {
		return nil, false
	}
	for _, p := range posts[t.Value.post.key] {
		if p.Room != t.Room || p.Group != 0 || !p.Pending() {
			continue
		}
		v = &view{post: p, rooms: posts[p.Key], problem: problems[p.Key], broken: broken, doubt: t.Value.post.doubt}
		v.post.Cursor = v.doubt.Believed(p.Cursor)
		v.post.ToldSeq = max(v.post.ToldSeq, p.FromSeq) // posted by the group that it left
		v.room, v.known = b.Rooms(p.Room, p.Route)
		v.actions = b.Render().Actions(v.problem)
		if b.Asks != nil && b.Asks(p.Key.Source) {
			v.room.CardWait = CardWait
		}
		if v.room.Person != "" && v.room.ID == "" && p.RootID != "" {
			v.room.ID = b.directRoom(l.begin, v.room.Person)
		}
		return v, false
	}
	return nil, true
}

// refused handles a failed call.
func (b *bot) refused(l lives, t *task, v *view, s step.Step, err error, now time.Time) outcome {
	delay := b.delay(v.post.Attempts+1, err, now)
	cursor, doubt, verdict := step.RefusedPost(s, v.problem, v.post.Cursor, v.doubt, v.actions, err, delay, now)
	b.logRefused(l, t, s, verdict, err)
	changed := cursor != v.post.Cursor
	v.post.Cursor, v.doubt, t.Value.post.doubt = cursor, doubt, doubt
	switch verdict {
	case step.Dead, step.Gone:
		return b.markDead(l, t, v, verdict, cursor.LastError, cursor.TrackingID, true)
	}
	out := b.remaining(v, now)
	out.called = true
	if changed {
		b.savePost(l, t, v)
	}
	return out
}

func (b *bot) savePost(l lives, t *task, v *view) bool {
	return b.save(l, t.ID, "saving a post's progress", func(ctx context.Context) error {
		return b.Store.SavePost(ctx, v.post.Key, v.post.Room, t.Value.post.doubt.Stored(v.post.Cursor))
	})
}
