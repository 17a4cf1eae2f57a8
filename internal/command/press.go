package command

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// Limits of the values of a press, in bytes. They come from the client.
const (
	maxPressWord = 100
	maxPressKey  = 300
)

// bounded is the press with its values cut and cleaned.
func (b Button) bounded() Button {
	line := func(s string, limit int) string { return text.Line(text.CutBytes(s, limit)) }
	b.Action, b.Key, b.Value = line(b.Action, maxPressWord), line(b.Key, maxPressKey), line(b.Value, maxPressWord)
	b.For, b.Severity = line(b.For, maxPressWord), line(b.Severity, maxPressWord)
	b.Comment = text.Block(text.CutBytes(b.Comment, maxText))
	return b
}

// length is that of a suppression: the button's own, or else the one in the card's field.
func (b Button) length() string { return cmp.Or(b.Value, b.For) }

// words describe the press in the audit log.
func (b Button) words() string {
	out := "pressed " + b.Action + " on " + b.Key
	v := Verb(b.Action).entry()
	if v.name == Do && b.Value != "" {
		out = "pressed " + b.Action + " " + b.Value + " on " + b.Key
	}
	if (v.lasts || v.name == Remind) && b.length() != "" {
		out += " for " + b.length()
	} else if v.name == Severity && b.Severity != "" {
		out += " to " + b.Severity
	}
	if b.Comment != "" {
		out += ": " + b.Comment
	}
	return out
}

// press reads a button as a command. Its target is checked like that of a typed command.
func (e *Executor) press(ctx context.Context, c *store.Command, s scope, b Button) (Request, *misunderstanding, error) {
	c.ParentID = b.MessageID
	switch b.Action {
	case buttonConfirm:
		return e.askedFor(ctx, c, s, b.Key)
	case render.ActionStillOn:
		r, q := stillOn(c, b)
		return r, q, nil
	case tokenEnter, tokenYes, tokenNo, tokenForget:
		r, q := tokenPress(c, b)
		return r, q, nil
	}
	if b.Action == buttonReminder {
		r, q := reminderPress(c, b)
		return r, q, nil
	}
	if b.Action == incident.ButtonAction {
		r, q := e.incidentPress(s, b)
		return r, q, nil
	}
	if b.Action == buttonSubscription {
		r, q := subscriptionPress(b)
		return r, q, nil
	}
	key := alert.ParseKey(b.Key)
	shown, err := e.o.Store.PostByMessage(ctx, b.MessageID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Request{}, nil, err
	}
	known := err == nil
	if known {
		if shown.Key.EarlierOf(key) { // another problem has taken the card's event id since
			key = shown.Key
		}
		if s.isHere(shown.Room) && shown.RootID != "" {
			c.ParentID = shown.RootID
		}
	}
	posts, err := e.o.Store.PostsOf(ctx, []alert.Key{key})
	if err != nil {
		return Request{}, nil, err
	}
	for _, p := range posts[key] {
		if s.isHere(p.Room) && p.RootID != "" {
			c.ParentID = p.RootID
			break
		}
	}
	switch ref, valid := s.Names.parseRef(b.Key); {
	case !valid || ref.Source == "":
		return Request{}, &misunderstanding{said: unknownButton()}, nil
	case known && shown.Key != key:
		return Request{}, &misunderstanding{said: otherCard()}, nil
	}
	req, q := b.request(key)
	return req, q, nil
}

// stillOn reads an answer for problems of a digest, whose message is the key.
func stillOn(c *store.Command, b Button) (Request, *misunderstanding) {
	asking, ok := alert.ParseAsking(b.Value)
	if !ok {
		return Request{}, &misunderstanding{said: unknownButton()}
	}
	c.ParentID, c.Text = b.Key, "pressed still on, about the problems of a digest"
	return Request{Verb: Ack, All: true, Yes: true, AllText: "Still on it", Asking: &asking}, nil
}

// request reads the values of a press. Only a verb that the table gives a button can be pressed.
func (b Button) request(key alert.Key) (Request, *misunderstanding) {
	v := Verb(b.Action).entry()
	if v.name == Do && b.Action == string(Do) && b.Value != "" {
		return Request{Verb: Do, Refs: []alert.Key{key}, Text: b.Comment, Task: &Task{Action: b.Value}}, nil
	}
	if !v.pressable() || string(v.name) != b.Action {
		return Request{}, &misunderstanding{said: unknownButton()}
	}
	req := Request{Verb: v.name, Refs: []alert.Key{key}, Text: b.Comment}
	switch {
	case v.lasts:
		l, rest, ok := cutLength(speak(b.length()).plain)
		if !ok || strings.TrimSpace(rest) != "" {
			return req, misunderstood(v.name, "For how long? Write it into the card's field: `2h`, `1h30m`, `until 14:30` or `until mon 8:00`.")
		}
		req.Length = l
	case v.name == Remind:
		l, rest, ok := cutWhen(speak(b.length()).plain)
		if !ok || strings.TrimSpace(rest) != "" {
			return req, misunderstood(v.name, "When? %s Nothing was done.", howRemind)
		}
		req.Length = l
	case v.name == Severity:
		chosen, err := alert.ParseSeverity(b.Severity)
		if err != nil {
			return req, misunderstood(v.name, "Which severity? Choose one in the card first: %s.", severityList())
		}
		req.Severity = &chosen
	case v.name == Ack && req.Text == "":
		req.Text = b.Value // an answer to "Still on it?"
	case v.prose && req.Text == "":
		return req, misunderstood(v.name, "Write your comment into the card's field first.")
	}
	return req, nil
}
