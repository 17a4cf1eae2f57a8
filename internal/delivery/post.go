package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// postTask is a post that is behind. It holds no cursor and no problem: both
// are read when it is its turn, so that memory holds little and nothing stale
// is sent.
type postTask struct {
	key   alert.Key
	room  string
	route string
	doubt step.PostDoubt

	// For gathering; of the bot, under its lock.
	untold bool      // the room doesn't know of it, as far as anybody said
	hold   time.Time // heldUntil
	waited bool      // it was held back once to see whether a storm begins
	told   bool      // of the worker: the room knows of it
	flap   string    // of the worker: Post.Flap
	opened time.Time // of the worker: Post.JoinedAt
	single bool      // no digest took it
}

// gatherable says whether a digest may take the post.
func gatherable(t *task, s config.Storm, now time.Time) bool {
	return t.Idle() && !t.Value.post.hold.After(now) && alert.Disaster-alert.Severity(t.Rank) < s.Individual
}

func newPostTask(p store.Post, now time.Time) *task {
	since := dueSince(p)
	if since.IsZero() {
		since = now
	}
	u := urgencyOf(classUpdate, p.Severity, since)
	if p.RootID == "" && p.Open {
		u.Class = classNew
	}
	return &task{
		ID: "post:" + p.Key.String() + "@" + p.Room, Room: p.Room, Urgency: u,
		Value: work{version: p.Desired, post: &postTask{key: p.Key, room: p.Room, route: p.Route, untold: !step.Told(p.Cursor), hold: heldUntil(p)}},
	}
}

// hint is the urgency of a known task when it is woken with another one.
// Whoever woke it may not know how far delivery got, so the class only ever
// goes up from a card to an update, or down from a new problem to one that is over.
func (*postTask) hint(known, told queue.Urgency) queue.Urgency {
	u := queue.Urgency{Class: known.Class, Rank: told.Rank, Since: known.Since}
	if known.Class == classCard || told.Class == classUpdate {
		u.Class = classUpdate
	}
	return u
}

// view is all that a step looks at.
type view struct {
	post    store.Post
	problem alert.Problem
	broken  error // why the problem can't be read; nil if it can
	room    RoomSettings
	known   bool // the room is configured
	actions string
	doubt   step.PostDoubt
}

