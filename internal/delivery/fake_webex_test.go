package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/webex"
)

// aMessage is a message of the fake Webex.
type aMessage struct {
	id, room, parent, markdown string
	card                       bool
	content                    any // of the card
	file                       string
	edits                      int
	deleted                    bool
	written                    int // the number of the call that wrote it last
}

// aCall is one request that the fake Webex got.
type aCall struct {
	at, end      time.Time
	op           string // "post", "edit", "delete", "read"
	room, parent string
	id           string
	markdown     string
	card         bool
	status       int
	lost         bool // executed, but the answer was lost
}

// fakeWebex is as strict as Webex is documented to be.
type fakeWebex struct {
	mu         sync.Mutex
	messages   map[string]*aMessage
	order      []*aMessage
	calls      []aCall
	rooms      map[string]bool // that the bot is in
	took       time.Duration   // of each call
	parentGone int             // status of a reply to a deleted root
	inFlight   map[string]int  // by room and problem
	violations []string
	quiet      time.Time // end of the wait that a 429 demanded
	quietFrom  time.Time
	waits      map[string]aWait // likewise, by room
	// meet is asked before each call; nil accepts it.
	meet func(c aCall) *trouble
}

// aWait is a wait that a 429 demanded.
type aWait struct{ from, until time.Time }

// trouble is how the fake fails a call.
type trouble struct {
	status     int // 0: no answer at all
	lose       bool
	retryAfter time.Duration
	room       bool // a 429 is the room's, not the account's
}

func newFakeWebex(rooms ...string) *fakeWebex {
	f := &fakeWebex{messages: map[string]*aMessage{}, rooms: map[string]bool{}, took: 100 * time.Millisecond, parentGone: 404, inFlight: map[string]int{}, waits: map[string]aWait{}}
	for _, r := range rooms {
		f.rooms[r] = true
	}
	return f
}

