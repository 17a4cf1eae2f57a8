// Package store is the contract of the relay's database: the journal, problems, posts, groups, notices and commands.
// storetest tests every implementation against it.
package store

import (
	"context"
	"errors"
	"time"

	"nms-alert-relay/internal/webexid"
)

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("not found")
	// ErrBusy means that too many writers are waiting; trying again later helps.
	ErrBusy   = errors.New("the store can't keep up")
	ErrClosed = errors.New("the store is closed")
	// ErrRejected means that the data can't be stored, or can't be read any more. Trying again
	// doesn't help.
	ErrRejected = errors.New("the store can't process this")
	// ErrConflict means that what a fold was planned on has changed since it was read. Nothing
	// was written; the caller reads and plans again.
	ErrConflict = errors.New("the store has changed since it was read")
	// ErrKeyReused means that a Once.Key was used for another request.
	ErrKeyReused = errors.New("the idempotency key was used for another request")
	// ErrFull means that as many files wait to be sent as may. Trying again helps once Webex accepts them.
	ErrFull = errors.New("too many files wait to be sent")
	// ErrLocked means that another relay has the store open.
	ErrLocked = errors.New("another relay uses this store")
)

// Lasting reports whether repeating a call can't help: the error is ErrNotFound or ErrRejected.
func Lasting(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrRejected) }

// Store is the whole contract. All times are kept in UTC to the microsecond. Every method returns
// ErrClosed after Close.
type Store interface {
	Journal
	Problems
	Posts
	Groups
	Messages
	Notices
	Commands
	Bindings
	Reminders
	Incidents
	PersonTokens
	Sealed
	Values
	Admin

	// Ping fails unless the store can be written to.
	Ping(ctx context.Context) error
	Close() error
}

// Values stores small values by name, such as a webhook's secret.
type Values interface {
	Value(ctx context.Context, name string) (string, error) // ErrNotFound
	SetValue(ctx context.Context, name, value string) error
}

// Messages finds what a Webex message shows or showed. A message that was replaced still leads to
// its post or group until that is pruned, and so does a notice in its thread: if the thread's root
// is deleted, Webex makes the notice a message of its own.
type Messages interface {
	PostByMessage(ctx context.Context, messageID string) (Post, error)   // ErrNotFound
	GroupByMessage(ctx context.Context, messageID string) (Group, error) // ErrNotFound
}

// MaxParents bounds how many notices a message is followed through.
const MaxParents = 3

// MessageID is a message's id as the REST API spells it.
func MessageID(id string) string {
	if parsed, ok := webexid.Parse(id); ok && (parsed.Kind == webexid.Message || parsed.Kind == "") {
		return parsed.REST(webexid.Message)
	}
	return id
}

// earliest is the earliest of times, ignoring zero ones.
func earliest(times ...time.Time) (first time.Time) {
	for _, at := range times {
		if first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	return first
}
