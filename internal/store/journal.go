package store

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// EntryKind determines how to read a journal entry's payload.
type EntryKind string

const (
	// EntryEvent is the body of a POST to /v1/zabbix/events, unchanged.
	EntryEvent EntryKind = "event"
	// EntryObservation is an Envelope with an alert.Observation: an answer of Zabbix's API.
	EntryObservation EntryKind = "observation"
	// EntryAction is an Envelope with an alert.Update: an action of the relay in Zabbix.
	EntryAction EntryKind = "action"
	// EntryReroute is an Envelope that names another room for a problem: since its own refuses it, or for an incident.
	EntryReroute EntryKind = "reroute"
	// EntryCanary is an Envelope that names a proof (EventID) and the room that it goes through.
	EntryCanary EntryKind = "canary"
)

// Envelope is the payload of the entries that the relay writes itself.
type Envelope struct {
	EventID     string             `json:"event_id"`
	Observation *alert.Observation `json:"observation,omitempty"`
	Update      *alert.Update      `json:"update,omitempty"`
	Room        string             `json:"room,omitempty"`  // of a reroute or a canary
	Route       string             `json:"route,omitempty"` // of a reroute, as Post.Route
}

// Entry is one entry of the journal. It is pending, applied or set aside.
type Entry struct {
	ID         int64 // given by the store, never twice
	Source     string
	Kind       EntryKind
	Payload    []byte
	ReceivedAt time.Time
	Trace      string // of the intake, a W3C traceparent; "" while tracing is off
	SetAside   string // why the entry couldn't be applied; "" for all others
	Applied    bool
}

// Journal keeps every event as it arrived.
type Journal interface {
	// Append writes an entry and returns once it is on disk. Concurrent calls share a commit. ErrBusy when too many
	// calls are waiting. If ctx ends first, its error is returned, and the entry may be written nevertheless. The
	// payload must not be changed afterwards, whatever the result.
	Append(ctx context.Context, e Entry) (id int64, err error)
	// PendingEntries returns entries that are neither applied nor set aside, oldest first.
	PendingEntries(ctx context.Context, limit int) ([]Entry, error)
	// Entries returns the entries with a higher id than after, whatever their state.
	Entries(ctx context.Context, after int64, limit int) ([]Entry, error)
	// SetAsideEntries returns the entries that couldn't be applied, newest first.
	SetAsideEntries(ctx context.Context, limit int) ([]Entry, error)
	// RetryEntry makes an entry that was set aside pending again. ErrNotFound.
	RetryEntry(ctx context.Context, id int64) error
}
