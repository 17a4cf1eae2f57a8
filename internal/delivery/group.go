package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// groupTask is a group that is behind.
type groupTask struct {
	id    int64
	doubt step.Doubt
	alone bool // the thread of its cause refuses replies
}

func (d *Delivery) newGroupTask(g store.Group) *task {
	op := step.OpGroupEdit
	if g.MessageID == "" {
		op = step.OpGroup
	}
	return &task{
		ID: fmt.Sprintf("group:%d", g.ID), Version: g.Revision, Room: g.Room, Urgency: urgencyOf(op, step.Wrong(g), groupRank, g.PendingSince),
		Value: work{bot: d.botOf(g.Room, ""), about: []any{"group", g.ID}, group: &groupTask{id: g.ID}},
	}
}

// serveGroup makes one call for a group, or finds that none is needed.
func (b *bot) serveGroup(l lives, t *task, picked int) outcome {
	began := time.Now() // a post that joins from now on may be missing in what is read
	later := outcome{wake: began.Add(storeMost)}
	var g store.Group
	err := b.attempt(l.begin, "reading a group", func(ctx context.Context) (err error) {
		g, err = b.Store.Group(ctx, t.Value.group.id)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrRejected), err == nil && !g.Pending():
		return outcome{done: true}
	case err != nil:
		return later
	case g.State == store.PostDead:
		return b.rerouteGroup(l, t, g)
	}
	room, known := b.Rooms(t.Room, "")
	if !known {
		return b.markGroupDead(l, t, g, step.Gone, "the room isn't configured (any more)", "", false)
	}
	if b.left(room) {
		return outcome{done: true}
	}
	if why := b.Withheld(t.Room, "", nil, g.MessageID != ""); why != "" {
		return b.markGroupDead(l, t, g, step.Dead, "not sent: "+why, "", false)
	}
	g = step.BelievedGroup(g, t.Value.group.doubt)
	if room.Person != "" && room.ID == "" && g.MessageID != "" {
		if room.ID = b.directRoom(l.begin, room.Person); room.ID == "" {
			g.MessageID = "" // its messages can't be edited
		}
	}
	var m members
	if g.Kind == store.GroupFlap { // whether a flapping trigger counts as resolved or down depends on its members
		var ok bool
		if m, ok = b.members(l, g, room); !ok {
			return later
		}
		g.Down = !m.openings.Down.IsZero()
	}
	now := time.Now()
	next := step.NextGroup(g, t.Value.group.doubt, m.openings, now)
	switch next.Op {
	case step.OpNone:
		b.saveGroup(l, t, g)
		return outcome{done: true}
	case step.OpWait:
		return outcome{wake: next.Until}
	}
	if u := urgencyOf(next.Op, step.Wrong(g), groupRank, g.PendingSince); u.Class > picked {
		return outcome{wake: now, urgency: &u} // there may be more urgent work
	}
	if g.Kind != store.GroupFlap {
		var ok bool
		if m, ok = b.members(l, g, room); !ok {
			return later
		}
	}
	if g.Kind == store.GroupCause && next.Call() != step.Edit && next.Call() != step.Remove {
		var ready, ok bool
		if m.parent, ready, ok = b.causeMessage(l, t, g); !ok {
			return later
		}
		if !ready {
			return outcome{wake: now.Add(step.CauseWait)}
		}
	}
	return b.showGroup(l, t, g, m, room, next, began)
}

// showGroup makes the call of a step, unless the room shows its result already.
func (b *bot) showGroup(l lives, t *task, g store.Group, m members, room RoomSettings, next step.Step, began time.Time) outcome {
	now := time.Now()
	message := room.address()
	if message.ParentID = m.parent; next.Op != step.OpGroup && next.Op != step.OpGroupEdit && m.parent == "" {
		message.ParentID = g.MessageID
	}
	var text step.Text
	switch next.Op {
	case step.OpGroup, step.OpGroupEdit, step.OpGroupLine:
		if next.Op == step.OpGroup && len(m.digest.Items) == 0 {
			g, t.Value.group.doubt = step.EmptyGroup(g)
			return b.shown(l, t, g)
		}
		m.digest.Last = next.Op == step.OpGroupEdit && step.LastEdit(g)
		if next.Op == step.OpGroupLine {
			var ok bool
			if m.digest.Gone, ok = b.leavers(l, g, room); !ok {
				return outcome{wake: now.Add(storeMost)}
			}
			m.digest.Account = true
		}
		message.Markdown, text = b.digestText(m, room)
		if next.Op != step.OpGroup && next.Reason != step.ReasonProbe && text.Hash == g.Hash {
			g.SaysResolved = text.Resolved
			return b.shown(l, t, step.ShownGroup(g))
		}
		if next.Lines = g.LinesPosted; next.Op == step.OpGroup && !m.separate(g.Room) {
			next.Lines = m.lastLine
		}
	case step.OpGroupNudge:
		next.Lines = m.lastLine
		if len(m.lines) == 0 {
			g.LinesPosted = next.Lines
			return b.shown(l, t, g)
		}
		var n int
		if message.Markdown, n = b.Render().DigestLines(m.lines, room.Room); n < len(m.lines) {
			next.Lines = m.lines[n].N - 1
		}
		if card := b.Render().AnswerCard(m.lines[:n], g.MessageID, room.Room); card != nil {
			message.Attachments = []webex.Attachment{{ContentType: webex.CardContentType, Content: card}}
		}
	case step.OpGroupAgain:
		message.Markdown = b.Render().FlapLine(m.digest, room.Room)
	case step.OpGroupList:
		g.Joined += m.late // the list has them, too
		message.Markdown = room.Lang.T("📎 The complete list: %d problems", len(m.digest.Items))
		message.File = &webex.File{Name: fmt.Sprintf("problems-%d.txt", g.ID), ContentType: "text/plain; charset=utf-8", Content: b.Render().DigestFile(m.digest, room.Room, now)}
	}
	got, made, err := b.act(l, t, next, g.Attempts, g.MessageID, message)
	now = time.Now()
	if !made {
		return outcome{wake: now}
	}
	if err != nil && m.parent != "" && step.WithoutParent(err) {
		t.Value.group.alone = true
		b.logOf(t).Warn("the thread of the cause refuses its symptoms: they get a message of their own", "cause", g.Name, "error", err)
		return outcome{called: true, wake: now}
	}
	if err != nil {
		return b.refusedGroup(l, t, g, next, err, now)
	}
	if text.Hash != "" {
		for _, post := range m.joined {
			b.Metrics.shown(post.Problem.Severity, post.FirstDue, now, b.traceMember(t, g, post, now))
		}
		b.Metrics.Digested.Add(float64(len(m.joined)))
	}
	g, t.Value.group.doubt = step.AcceptedGroup(next, g, t.Value.group.doubt, text, got.ID, began)
	out := b.shown(l, t, g)
	out.called = true
	return out
}

