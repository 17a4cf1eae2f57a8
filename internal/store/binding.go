package store

import (
	"context"
	"time"
)

// Binding is a route that somebody made in a chat: a subscription of a person, or one of a space that isn't configured.
type Binding struct {
	ID     int64  // given by the store, never twice
	Room   string // where its problems go, as in Post.Room
	RoomID string // the Webex room in which it was made
	Bot    string // configured name
	// What it matches. At least one isn't empty.
	Severity string // as config.ParseSeverityMatch reads it: ">=high", "high,disaster"
	Host     string // glob, in lower case
	Text     string // substring of the name, in any case
	Until    time.Time
	// Who made it: their rights count.
	Person, Email, Name string // Webex person id, address, display name
	Command             string // id of the command that made it; one command makes one binding
	CreatedAt           time.Time
	// EndedAt and Ended are when and why it ended; zero while it counts. One that has ended still says which bot serves its room.
	EndedAt time.Time
	Ended   BindingEnd
}

// BindingEnd is why a binding ended.
type BindingEnd string

const (
	BindingRemoved BindingEnd = "removed" // by a person
	BindingExpired BindingEnd = "expired"
	BindingRefused BindingEnd = "refused" // its room refuses messages: the bot was removed from it
)

// Bindings keeps them.
type Bindings interface {
	// Bindings returns all, those that have ended too, by ID.
	Bindings(ctx context.Context) ([]Binding, error)
	// AddBinding writes a new one and returns its id, or that of the one that the same command made before.
	AddBinding(ctx context.Context, b Binding) (id int64, err error)
	// EndBinding ends one. ErrNotFound if it is unknown or has ended.
	EndBinding(ctx context.Context, id int64, why BindingEnd, at time.Time) error
}
