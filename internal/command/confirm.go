package command

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// maxUnasked is how many problems one command may act on without a confirmation.
const maxUnasked = 5

// buttonConfirm is the action of the button under the question. Its key is the id of the command that asked.
const buttonConfirm = "confirm"

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

// confirm asks whether so many problems are really meant. The request is kept with the command, for the button.
func (e *Executor) confirm(ctx context.Context, c store.Command, d detail, req Request, targets []target, several bool) error {
	d.Asked = &req
	c.Detail = d.encode()
	c.Outcome = askedFirst
	question := confirmMany(req, targets, several)
	if err := e.answer(ctx, c, "", question, manyCard(req, len(targets), c.ID)); err != nil {
		return err
	}
	return e.close(ctx, c, store.CommandDone, string(store.CommandDone))
}

// confirmation returns the request that a press on the button confirms. It is the presser's own: their role is checked, and it is
// done in their name.
func (e *Executor) confirmation(ctx context.Context, c *store.Command, id string) (Request, *question, error) {
	asked, err := e.o.Store.Command(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Request{}, nil, err
	}
	d, fault := decodeDetail(asked.Detail)
	switch {
	case err != nil || fault != nil || d.Asked == nil || asked.RoomID != c.RoomID:
		return Request{}, &question{text: unknownButton()}, nil
	case c.CreatedAt.Sub(asked.CreatedAt) > e.o.View().Expiry:
		return Request{}, ask(d.Asked.Verb, "That question is too old, so I did nothing. Send the command again."), nil
	}
	if c.ParentID = asked.ParentID; c.ParentID == "" {
		c.ParentID, _ = asked.Version()
	}
	r := *d.Asked
	r.Yes, r.Until = true, time.Time{}
	if r.Verb == Take || slices.Contains(me, r.Person) {
		r.Owner = nil
	}
	if r.Task != nil {
		t := *r.Task
		if t.Asked = id; t.Thread { // found again, by the role of who confirms
			t.Source, t.Hosts, t.Technical, t.Thread = "", nil, false, false
		}
		r.Task = &t
	}
	return r, nil, nil
}

func approveVerbs() []verb {
	return []verb{{
		name: Approve, aliases: []string{"confirm"}, role: operator, sets: true,
		usage: "approve", does: "in the thread of my question, approves what it asks about, like its button", examples: []string{"approve"},
		parse: func(_ Names, v *verb, _ spoken, t named) (Request, *question) {
			if strings.Trim(t.rest, " \n.,:;!") != "" {
				return Request{}, ask(v.name, "`approve` takes no words, so I did nothing. Send it alone, in the thread of my question.")
			}
			return Request{Verb: v.name}, nil
		},
	}}
}

// approve returns the request that the question in the thread is about.
func (e *Executor) approve(ctx context.Context, c *store.Command, s scope) (Request, *question, error) {
	since := c.CreatedAt.Add(-s.Expiry)
	recent, err := e.o.Store.RecentCommands(ctx, since, since)
	if err != nil {
		return Request{}, nil, err
	}
	found := ""
	for _, o := range recent {
		d, err := decodeDetail(o.Detail)
		thread := o.ParentID
		if thread == "" {
			thread, _ = o.Version()
		}
		if err != nil || d.Asked == nil || d.Asked.Task == nil || d.ConfirmedBy != "" || o.RoomID != c.RoomID || thread != c.ParentID {
			continue
		}
		if found != "" {
			return Request{}, ask(Approve, "I asked several questions in this thread, so I did nothing. Press the button of the one that you mean."), nil
		}
		found = o.ID
	}
	if found == "" {
		return Request{}, ask(Approve, "No question of mine waits in this thread. Reply `approve` in the thread of the question, before it expires."), nil
	}
	return e.confirmation(ctx, c, found)
}

// confirmationCard is a question, a line of markdown, with a button. id is the command that asked.
func confirmationCard(question, button, id string) []byte {
	var inlines []element
	for _, run := range webex.Runs(question) { // clients show them literally: a card has no escapes
		o := element{"type": "TextRun", "text": run.Text}
		if run.Bold || run.Code {
			o["weight"] = "Bolder"
		}
		inlines = append(inlines, o)
	}
	return encodeCard([]element{{"type": "RichTextBlock", "inlines": inlines}}, []element{submit(button, "positive", buttonConfirm, id)})
}

// confirmMany asks about each problem by its name.
func confirmMany(r Request, targets []target, several bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "❔ This will %s **%s**. To confirm, press the button, or send the command again with `yes` before your own words.\n", r.act().infinitive, problemsInAll(len(targets)))
	for _, t := range targets {
		b.WriteString("\n- " + titled(t.Key, t.Problem.Name, several))
	}
	return webex.CutMarkdown(b.String(), webex.MaxMessageBytes)
}

func manyCard(r Request, n int, id string) []byte {
	return confirmationCard(fmt.Sprintf("❔ This will %s **%s**.", r.act().infinitive, problemsInAll(n)), "Yes, all of them", id)
}
