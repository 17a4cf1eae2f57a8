package delivery

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// noticeTask is a notice to be sent. Its body is read when it is its turn.
type noticeTask struct {
	id       int64
	rootless bool // its thread refused it: it is posted outside of the thread
	doubt    step.Doubt

	// Of a canary, what isn't stored.
	canary, checked bool
	failed          step.Op
}

func (d *Delivery) newNoticeTask(n store.Notice) *task {
	b := d.bot(n.Bot)
	if b == nil {
		b = d.botOf(n.Room, "")
	}
	to := n.Room
	if to == "" {
		to = n.RoomID + config.PersonRoom + n.Person
	}
	u := queue.Urgency{Class: classRest, Rank: slices.Index(noticeKinds, n.Kind), Since: n.ChangedAt}
	if n.Kind == store.NoticeAnswer {
		u.Class = classAnswer
	}
	if u.Since.IsZero() {
		u.Since = n.CreatedAt
	}
	lane := string(n.Kind) + " " + to
	if n.Thread == "" { // the messages of a thread find their root when they are sent: each needs those before it
		lane += " " + n.ParentID
	}
	return &task{
		ID: "notice:" + strconv.FormatInt(n.ID, 10), Version: n.Version, Room: to, Urgency: u, Order: n.ID,
		Lane:  lane,
		Value: work{bot: b, about: []any{"notice", n.ID, "kind", n.Kind}, notice: &noticeTask{id: n.ID, canary: n.Kind == store.NoticeCanary}},
	}
}

// laneFailures is how often a notice may fail in a row before those behind it stop waiting.
const laneFailures = 3

// serveNotice makes one call for a notice, or finds that none is needed.
func (b *bot) serveNotice(l lives, t *task) outcome {
	n, found := read(l.begin, b.Delivery, "reading a notice", func(ctx context.Context) (store.Notice, error) {
		return b.Store.Notice(ctx, t.Value.notice.id)
	})
	if !found {
		return outcome{done: l.begin.Err() == nil, wake: time.Now().Add(storeMost)}
	}
	if n.Trace != "" {
		t.Value.traced.causes = []store.Cause{{Trace: n.Trace, At: n.ChangedAt}}
	}
	if t.Value.notice.canary {
		return b.serveCanary(l, t, n)
	}
	now := time.Now()
	n = step.BelievedNotice(n, t.Value.notice.doubt)
	next := step.NextNotice(n, now)
	switch next.Op {
	case step.OpNone:
		if n.State == store.NoticePending {
			n.State = store.NoticeSent
			b.saveNotice(l, t, n)
		}
		return outcome{done: true}
	case step.OpWait:
		return outcome{wake: next.Until, aside: n.Attempts >= laneFailures}
	}
	why, ok := read(l.begin, b.Delivery, "checking the rights of a notice", func(ctx context.Context) (string, error) { return b.WithheldNotice(ctx, n) })
	if !ok {
		return outcome{wake: now.Add(storeMost)}
	}
	if why != "" {
		b.logOf(t).Info("not sent: the room has no right to it", "room", t.Room, "why", why)
		n.State, n.SentVersion, n.LastError = store.NoticeSent, n.Version, why
		return outcome{done: b.saveNotice(l, t, n), wake: now.Add(storeMost)}
	}
	if next.Op == step.OpNotice && n.Thread != "" && !t.Value.notice.rootless {
		root, ok := read(l.begin, b.Delivery, "finding a thread", func(ctx context.Context) (string, error) { return b.Store.ThreadRoot(ctx, n) })
		if !ok {
			return outcome{wake: now.Add(storeMost)}
		}
		n.ParentID = root
	}
	message, known := b.addressNotice(l, n)
	if !known {
		n.State, n.LastError = store.NoticeDead, "the room isn't configured (any more)"
		return b.markNoticeDead(l, t, n, false)
	}
	if next.Op == step.OpNoticeEdit && message.RoomID == "" { // a direct chat whose room id was lost
		next.Op = step.OpNotice
	}

	message.Markdown, message.Text = n.Markdown, n.Text
	if !t.Value.notice.rootless {
		message.ParentID = n.ParentID
	}
	if len(n.Card) > 0 {
		message.Attachments = []webex.Attachment{{ContentType: webex.CardContentType, Content: json.RawMessage(n.Card)}}
	}
	if next.Op == step.OpNoticeEdit && message.Markdown == "" {
		message.Markdown = asMarkdown(message.Text)
	}
	if n.File != nil {
		message.File = &webex.File{Name: n.File.Name, ContentType: n.File.Type}
		err := b.attempt(l.begin, "reading a notice's file", func(ctx context.Context) (err error) {
			message.File.Content, err = b.Store.NoticeFile(ctx, n.ID)
			return err
		})
		switch {
		case store.Lasting(err):
			n.State, n.LastError = store.NoticeDead, err.Error()
			return b.markNoticeDead(l, t, n, false)
		case err != nil:
			return outcome{wake: now.Add(storeMost)}
		}
	}
	got, made, err := b.act(l, t, next, n.Attempts, n.MessageID, message)
	if !made {
		return outcome{wake: now}
	}
	now = time.Now()
	if err == nil {
		n = step.AcceptedNotice(next, n, got.ID)
		b.saveNotice(l, t, n)
		return outcome{called: true, done: n.State == store.NoticeSent, wake: now}
	}
	after, doubt, verdict := step.RefusedNotice(next, n, t.Value.notice.doubt, err, b.delay(n.Attempts+1, err, now), now)
	if verdict == step.Dead && message.ParentID != "" {
		// The thread may be gone: the notice is posted outside of it, and is the root of what follows.
		t.Value.notice.rootless = true
		if n.Thread != "" {
			n.ParentID = ""
		}
		verdict, after = step.Replan, n
	}
	b.logRefused(l, t, next, verdict, err)
	t.Value.notice.doubt = doubt
	stored := step.StoredNotice(after, doubt)
	switch {
	case verdict == step.Dead:
		return b.markNoticeDead(l, t, stored, true)
	case after.LastError != n.LastError || after.Attempts != n.Attempts || verdict == step.Replan:
		b.saveNotice(l, t, stored)
	}
	return outcome{called: true, wake: after.NotBefore, aside: after.Attempts >= laneFailures}
}

