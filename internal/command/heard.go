package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Person is who said something, from Webex's own record of them.
type Person struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email"` // the one that they act under, in lower case
	// Also are their other addresses: all of them count for roles.
	Also []string `json:"also,omitempty"`
}

// Button is one press of a card's button: an attachment action of ours.
type Button struct {
	Action  string `json:"action"`
	Key     string `json:"key"`
	Comment string `json:"comment,omitempty"`
	// MessageID is the card's.
	MessageID string `json:"message_id"`
}

// Heard is one thing that a person said to a bot or pressed, as it stands in
// Webex. Its texts are untrusted.
type Heard struct {
	Text     string  // without the mention of the bot; "" for a button
	Button   *Button // a press, or nil
	Room     string  // configured name; "" in a direct chat that isn't configured
	RoomID   string
	Direct   bool
	ParentID string // the thread it was said in; "" for none
	Person   Person
	// Unclear says that the message has formatting that the relay doesn't know: what was quoted and
	// what was said can't be told apart. The sender is asked to send it again as plain text.
	Unclear bool `json:",omitempty"`
	// EditedAt is when the message was edited last; zero for never.
	EditedAt time.Time `json:",omitzero"`
}

// IsVerb says whether a word is a verb or another word for one.
func IsVerb(word string) bool {
	_, ok := lookup(strings.ToLower(word))
	return ok
}

// Hearer reads again from Webex what a command's envelope only names: chat.Listener.
type Hearer interface {
	// Hear gives what was said. *Ignored: not for us, close it without a word; *Unread: give it
	// up with a word in the room; *Later: not before then; any other error: try again with backoff.
	Hear(ctx context.Context, c store.Command, envelope webex.Envelope) (Heard, error)
}

// Ignored is something said that the bot doesn't react to. Reason is a label:
// one of a few fixed words.
type Ignored struct {
	Reason string
	Detail string // for the log and the audit
}

// ignoredPrefix begins the outcome of what was ignored.
const ignoredPrefix = "ignored: "

func (i *Ignored) Error() string {
	if i.Detail == "" {
		return ignoredPrefix + i.Reason
	}
	return fmt.Sprintf(ignoredPrefix+"%s (%s)", i.Reason, i.Detail)
}

// Unread says that Webex finally refuses to let the bot read a message, in a room that it serves.
// The room gets an answer.
type Unread struct{ Err error }

func (u *Unread) Error() string { return "couldn't be read from Webex: " + u.Err.Error() }
func (u *Unread) Unwrap() error { return u.Err }

// Later is a fault that says when to try again.
type Later struct {
	After time.Duration
	Err   error
}

func (l *Later) Error() string { return l.Err.Error() }
func (l *Later) Unwrap() error { return l.Err }

// Claim makes the command that is kept before Webex gets its 2xx: the envelope,
// to be read again from Webex later.
func Claim(bot string, e webex.Envelope, now time.Time) store.Command {
	return store.Command{
		ID: e.Data.ID, Bot: bot, RoomID: e.Data.RoomID, PersonID: e.Data.PersonID,
		State: store.CommandReceived, CreatedAt: now, Detail: detail{Envelope: &e}.encode(),
	}
}
