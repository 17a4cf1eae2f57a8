package command

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// Some commands ask before they act. The request is kept with the command that asked. A press on the question's button, or `approve`
// in its thread, carries it out as a command of its own, in the name and by the role of who confirms. The first valid one spends it.

// maxUnasked is how many problems one command may act on without a confirmation.
const maxUnasked = 5

// buttonConfirm is the action of the button under a question. Its key is the id of the command that asked.
const buttonConfirm = "confirm"

// confirmation is a question before a command acts, in markdown.
type confirmation struct {
	question string
	details  string // behind the question in the message; "" for none
	button   string
	comment  bool // the card has a field for the person's words
	// second: a second person with this role must confirm it. "": anybody who may do it, the person who asked too.
	second config.Role
}

// saidYes matches a confirmation at the beginning of the person's words.
var saidYes = regexp.MustCompile(`(?i)^yes[-,.:;!]*(?:\s+|$)`)

// confirmed moves a "yes" from the words to the request.
func (r Request) confirmed() Request {
	if r.Verb.entry().act == nil || len(r.Refs) <= maxUnasked {
		return r
	}
	if yes := saidYes.FindString(r.Text); yes != "" {
		r.Yes, r.Text = true, unquote(r.Text[len(yes):])
	}
	return r
}

// askFirst ends a command with a question, and keeps its request for the confirmation.
func (e *Executor) askFirst(ctx context.Context, c store.Command, d detail, req Request, q confirmation) error {
	view := e.o.View()
	room := roomOf(c, view)
	l, until := room.Lang, room.Moment(c.CreatedAt.Add(view.Expiry), time.Now())
	how := l.T(" To confirm it until %s, press the button, or reply `confirm` in this thread.", until)
	c.Outcome = askedFirst
	if q.second != "" {
		how = l.T(" A second person with the role **%s** can approve it until %s: press the button, or reply `approve` in this thread.", q.second, until)
		c.Outcome = askedSecond
	}
	message := webex.CutMarkdown(q.question+how+q.details, webex.MaxMessageBytes)
	if err := e.answer(ctx, c, "", message, questionCard(l, message, q, c.ID)); err != nil {
		return err
	}
	c.Detail = detail{Envelope: d.Envelope, Input: d.Input, Asked: &req, Second: q.second != ""}.encode()
	return e.close(ctx, c, store.CommandDone, string(store.CommandDone))
}

// askFirst ends the command of a batch with a question.
func (b *batch) askFirst(ctx context.Context, e *Executor, q confirmation) error {
	j := b.job
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := e.askFirst(ctx, j.c, j.d, b.req, q); err != nil {
		return err
	}
	j.part++ // every lane drops it
	return nil
}

// askMany asks whether so many problems are meant, by their names.
func (e *Executor) askMany(ctx context.Context, c store.Command, d detail, req Request, targets []target, say voice) error {
	q := confirmation{question: say.T("❔ This will %s **%s**.", say.Of(req.act().infinitive), problemsInAll(say.Lang, len(targets))), button: say.T("Yes, all of them"), details: "\n"}
	for _, t := range targets {
		q.details += "\n- " + titled(t.Key, t.Problem.Name, say.several)
	}
	return e.askFirst(ctx, c, d, req, q)
}

// confirmFirst asks whether a command that replies itself is meant, unless it confirms that already. done: it has ended.
func (e *Executor) confirmFirst(ctx context.Context, c store.Command, d detail, s scope, req Request) (done bool, err error) {
	if req.Confirms != "" {
		e.accepting.Lock()
		r, err := e.spend(ctx, c, s.Input.Person, req.Confirms)
		e.accepting.Unlock()
		if r != nil {
			return true, e.refuse(ctx, c, s.Input, r)
		}
		return false, err
	}
	q, no, err := req.Verb.entry().confirms(e, s, c, req)
	switch {
	case err != nil:
		return true, err
	case no != "":
		return true, e.refuse(ctx, c, s.Input, &refusal{store.CommandFailed, no})
	}
	return true, e.askFirst(ctx, c, d, req, q)
}