func (f *fakeWebex) handle(ctx context.Context, c aCall, take func(*aCall) int) (aMessage, error) {
	f.mu.Lock()
	c.at = time.Now()
	if m := f.messages[c.id]; (c.op == "delete" || c.op == "read") && m != nil {
		c.room = m.room
	}
	for _, w := range []aWait{{f.quietFrom, f.quiet}, f.waits[c.room]} {
		if c.at.After(w.from) && c.at.Before(w.until) {
			f.violations = append(f.violations, fmt.Sprintf("%s in %s at %v although it had to wait until %v", c.op, c.room, c.at, w.until))
		}
	}
	about := c.room + " " + strings.SplitN(c.markdown, " ", 2)[0]
	if c.op != "delete" {
		if f.inFlight[about]++; f.inFlight[about] > 1 && strings.Contains(about, "/") {
			f.violations = append(f.violations, "two calls in flight for "+about)
		}
	}
	took := f.took
	f.mu.Unlock()
	var cut error
	select {
	case <-time.After(took):
	case <-ctx.Done():
		cut = ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.op != "delete" {
		f.inFlight[about]--
	}
	c.end = time.Now()
	if cut != nil {
		f.calls = append(f.calls, c)
		return aMessage{}, &webex.Error{Op: c.op, Message: "cut off", Unanswered: true, Err: cut}
	}
	var ft *trouble
	if f.meet != nil {
		ft = f.meet(c)
	}
	if ft != nil && !ft.lose {
		c.status = ft.status
		f.calls = append(f.calls, c)
		if ft.status == 429 {
			if until := c.end.Add(ft.retryAfter); ft.room {
				f.waits[c.room] = aWait{c.end, until}
			} else {
				f.quietFrom, f.quiet = c.end, until
			}
		}
		return aMessage{}, &webex.Error{Op: c.op, Status: ft.status, Message: "as the test wants", TrackingID: "T1", RetryAfter: ft.retryAfter}
	}
	c.status = take(&c)
	if ft != nil {
		c.lost = c.status < 300
		f.calls = append(f.calls, c)
		return aMessage{}, &webex.Error{Op: c.op, Message: "the answer was lost", Unanswered: true, Err: errors.New("connection reset")}
	}
	f.calls = append(f.calls, c)
	if c.status >= 300 {
		return aMessage{}, &webex.Error{Op: c.op, Status: c.status, Message: "refused", TrackingID: "T2"}
	}
	if m := f.messages[c.id]; m != nil {
		return *m, nil
	}
	return aMessage{}, nil
}

func (f *fakeWebex) CreateMessage(ctx context.Context, m webex.NewMessage) (webex.Message, error) {
	room := m.RoomID
	if m.ToPersonEmail != "" {
		room = "direct:" + m.ToPersonEmail
	}
	got, err := f.handle(ctx, aCall{op: "post", room: room, parent: m.ParentID, markdown: m.Markdown + m.Text, card: len(m.Attachments) > 0}, func(c *aCall) int {
		switch {
		case !f.rooms[room] && m.ToPersonEmail == "":
			return 404
		case len(m.Markdown) > webex.MaxMessageBytes || m.Markdown+m.Text == "" && m.File == nil:
			return 400
		case m.RoomID != "" && m.ToPersonEmail != "":
			return 400
		}
		if m.ParentID != "" {
			parent := f.messages[m.ParentID]
			if parent == nil || parent.deleted || parent.room != room {
				return f.parentGone
			}
		}
		c.id = fmt.Sprint("m", len(f.order)+1)
		msg := &aMessage{id: c.id, room: room, parent: m.ParentID, markdown: c.markdown, card: c.card, written: len(f.calls)}
		if m.File != nil {
			msg.file = string(m.File.Content)
		}
		if c.card {
			msg.content = m.Attachments[0].Content
		}
		f.rooms[room] = true
		f.messages[c.id] = msg
		f.order = append(f.order, msg)
		return 200
	})
	return webex.Message{ID: got.id, RoomID: got.room, TrackingID: tracked(got, err)}, err
}

func (f *fakeWebex) EditMessage(ctx context.Context, id, roomID, markdown string) (webex.Message, error) {
	got, err := f.handle(ctx, aCall{op: "edit", room: roomID, id: id, markdown: markdown}, func(*aCall) int {
		m := f.messages[id]
		switch {
		case !f.rooms[roomID] || m == nil || m.deleted:
			return 404
		case m.room != roomID || m.card || m.edits >= webex.MaxEdits || markdown == "":
			return 400
		}
		m.edits++
		m.markdown, m.written = markdown, len(f.calls)
		return 200
	})
	return webex.Message{ID: got.id, RoomID: got.room, TrackingID: tracked(got, err)}, err
}

func (f *fakeWebex) DeleteMessage(ctx context.Context, id string) error {
	_, err := f.handle(ctx, aCall{op: "delete", id: id}, func(*aCall) int {
		m := f.messages[id]
		if m == nil {
			return 204
		}
		if !f.rooms[m.room] {
			return 403
		}
		m.deleted = true
		return 204
	})
	return err
}

func (f *fakeWebex) GetMessage(ctx context.Context, id string) (webex.Message, error) {
	got, err := f.handle(ctx, aCall{op: "read", id: id}, func(*aCall) int {
		if m := f.messages[id]; m == nil || m.deleted || !f.rooms[m.room] {
			return 404
		}
		return 200
	})
	return webex.Message{ID: got.id, RoomID: got.room, Markdown: got.markdown}, err
}

// live returns the messages of a room that aren't deleted, in order.
func (f *fakeWebex) live(room string) []aMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []aMessage
	for _, m := range f.order {
		if m.room == room && !m.deleted {
			out = append(out, *m)
		}
	}
	return out
}

// message returns a copy of a message, nil if there is none. Tests read through it, since workers write.
func (f *fakeWebex) message(id string) *aMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.messages[id]
	if m == nil {
		return nil
	}
	read := *m
	return &read
}