// causeMessage returns the message in whose thread a group of symptoms is shown: its cause's, or "" if none shows the cause.
// ready is false while that message is still to be posted.
func (b *bot) causeMessage(l lives, t *task, g store.Group) (id string, ready, ok bool) {
	if t.Value.group.alone {
		return "", true, true
	}
	cause := alert.ParseKey(g.Name)
	posts, ok := read(l.begin, b.Delivery, "reading a cause's posts", func(ctx context.Context) (map[alert.Key][]store.Post, error) {
		return b.Store.PostsOf(ctx, []alert.Key{cause})
	})
	id, ready = step.CauseMessage(posts[cause], g.Room)
	return id, ready, ok
}

// digestText renders a digest.
func (b *bot) digestText(m members, room RoomSettings) (string, step.Text) {
	markdown, complete := b.Render().Digest(m.digest, room.Room)
	t := step.Text{Hash: hash(markdown), Complete: complete, Resolved: len(m.digest.Items) > 0}
	for _, i := range m.digest.Items {
		t.Resolved = t.Resolved && !i.Open
	}
	return markdown, t
}

// shown saves a group's progress.
func (b *bot) shown(l lives, t *task, g store.Group) outcome {
	b.saveGroup(l, t, g)
	return outcome{wake: time.Now()}
}

func (b *bot) saveGroup(l lives, t *task, g store.Group) bool {
	return b.save(l, t.ID, "saving a group's progress", func(ctx context.Context) error {
		return b.Store.SaveGroup(ctx, g.ID, step.StoredGroup(g, t.Value.group.doubt).GroupCursor)
	})
}

// refusedGroup handles a failed call.
func (b *bot) refusedGroup(l lives, t *task, g store.Group, s step.Step, err error, now time.Time) outcome {
	after, doubt, verdict := step.RefusedGroup(s, g, t.Value.group.doubt, err, b.delay(g.Attempts+1, err, now), now)
	b.logRefused(l, t, s, verdict, err)
	t.Value.group.doubt = doubt
	switch verdict {
	case step.Dead, step.Gone:
		return b.markGroupDead(l, t, after, verdict, after.LastError, after.TrackingID, true)
	case step.GiveUp:
		if s.Op == step.OpGroupList {
			b.deadLetter(t, kindList, true, after.ListError, after.ListTrackingID)
		}
	}
	if after.GroupCursor != g.GroupCursor {
		b.saveGroup(l, t, after)
	}
	return outcome{called: true, wake: now}
}

// markGroupDead makes a dead letter of a group, with all of its posts.
func (b *bot) markGroupDead(l lives, t *task, g store.Group, verdict step.Verdict, reason, trackingID string, called bool) outcome {
	if b.saveGroup(l, t, step.DeadGroup(g, verdict, reason, trackingID, time.Now())) {
		t.Value.group.doubt = step.Doubt{} // a replay starts without doubts
		if verdict == step.Gone {
			b.Refused(l.save, t.Room, reason)
		}
		b.deadLetter(t, kindDigest, called, reason, trackingID)
	}
	return outcome{called: called, wake: time.Now()}
}

// rerouteAtOnce is how many reroutes of a group are appended at once: they share a few commits.
const rerouteAtOnce = 500

// rerouteGroup reroutes the problems of a dead group to the default room, once no post joins it any more. A crash in
// between repeats that.
func (b *bot) rerouteGroup(l lives, t *task, g store.Group) outcome {
	later := outcome{wake: time.Now().Add(storeMost)}
	posts, ok := b.groupPosts(l, g)
	if !ok {
		return later
	}
	if slices.ContainsFunc(posts, ofIncident) {
		// It is told where the incident was opened.
	} else if to, ok := b.fallback(t, g.LastError); ok {
		if !b.announceRefusal(l, t.Room, to, g.LastError) {
			return later
		}
		var all errgroup.Group
		all.SetLimit(rerouteAtOnce)
		for _, p := range slices.DeleteFunc(posts, extra) {
			all.Go(func() error {
				if !b.reroute(l, p.Key, to) {
					return store.ErrClosed
				}
				return nil
			})
		}
		if all.Wait() != nil {
			return later
		}
	}
	g.Reroute = false
	b.saveGroup(l, t, g)
	return outcome{done: true}
}