// plan is the next step of a view, and the text of a root or of lines. On the way it passes over entries
// that the room doesn't want, and edits that would change nothing.
func (b *bot) plan(v *view, now time.Time) (s step.Step, text string) {
	room := v.room.step()
	for {
		s = step.NextPost(v.problem, v.post, v.doubt, room, v.actions, now)
		switch {
		case s.Op == step.OpEdit || s.Op == step.OpRoot && !s.AsCard:
			text = b.Render.Root(v.problem, v.room.Room, now)
			s.Hash = hash(text)
			if s.Op == step.OpRoot || s.Reason == step.ReasonProbe || s.Hash != v.post.RootHash || b.inDoubt(v.post) {
				return s, text
			}
			v.post.Cursor = step.Unchanged(v.problem, v.post.Cursor, room)
		case s.Op == step.OpLines:
			text = b.Render.Lines(v.problem, s.Entries, v.room.Room, now)
			for len(text) > webex.MaxMessageBytes && len(s.Entries) > 1 {
				s.Entries = s.Entries[:len(s.Entries)/2]
				text = b.Render.Lines(v.problem, s.Entries, v.room.Room, now)
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

// inDoubt says whether the root may show something else than its post says: the
// room was behind already when the relay started, and an earlier process may have been killed
// while an edit was under way.
func (b *bot) inDoubt(p store.Post) bool {
	return !p.DirtySince.IsZero() && p.DirtySince.Before(b.started)
}

// hash names a text: whether two are the same is all that is asked.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}

// message is what a step posts.
func (b *bot) message(v *view, s step.Step, text string, now time.Time) webex.NewMessage {
	m := v.room.address()
	m.Markdown = text
	if s.Op == step.OpLines || s.Op == step.OpCard {
		m.ParentID = v.post.RootID
	}
	if s.Op == step.OpCard || s.AsCard {
		content, fallback := b.Render.Card(v.problem, v.room.Room, now)
		m.Markdown = fallback
		m.Attachments = []webex.Attachment{{ContentType: webex.CardContentType, Content: content}}
	}
	return m
}

// left says what comes after a step: nothing, or how urgent it is.
func (b *bot) left(v *view, now time.Time) outcome {
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
	u := stepUrgency(s, v)
	return outcome{wake: now, urgency: &u}
}

func stepUrgency(s step.Step, v *view) queue.Urgency {
	u := urgencyOf(classUpdate, v.problem.Severity, dueSince(v.post))
	switch {
	case s.Op == step.OpRoot && v.problem.Open():
		u.Class = classNew
	case s.Op == step.OpCard || s.Op == step.OpDelete:
		u.Class = classCard
	}
	return u
}

// servePost makes one call for a post, or finds that none is needed.
func (b *bot) servePost(l lives, t *task, picked int) outcome {
	v, gone := b.look(l, t)
	if v == nil {
		return outcome{done: gone, wake: time.Now().Add(storeMost)}
	}
	if v.broken != nil {
		return b.bury(l, t, v, step.Dead, v.broken.Error(), "", false)
	}
	if v.problem.Revision == 0 {
		return b.bury(l, t, v, step.Dead, "the problem isn't kept any more", "", false)
	}
	if !v.known {
		return b.bury(l, t, v, step.Gone, "the room isn't configured (any more)", "", false)
	}
	now := time.Now()
	next, text := b.plan(v, now)
	switch next.Op {
	case step.OpNone:
		out := b.left(v, now)
		b.savePost(l, t, v)
		return out
	case step.OpWait:
		return outcome{wake: next.Until}
	}
	if next.Op == step.OpRoot && flapping(v.post) && !t.Value.post.single {
		t.Value.post.flap, t.Value.post.opened = v.post.Flap, v.post.JoinedAt
		return outcome{joins: true}
	}
	if u := stepUrgency(next, v); u.Class > picked {
		return outcome{wake: now, urgency: &u} // there may be more urgent work
	}

	if next.Op == step.OpEdit && v.room.ID == "" { // a direct chat whose room id was lost: its messages can't be edited
		v.post.RootID, v.post.CardID, v.post.CardActions = "", "", ""
		next, text = b.plan(v, now)
	}

	if next.Op == step.OpDelete && v.post.CardActions != "" {
		// Until Webex answers nobody knows whether the card is there still: not after a lost
		// answer, not after a crash, and not when what it was to go for is taken back meanwhile.
		v.post.CardActions = ""
		if !b.savePost(l, t, v) {
			return outcome{wake: now.Add(storeMost)}
		}
	}
	id, took, made, err := b.act(l, t, v, next, b.message(v, next, text, now))
	if !made {
		return outcome{wake: now}
	}
	now = time.Now()
	if err != nil {
		return b.refused(l, t, v, next, err, now)
	}
	b.Log.Info("message sent", "key", t.Value.post.key.String(), "room", t.Room, "bot", b.name, "op", next.Op, "reason", next.Reason,
		"message", id, "took", took)
	if next.Op == step.OpRoot && !step.Told(v.post.Cursor) && !v.post.DirtySince.IsZero() {
		b.Metrics.Told.Observe(now.Sub(dueSince(v.post)).Seconds())
	}
	v.post.Cursor, v.doubt = step.AcceptedPost(next, v.problem, v.post.Cursor, v.doubt, v.room.step(), v.actions, id)
	t.Value.post.doubt = v.doubt
	t.Value.post.told = true
	out := b.left(v, now)
	out.called = true
	b.savePost(l, t, v)
	return out
}

// look reads a post and its problem, in this order, so that the problem is at
// least as new as what the post should show. nil with gone for a post that is
// no longer behind, nil without when the bot is to end.
func (b *bot) look(l lives, t *task) (v *view, gone bool) {
	keys := []alert.Key{t.Value.post.key}
	var posts map[alert.Key][]store.Post
	if !b.persist(l.begin, "reading a post", func(ctx context.Context) (err error) {
		posts, err = b.Store.PostsOf(ctx, keys)
		return err
	}) {
		return nil, l.begin.Err() == nil
	}
	problems, broken, ok := b.problems(l.begin, "reading a problem", keys)
	if !ok {
		return nil, false
	}
	for _, p := range posts[t.Value.post.key] {
		if p.Room == t.Value.post.room && p.Digest != 0 && p.Desired > p.Delivered {
			b.changed(p.Room, []alert.Key{p.Key}, nil) // it has joined since this task began
		}
		if p.Room != t.Value.post.room || !p.Pending() {
			continue
		}
		t.Value.post.told = step.Told(p.Cursor)
		v = &view{post: p, problem: problems[t.Value.post.key], broken: broken}
		v.doubt = t.Value.post.doubt
		v.post.Cursor = v.doubt.Believed(p.Cursor)
		v.room, v.known = b.Rooms(p.Room, p.Route)
		v.actions = b.Render.Actions(v.problem)
		if b.Asks != nil && b.Asks(p.Key.Source) {
			v.room.CardWait = CardWait
		}
		if v.room.Person != "" && v.room.ID == "" && step.Told(p.Cursor) {
			v.room.ID = b.directRoom(l.begin, v.room.Person)
		}
		return v, false
	}
	return nil, true
}

// act makes the call of a step; id is of the message that it posted or changed.
func (b *bot) act(l lives, t *task, v *view, s step.Step, m webex.NewMessage) (id string, took time.Duration, made bool, err error) {
	var got webex.Message
	took, made, err = b.call(l, t, s.Op, v.post.Attempts, func(ctx context.Context) (err error) {
		switch s.Op {
		case step.OpEdit:
			got, err = b.client.EditMessage(ctx, v.post.RootID, v.room.ID, m.Markdown)
		case step.OpDelete:
			got.ID = v.post.CardID
			err = b.client.DeleteMessage(ctx, v.post.CardID)
		default:
			got, err = b.client.CreateMessage(ctx, m)
		}
		return err
	})
	if made && err == nil && m.ToPersonEmail != "" {
		b.keepDirectRoom(l.save, m.ToPersonEmail, got.RoomID)
	}
	return got.ID, took, made, err
}

// refused does what a failed call asks for.
func (b *bot) refused(l lives, t *task, v *view, s step.Step, err error, now time.Time) outcome {
	delay := b.delay(v.post.Attempts+1, err, now)
	cursor, doubt, verdict := step.RefusedPost(s, v.problem, v.post.Cursor, v.doubt, v.actions, err, delay, now)
	b.Log.Log(l.call, refusalLevel(err), "message not accepted", "key", t.Value.post.key.String(), "room", t.Room, "bot", b.name, "op", s.Op, "verdict", verdict, "err", err)
	changed := cursor != v.post.Cursor
	v.post.Cursor, v.doubt, t.Value.post.doubt = cursor, doubt, doubt
	switch verdict {
	case step.Dead, step.Gone:
		return b.bury(l, t, v, verdict, cursor.LastError, cursor.TrackingID, true)
	}
	out := b.left(v, now)
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
