package command

import "time"

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
