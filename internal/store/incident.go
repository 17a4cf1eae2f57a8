package store

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// Incident is what is kept of an incident besides its problems' own timelines and its entries.
type Incident struct {
	ID      int64     `json:"-"`                // given by the store, never twice
	Command string    `json:"command"`          // id of the command that opened it; one command opens one incident
	Title   string    `json:"title"`            // one line of plain text, without the number
	Room    string    `json:"room"`             // where it was asked for, as in Post.Room: its roles count
	Origin  string    `json:"origin"`           // the Webex id of that room
	Thread  string    `json:"thread,omitempty"` // in it
	Bot     string    `json:"bot"`
	By      Someone   `json:"by"`
	Opened  time.Time `json:"opened"`

	Problems []IncidentProblem `json:"problems"`
	Invite   []Someone         `json:"invite,omitempty"` // who should be in the space
	Again    map[string]int    `json:"again,omitempty"`  // how many more invitations they asked for, by address

	// The space.
	RoomID    string    `json:"room_id,omitempty"`    // "" while there is none
	Tries     int       `json:"tries,omitempty"`      // how often making it was begun
	NotBefore time.Time `json:"not_before,omitzero"`  // of the next call to Webex
	Attempts  int       `json:"attempts,omitempty"`   // failures of that call in a row
	Refused   string    `json:"refused,omitempty"`    // why there will be none
	Lost      time.Time `json:"lost,omitzero"`        // when it refused messages: the bot was removed from it
	LostWhy   string    `json:"lost_why,omitempty"`   // in Webex's words
	LastError string    `json:"last_error,omitempty"` // of the call that is tried again

	Shown      map[string]string `json:"shown,omitempty"` // the digest of each message as it was last enqueued, by its name
	Said       int               `json:"said,omitempty"`  // how many messages were enqueued
	Reminded   int               `json:"reminded,omitempty"`
	RemindedAt time.Time         `json:"reminded_at,omitzero"`

	Reviewed time.Time   `json:"reviewed,omitzero"` // when its review was posted
	Review   string      `json:"review,omitempty"`  // as it was posted, in markdown
	Posting  int64       `json:"posting,omitempty"` // the notice that posts it, or its newest graph
	Graphs   []alert.Key `json:"graphs,omitempty"`  // the problems whose graphs are still to be posted with it
	Ended    Someone     `json:"ended,omitzero"`    // who ended it before its problems were resolved
	EndedAt  time.Time   `json:"ended_at,omitzero"`
	Closed   time.Time   `json:"closed,omitzero"` // nothing more happens
	Left     bool        `json:"left,omitempty"`  // the bot left the space then
}

// Someone is a person at the time.
type Someone struct {
	ID    string `json:"id,omitempty"` // of Webex, if it is known
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
}

// IncidentProblem is a problem of an incident.
type IncidentProblem struct {
	Key    alert.Key `json:"key"`
	Joined time.Time `json:"joined"`
	Parted time.Time `json:"parted,omitzero"`
	Posted bool      `json:"posted,omitempty"` // the ledger was asked to show it in the space
}

// IncidentKind is the kind of an entry.
type IncidentKind string

// The kinds of entries.
const (
	IncidentNote    IncidentKind = "note"
	IncidentRole    IncidentKind = "role"    // Subject is the role; without a person it is free
	IncidentCheck   IncidentKind = "check"   // Subject is the item of the checklist
	IncidentUncheck IncidentKind = "uncheck" // likewise
	IncidentJoin    IncidentKind = "join"    // Subject is the problem's key, Text its name
	IncidentPart    IncidentKind = "part"    // likewise
	IncidentInvited IncidentKind = "invited" // Subject is the address, Text why it failed; "" if it didn't
)

// IncidentEntry is something that happened in an incident, and that nothing else records.
type IncidentEntry struct {
	ID       int64 // given by the store, in the order of arrival
	Incident int64
	Key      string // unique in its incident: a repetition is no entry
	Kind     IncidentKind
	At       time.Time
	By       Someone // who did it; zero for the relay
	Who      Someone // of a role: who has it now
	Subject  string
	Text     string
}

// Incidents keeps them.
type Incidents interface {
	// Incidents returns all that can be read, by ID.
	Incidents(ctx context.Context) ([]Incident, error)
	// AddIncident writes a new one and returns its id, or that of the one that the same command opened before.
	AddIncident(ctx context.Context, i Incident) (id int64, err error)
	SaveIncident(ctx context.Context, i Incident) error // ErrNotFound
	// IncidentEntries returns the entries of an incident, by ID.
	IncidentEntries(ctx context.Context, incident int64) ([]IncidentEntry, error)
	// AddIncidentEntry writes an entry; false if the incident has one with its Key.
	AddIncidentEntry(ctx context.Context, e IncidentEntry) (added bool, err error)
}
