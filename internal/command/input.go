package command

import (
	"time"

	"nms-alert-relay/internal/config"
)

// Person is a person by Webex's own record.
type Person struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email"` // the address that they act under, in lower case
	// Also are their other addresses. All addresses count for roles.
	Also []string `json:"also,omitempty"`
}

// addresses returns all addresses of the person.
func (p Person) addresses() []string { return append([]string{p.Email}, p.Also...) }

// Mention is a mention of a person in a message.
type Mention struct {
	Written string `json:"written"` // the name in the message
	Person  Person `json:"person"`  // without an Email if problems can't be given to them
}

// Button is a press of a button on a card of the relay. Its values come from the client.
type Button struct {
	Action string `json:"action"`
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"` // of the button itself: a suppression's length
	// The card's inputs.
	Comment  string `json:"comment,omitempty"`
	For      string `json:"for,omitempty"` // of a suppression: "2h"
	Severity string `json:"severity,omitempty"`
	// Token is a person's API token, as entered. It is never stored: a press that is read again has it again.
	Token config.Secret `json:"-"`
	// MessageID is the card's.
	MessageID string `json:"message_id"`
}

// Input is a message to a bot or a press, as read from Webex. Its texts are untrusted.
type Input struct {
	Text     string  // without the mention of the bot; "" for a button
	Button   *Button // a press, or nil
	Room     string  // configured name; "" in a direct chat that isn't configured
	RoomID   string
	Direct   bool
	ParentID string // the thread it was said in; "" for none
	Person   Person
	// Mentions are those of people other than the bot, of a verb that names a person.
	Mentions []Mention `json:",omitempty"`
	// Unclear: the message has unknown formatting, so quotes and the person's own words can't be distinguished.
	Unclear bool `json:",omitempty"`
	// Zone is the person's own time zone when the command was accepted; "" if they have set none.
	Zone string `json:",omitempty"`
	// EditedAt is when the message was last edited; zero if it wasn't.
	EditedAt time.Time `json:",omitzero"`
}
