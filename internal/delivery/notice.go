package delivery

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// The steps of notices, besides OpNone, OpWait and OpDelete.
const (
	OpNotice     Op = "notice"      // post it
	OpNoticeEdit Op = "notice_edit" // its body was replaced: edit the message
)

// noticeTask is a notice to be sent; its body is read when it is its turn.
type noticeTask struct {
	id int64
	// rootless: its thread's root is gone, so it is said in the room itself.
	rootless bool
	// gone is a message of it that was taken for deleted. As with posts (Doubts) the store keeps it until another
	// is posted in its place.
	gone string
}

// believed is a notice of the store's without the message that was taken for deleted.
func (t *noticeTask) believed(n store.Notice) store.Notice {
	if t.gone != "" && n.MessageID == t.gone {
		n.MessageID, n.Edits = "", 0
	}
	return n
}

// doubt takes in what a call that failed made of a notice, and gives what the store is to have of it.
func (t *noticeTask) doubt(s Step, after, stored store.Notice, err error) store.Notice {
	switch {
	case s.Op != OpNotice && after.MessageID == "":
		t.gone = stored.MessageID
	case s.Op == OpNotice && again(webex.ClassOf(err)):
		t.gone = "" // it is asked for again after the wait
	}
	if after.MessageID == "" {
		after.MessageID, after.Edits = stored.MessageID, stored.Edits
	}
	return after
}

func newNoticeTask(n store.Notice) *task {
	to := n.Room
	if to == "" {
		to = n.RoomID + config.PersonRoom + n.Person
	}
	u := queue.Urgency{Class: classRest, Rank: noticeRank(n.Kind), Since: n.ChangedAt}
	if n.Kind == store.NoticeAnswer {
		u.Class = classAnswer
	}
	if u.Since.IsZero() {
		u.Since = n.CreatedAt
	}
	return &task{
		ID: "notice:" + strconv.FormatInt(n.ID, 10), Room: to, Urgency: u, Order: n.ID,
		Lane:  string(n.Kind) + " " + to + " " + n.ParentID,
		Value: work{version: n.Version, notice: &noticeTask{id: n.ID}},
	}
}

// laneFailures is how often a notice may fail in a row before those after it
// in its thread stop waiting for it.
const laneFailures = 3

// NextNotice says what to do next for a notice. A message with a card can't be
// edited, nor one whose edits are spent: such a notice is posted anew, and a
// card is deleted first so that its buttons go.
func NextNotice(n store.Notice, now time.Time) Step {
	switch {
	case n.State == store.NoticeDead:
		return Step{Op: OpNone, Reason: ReasonDead}
	case n.State != store.NoticePending:
		return Step{Op: OpNone, Reason: ReasonCaughtUp}
	case now.Before(n.NotBefore):
		return Step{Op: OpWait, Reason: ReasonBackoff, Until: n.NotBefore}
	case n.MessageID == "":
		return Step{Op: OpNotice, Reason: ReasonUntold}
	case n.SentVersion >= n.Version:
		return Step{Op: OpNone, Reason: ReasonCaughtUp}
	case len(n.Card) > 0:
		return Step{Op: OpDelete, Reason: ReasonNewButtons}
	case n.Edits >= webex.MaxEdits:
		return Step{Op: OpNotice, Reason: ReasonChanged}
	}
	return Step{Op: OpNoticeEdit, Reason: ReasonChanged}
}

// TakenNotice is a notice after a step that Webex took.
func TakenNotice(s Step, n store.Notice, id string) store.Notice {
	n.Attempts, n.NotBefore, n.LastError, n.TrackingID = 0, time.Time{}, "", ""
	switch s.Op {
	case OpDelete:
		n.MessageID, n.Edits = "", 0
		return n
	case OpNotice:
		n.MessageID, n.Edits = id, 0
	case OpNoticeEdit:
		n.Edits++
	}
	n.State, n.SentVersion = store.NoticeSent, n.Version
	return n
}

// RefusedNotice is a notice after a call that failed, and what to do.
func RefusedNotice(s Step, n store.Notice, err error, delay time.Duration, now time.Time) (store.Notice, Verdict) {
	class := webex.ClassOf(err)
	if class == webex.RateLimited || class == webex.Unauthorized {
		return n, VerdictRetry
	}
	n.LastError, n.TrackingID = err.Error(), fault(err).TrackingID
	switch {
	case class == webex.Temporary:
		n.Attempts++
		n.NotBefore = now.Add(delay)
		return n, VerdictRetry
	case s.Op == OpDelete || s.Op == OpNoticeEdit && class == webex.NotFound:
		n.MessageID, n.Edits = "", 0
		return n, VerdictReplan
	case s.Op == OpNoticeEdit:
		n.Edits = webex.MaxEdits // a card, or more edits than we knew of
		return n, VerdictReplan
	}
	n.State = store.NoticeDead
	return n, VerdictDead
}