// askedFor returns the request that the question of a command is about. Who may confirm it is checked when it begins.
func (e *Executor) askedFor(ctx context.Context, c *store.Command, s scope, id string) (Request, *misunderstanding, error) {
	asked, err := e.o.Store.Command(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Request{}, nil, err
	}
	d, fault := decodeDetail(asked.Detail)
	if err != nil || fault != nil || d.Asked == nil || asked.RoomID != c.RoomID {
		return Request{}, &misunderstanding{said: unknownButton()}, nil
	}
	r := *d.Asked
	who := cmp.Or(asked.Name, asked.Email)
	c.ParentID = asked.Thread()
	c.Text = confirmationWords(s.Input, who, asked.Text, r.Task)
	if until := asked.CreatedAt.Add(s.Expiry); c.CreatedAt.After(until) {
		return Request{}, misunderstood(r.Verb, "That question expired at %s, so I did nothing. Send the command again.", roomOf(*c, s.View).Moment(until, time.Now())), nil
	}
	r.Confirms, r.AskedAt, r.Yes = id, asked.CreatedAt, true
	if d.Second {
		r.For, r.ForEmail = who, asked.Email
	}
	if r.Verb == Take || slices.Contains(me, r.Person) {
		r.Owner = nil
	}
	if s.Button != nil && s.Button.Comment != "" {
		r.Text = s.Button.Comment
	}
	r.AllText = r.Text
	if r.Task != nil && r.Task.Thread { // found again, by the role of who confirms
		r.Task = &Task{What: r.Task.What, Group: r.Task.Group, Script: r.Task.Script}
	}
	return r, nil, nil
}

// confirmationWords describe a confirmation in the audit log: who asked for what.
func confirmationWords(in Input, who, words string, t *Task) string {
	said := text.Cut(in.Text, 40)
	if in.Button != nil {
		said = "pressed " + buttonConfirm
	}
	said += ", asked by " + text.Cut(text.Line(who), 40) + ": " + text.Cut(text.Line(words), 1000)
	if t != nil && t.Thread {
		said += " (" + plain(t.named(lang.English)) + ")"
	}
	if in.Button != nil && in.Button.Comment != "" {
		said += ": " + in.Button.Comment
	}
	return said
}

// spend records that a command confirms the question of another one. It returns the reply if it may not. The caller holds e.accepting.
func (e *Executor) spend(ctx context.Context, c store.Command, p Person, id string) (*refusal, error) {
	asked, err := e.o.Store.Command(ctx, id)
	if err != nil {
		return nil, err
	}
	d, err := decodeDetail(asked.Detail)
	if err != nil {
		return nil, err
	}
	say := e.o.View().voiceIn(c.Room)
	switch {
	case d.Second && d.Input.Person.is(p):
		return &refusal{store.CommandDenied, say.T("🚫 A second person must approve this, and you asked for it yourself.")}, nil
	case d.SpentBy == c.ID: // read again after a crash
		return nil, nil
	case replaced(asked, d):
		return &refusal{store.CommandFailed, say.T("ℹ️ The message that I asked about was edited since, so I did nothing. What I replied to the edit counts.")}, nil
	case d.SpentBy != "":
		return &refusal{store.CommandFailed, say.T("ℹ️ That was confirmed already, so I did nothing more.")}, nil
	case d.Second:
		if has, err := e.askerHas(ctx, asked, d); err != nil {
			return nil, err
		} else if !has {
			return &refusal{store.CommandDenied, say.T("🚫 %s asked for this and doesn't have the role for it any more. Nothing was done.",
				actorName(say.Lang, alert.Actor{Name: asked.Name, Email: asked.Email}))}, nil
		}
	}
	d.SpentBy = c.ID
	asked.Detail = d.encode()
	return nil, e.save(ctx, asked)
}

// replaced reports whether an edit of the message took the place of a question.
func replaced(asked store.Command, d detail) bool {
	edited, _ := asked.Version()
	by, _ := store.Command{ID: d.SpentBy}.Version()
	return by == edited
}