// addressNotice begins the message to where a notice goes; false if its room isn't configured.
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
	if n.MessageID != "" || n.ParentID != "" {
		if id := b.directRoom(l.begin, person); id != "" {
			m = webex.NewMessage{RoomID: id}
		}
	}
	return m, true
}

// asMarkdown is plain text for an edit, which is always markdown: it keeps its lines, and is cut if the escapes make it too long.
func asMarkdown(plain string) string {
	lines := strings.Split(plain, "\n")
	for i, line := range lines {
		lines[i] = webex.EscapeMarkdown(line)
	}
	return webex.CutMarkdown(strings.Join(lines, "  \n"), webex.MaxMessageBytes)
}

func (b *bot) markNoticeDead(l lives, t *task, n store.Notice, called bool) outcome {
	if b.saveNotice(l, t, n) {
		b.deadLetter(t, kindNotice, called, n.LastError, n.TrackingID)
	}
	return outcome{called: called, done: true}
}

func (b *bot) saveNotice(l lives, t *task, n store.Notice) bool {
	return b.save(l, t.ID, "saving a notice's progress", func(ctx context.Context) error { return b.Store.SaveNotice(ctx, n) })
}

// directRoom is the Webex room of a direct chat, which an edit needs; "" if it isn't known.
func (b *bot) directRoom(ctx context.Context, email string) (id string) {
	if id, ok := b.direct.Load(email); ok {
		return id.(string)
	}
	id, _ = read(ctx, b.Delivery, "reading a direct chat's room", func(ctx context.Context) (string, error) {
		return b.Store.Value(ctx, b.directName(email))
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