// serveNotice makes one call for a notice, or finds that none is needed.
func (b *bot) serveNotice(l lives, t *task) outcome {
	var n store.Notice
	found := b.persist(l.begin, "reading a notice", func(ctx context.Context) (err error) {
		n, err = b.Store.Notice(ctx, t.Value.notice.id)
		return err
	})
	if !found {
		return outcome{done: l.begin.Err() == nil, wake: time.Now().Add(storeMost)}
	}
	now, stored := time.Now(), n
	n = t.Value.notice.believed(n)
	message, known := b.addressNotice(l, n)
	if !known {
		n.State, n.LastError = store.NoticeDead, "the room isn't configured (any more)"
		return b.buryNotice(l, t, n, false)
	}
	step := NextNotice(n, now)
	if step.Op == OpNoticeEdit && message.RoomID == "" { // a direct chat whose room id was lost
		step.Op = OpNotice
	}
	switch step.Op {
	case OpNone:
		if n.State == store.NoticePending {
			n.State = store.NoticeSent
			b.saveNotice(l, t, n)
		}
		return outcome{done: true}
	case OpWait:
		return outcome{wake: step.Until, aside: n.Attempts >= laneFailures}
	}

	message.Markdown, message.Text = n.Markdown, n.Text
	if !t.Value.notice.rootless {
		message.ParentID = n.ParentID
	}
	if len(n.Card) > 0 {
		message.Attachments = []webex.Attachment{{ContentType: webex.CardContentType, Content: json.RawMessage(n.Card)}}
	}
	id, took, made, err := b.actNotice(l, t, n, step, message)
	if !made {
		return outcome{wake: now}
	}
	now = time.Now()
	if err == nil {
		b.Log.Info("message sent", "notice", n.ID, "kind", n.Kind, "room", t.Room, "bot", b.name, "op", step.Op, "message", id, "took", took)
		n = TakenNotice(step, n, id)
		b.saveNotice(l, t, n)
		return outcome{called: true, done: n.State == store.NoticeSent, wake: now}
	}
	after, verdict := RefusedNotice(step, n, err, b.delay(n.Attempts+1, err, now), now)
	if verdict == VerdictDead && message.ParentID != "" {
		// The thread may be gone, but what was to be said in it is still to be said.
		t.Value.notice.rootless = true
		verdict, after = VerdictReplan, n
	}
	b.Log.Log(l.call, notTaken(err), "message not taken", "notice", n.ID, "room", t.Room, "bot", b.name, "op", step.Op, "verdict", verdict, "err", err)
	kept := t.Value.notice.doubt(step, after, stored, err)
	switch {
	case verdict == VerdictDead:
		return b.buryNotice(l, t, kept, true)
	case after.LastError != n.LastError || after.Attempts != n.Attempts || verdict == VerdictReplan:
		b.saveNotice(l, t, kept)
	}
	return outcome{called: true, wake: after.NotBefore, aside: after.Attempts >= laneFailures}
}

// addressNotice says where a notice goes; false when its room isn't configured.
func (b *bot) addressNotice(l lives, n store.Notice) (webex.NewMessage, bool) {
	person := n.Person
	switch {
	case n.RoomID != "":
		return webex.NewMessage{RoomID: n.RoomID}, true
	case n.Room != "":
		room, ok := b.Rooms(n.Room, "")
		if !ok || room.Person == "" {
			return room.address(), ok
		}
		person = room.Person
	}
	m := webex.NewMessage{ToPersonEmail: person}
	if n.MessageID != "" {
		if id := b.directRoom(l.begin, person); id != "" {
			m = webex.NewMessage{RoomID: id}
		}
	}
	return m, true
}

func (b *bot) actNotice(l lives, t *task, n store.Notice, s Step, m webex.NewMessage) (id string, took time.Duration, made bool, err error) {
	var got webex.Message
	took, made, err = b.call(l, t, s.Op, n.Attempts, func(ctx context.Context) (err error) {
		switch s.Op {
		case OpDelete:
			got.ID = n.MessageID
			err = b.client.DeleteMessage(ctx, n.MessageID)
		case OpNoticeEdit:
			markdown := m.Markdown
			if markdown == "" {
				markdown = webex.EscapeMarkdown(m.Text) // an edit is markdown
			}
			got, err = b.client.EditMessage(ctx, n.MessageID, m.RoomID, markdown)
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

func (b *bot) buryNotice(l lives, t *task, n store.Notice, called bool) outcome {
	if b.saveNotice(l, t, n) {
		b.Metrics.DeadLetters.WithLabelValues(kindNotice).Inc()
		b.Log.Error("dead letter: a notice can't be sent", "notice", n.ID, "kind", n.Kind, "room", n.Room, "bot", b.name, "err", n.LastError, "tracking_id", n.TrackingID)
	}
	return outcome{called: called, done: true}
}

func (b *bot) saveNotice(l lives, t *task, n store.Notice) bool {
	return b.save(l, t.ID, "saving a notice's progress", func(ctx context.Context) error { return b.Store.SaveNotice(ctx, n) })
}

// directRoom is the Webex room of a direct chat, which editing a message there
// needs; "" when it isn't known.
func (b *bot) directRoom(ctx context.Context, email string) (id string) {
	if id, ok := b.direct.Load(email); ok {
		return id.(string)
	}
	b.persist(ctx, "reading a direct chat's room", func(ctx context.Context) (err error) {
		id, err = b.Store.Value(ctx, b.directName(email))
		return err
	})
	return id
}

func (b *bot) keepDirectRoom(ctx context.Context, email, id string) {
	if known, _ := b.direct.Swap(email, id); known == id || id == "" {
		return
	}
	b.persist(ctx, "saving a direct chat's room", func(ctx context.Context) error {
		return b.Store.SetValue(ctx, b.directName(email), id)
	})
}

func (b *bot) directName(email string) string { return "delivery/direct/" + b.name + "/" + email }