// ReplaceQuestions spends the questions that earlier versions of an edited message were answered with, so that nobody confirms words
// that the room doesn't show any more. It returns false if somebody confirmed one already.
func (e *Executor) ReplaceQuestions(ctx context.Context, c store.Command) (bool, error) {
	e.accepting.Lock()
	defer e.accepting.Unlock()
	message, last := c.Version()
	for version := range last {
		asked, err := e.o.Store.Command(ctx, store.VersionID(message, version))
		if err != nil {
			return false, err
		}
		d, err := decodeDetail(asked.Detail)
		switch {
		case err != nil || d.Asked == nil || replaced(asked, d):
		case d.SpentBy != "":
			return false, nil
		default:
			d.SpentBy = c.ID
			asked.Detail = d.encode()
			if err := e.save(ctx, asked); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// askerHas reports whether who asked for a second person's approval still has the role for it.
func (e *Executor) askerHas(ctx context.Context, asked store.Command, d detail) (bool, error) {
	var keys []alert.Key
	for _, k := range asked.Keys {
		keys = append(keys, alert.ParseKey(k))
	}
	s := scopeOf(*d.Input, e.o.View())
	return e.has(ctx, s, d.Asked.Verb.entry().work.role(s.View, *d.Asked.Task), keys)
}

// is reports whether two records are of one person: by Webex's id, or by any address.
func (p Person) is(o Person) bool {
	return p.ID != "" && p.ID == o.ID || slices.ContainsFunc(p.addresses(), func(a string) bool {
		return slices.ContainsFunc(o.addresses(), func(b string) bool { return a != "" && strings.EqualFold(a, b) })
	})
}

func approveVerbs() []verb {
	return []verb{{
		name: Approve, aliases: []string{"confirm"}, role: operator, sets: true,
		usage: "approve", does: "in the thread of my question, confirms what it asks about, like its button", examples: []string{"approve"},
		parse: func(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
			if strings.Trim(t.rest, " \n.,:;!") != "" {
				return Request{}, misunderstood(v.name, "`approve` takes no words, so I did nothing. Send it alone, in the thread of my question.")
			}
			return Request{Verb: v.name}, nil
		},
	}}
}

// toldFor is how long `approve` is told that a question has expired.
const toldFor = 24 * time.Hour

// approve returns the request that the question in the thread is about.
func (e *Executor) approve(ctx context.Context, c *store.Command, s scope) (Request, *misunderstanding, error) {
	since := c.CreatedAt.Add(-s.Expiry - toldFor)
	recent, err := e.o.Store.RecentCommands(ctx, since, since)
	if err != nil {
		return Request{}, nil, err
	}
	var open, expired string
	for _, o := range recent {
		d, err := decodeDetail(o.Detail)
		switch {
		case err != nil || d.Asked == nil || d.SpentBy != "" || o.RoomID != c.RoomID || o.Thread() != c.ParentID:
		case c.CreatedAt.After(o.CreatedAt.Add(s.Expiry)):
			expired = o.ID
		case open != "":
			return Request{}, misunderstood(Approve, "I asked several questions in this thread, so I did nothing. Press the button of the one that you mean."), nil
		default:
			open = o.ID
		}
	}
	if id := cmp.Or(open, expired); id != "" {
		return e.askedFor(ctx, c, s, id)
	}
	return Request{}, misunderstood(Approve, "No question of mine waits in this thread. Reply `approve` in the thread of the question, before it expires."), nil
}

// questionCard is the message with a button: clients that show cards don't show the message. id is the command that asked.
func questionCard(l lang.Lang, message string, q confirmation, id string) []byte {
	body := cardLines(message)
	if q.comment {
		body = append(body, element{"type": "Input.Text", "id": "comment", "placeholder": l.T("Comment"), "maxLength": render.MaxCardComment, "isMultiline": true})
	}
	return encodeCard(body, []element{submit(q.button, "positive", buttonConfirm, id)})
}

// cardLines shows markdown of the relay's own on a card.
func cardLines(message string) (body []element) {
	for line := range strings.SplitSeq(message, "\n") {
		var inlines []element
		if item, ok := strings.CutPrefix(line, "- "); ok {
			line = "• " + item
		}
		for _, run := range webex.Runs(line) { // clients show them literally: a card has no escapes
			o := element{"type": "TextRun", "text": run.Text}
			if run.Bold || run.Code {
				o["weight"] = "Bolder"
			}
			inlines = append(inlines, o)
		}
		if len(inlines) > 0 {
			body = append(body, element{"type": "RichTextBlock", "inlines": inlines, "spacing": "Small"})
		}
	}
	return body
}