func (f *fakeWebex) seen() []aCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// deleteBySomebody deletes a message as a person may.
func (f *fakeWebex) deleteBySomebody(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages[id].deleted = true
}

// meets sets what each call is asked first; it runs with the fake locked.
func (f *fakeWebex) meets(meet func(aCall) *trouble) {
	f.set(func(f *fakeWebex) { f.meet = meet })
}

func (f *fakeWebex) set(change func(*fakeWebex)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// plainRenderer renders texts that are easy to assert on.
type plainRenderer struct{}

func (plainRenderer) Root(p alert.Problem, room render.Room, _ time.Time) string {
	said := ""
	for _, e := range p.Timeline {
		if e.Update != nil {
			said = " said:" + e.Update.Message
		}
	}
	return fmt.Sprintf("%s %s rev=%d sev=%s%s", p.Key, p.State, p.Revision, p.Severity, said)
}

func (plainRenderer) Lines(p alert.Problem, entries []alert.Entry, room render.Room, _ time.Time) string {
	var lines []string
	for _, e := range entries {
		words := string(e.Kind)
		if e.Update != nil {
			words = e.Update.Message
		}
		if len(room.Tell) > 0 && !slices.Contains(room.Tell, string(e.Kind)) {
			continue
		}
		lines = append(lines, words)
	}
	if len(lines) == 0 {
		return ""
	}
	return p.Key.String() + " line: " + strings.Join(lines, "; ")
}

func (plainRenderer) Actions(p alert.Problem) string {
	switch {
	case !p.Open():
		return ""
	case p.Acknowledged:
		return "unack,close"
	}
	return "ack,close"
}

func (plainRenderer) DigestItem(p alert.Problem, _ render.Room) render.DigestItem {
	return render.DigestItem{Key: p.Key, Title: cmp.Or(p.Name, "problem"), Severity: p.Severity, HasSeverity: true, Open: p.Open(), Acked: p.Acknowledged}
}

// Digest names every problem; it is complete up to three of them.
func (plainRenderer) Digest(d render.Digest, _ render.Room) (string, bool) {
	names := []string{"digest"}
	switch {
	case d.Account:
		names[0] = "account"
	case d.Flap:
		names[0] = "flapping"
	}
	for _, i := range d.Items {
		state := "open"
		if !i.Open {
			state = "resolved"
		}
		if i.Title == "(this problem can't be read)" {
			state += "+unreadable"
		}
		if i.Acked {
			state += "+ack"
		}
		names = append(names, i.Key.String()+"="+state)
	}
	slices.Sort(names[1:])
	text := strings.Join(names, " ") + fmt.Sprint(" left=", d.Left)
	for _, i := range d.Gone {
		text += " gone:" + i.Key.String()
	}
	if d.Last {
		text += " last"
	}
	return text, len(d.Items) <= 3
}

func (plainRenderer) FlapLine(d render.Digest, _ render.Room) string {
	return fmt.Sprintf("again: %d", len(d.Items))
}

func (plainRenderer) AnswerCard(lines []render.DigestLine, digest string, room render.Room) any {
	return new(render.Renderer).AnswerCard(lines, digest, room)
}

// DigestLines is the real one: it uses no template.
func (plainRenderer) DigestLines(lines []render.DigestLine, room render.Room) (string, int) {
	return new(render.Renderer).DigestLines(lines, room)
}

func (plainRenderer) DigestFile(d render.Digest, _ render.Room, _ time.Time) []byte {
	var b strings.Builder
	for _, i := range d.Items {
		b.WriteString(i.Key.String() + "\n")
	}
	return []byte(b.String())
}

func (r plainRenderer) Card(p alert.Problem, room render.Room, now time.Time) (any, string) {
	return map[string]string{"type": "AdaptiveCard"}, "card " + r.Actions(p) + " " + r.Root(p, room, now)
}

// tracked is the tracking id of a call that was accepted.
func tracked(m aMessage, err error) string {
	if err != nil {
		return ""
	}
	return "OK-" + m.id
}
