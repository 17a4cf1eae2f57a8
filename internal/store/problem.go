package store

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// Fold is one transaction of the ledger.
type Fold struct {
	// Read has the revision at which each of Problems was read, 0 for one that wasn't stored. If one has changed by
	// the commit, CommitFold returns ErrConflict.
	Read     map[alert.Key]int64
	Moved    []Move           // done first
	Applied  []int64          // journal entries
	SetAside map[int64]string // journal entries that can't be applied, with the reason
	Problems []alert.Problem
	Triggers []alert.TriggerStats // replace those that are stored
	// Groups are written in the ledger's columns. A new group has a negative ID, unique in the
	// fold, to which posts of the fold may refer; the store replaces it by the real one.
	Groups []Group
	// Posts are written in the ledger's columns; their cursors are left alone. A post with PendingSince becomes
	// pending unless it is already (its older time stays), or is dead, or has been delivered in full meanwhile. A
	// fresh post without PendingSince is withdrawn, and one with a Group has no message of its own: neither is
	// pending any more. Claimed is whether the post was claimed when the fold read it.
	Posts   []Post
	Notices []Notice // new ones
}

// Move moves the posts of a problem to another key.
type Move struct{ From, To alert.Key }

// Filter selects problems.
type Filter struct {
	Source       string
	Open         bool     // only open ones
	Unposted     bool     // known in a room, and to be posted in it only once they change (Never)
	Rooms        []string // posted, or to be posted later, in one of these rooms; nil for all
	NotBy        string   // posts by routes whose names begin like this don't count for Rooms; "" for none
	Severity     map[alert.Severity]bool
	Host         string // glob over the technical or visible name, in lower case
	Acknowledged *bool
	Owned        bool     // somebody owns it
	Owners       []string // owned by one of these addresses, in lower case; nil for all
	Search       string   // substring of the name, in any case
	Limit        int
	Skip         int // how many come before
}

// OpenState is what reconciliation compares of an open problem of a trigger.
type OpenState struct {
	EventID      string
	OpenedAt     time.Time
	Severity     alert.Severity
	Acknowledged bool
	Suppressed   bool
	Updates      int    // alert.Problem.KnownUpdates
	Cause        string // event id; "" for none
	Revision     int64
}

// UnreadFor bounds for how long UnobservedProblems returns a resolved problem. Time without a relay doesn't count.
const UnreadFor = time.Hour

// Unposted counts open problems of a severity that are known in a room and were never posted there (Never).
type Unposted struct {
	Room     string
	Severity alert.Severity
	Count    int
	Oldest   time.Time
}

// Problems keeps the ledger's problems.
type Problems interface {
	// CommitFold writes one batch of the ledger, whole or not at all. It doesn't change the caller's values.
	// ErrConflict when a problem changed since it was read, when a post that was read as fresh and is grouped or
	// withdrawn was claimed meanwhile, or when a group that posts join has become dead. ErrRejected when something in
	// the batch can't be stored.
	CommitFold(ctx context.Context, f Fold) error
	// Problems returns the problems with these keys; unknown keys are left out. ErrRejected when some of them can't
	// be read any more; the others are returned all the same.
	Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error)
	// FindProblems returns the problems that match, worst first, then newest first.
	FindProblems(ctx context.Context, f Filter) ([]alert.Problem, error)
	// CountProblems counts what FindProblems would return without a limit.
	CountProblems(ctx context.Context, f Filter) (int, error)
	// EndedProblems calls each with the problems that match, have ended and were written since a time, the newest first: it keeps none
	// in memory. A limit of 0 stands for none.
	EndedProblems(ctx context.Context, f Filter, since time.Time, limit int, each func(p alert.Problem)) error
	// UnobservedProblems returns problems of triggers about which the API is still to be asked: first the open ones that it never
	// answered about (Problem.Observed), worst first, then those that resolved since its last answer (Problem.EndUnread) and were
	// written within UnreadFor before the newest resolved one.
	UnobservedProblems(ctx context.Context, limit int) ([]alert.Key, error)
	// OpenStates returns the source's open problems of triggers, as they are at that time, in no order.
	OpenStates(ctx context.Context, source string, at time.Time) ([]OpenState, error)
	// OpenBySource counts the open problems of each source that has some.
	OpenBySource(ctx context.Context) (map[string]int, error)
	// HasSource reports whether there is any problem of a source.
	HasSource(ctx context.Context, source string) (bool, error)
	// Unposted counts the open problems of a source that were never posted, by room and severity, worst first.
	Unposted(ctx context.Context, source string) ([]Unposted, error)
	// SymptomsOf returns the problems, open or not, that name one of these as their cause, in no order.
	SymptomsOf(ctx context.Context, causes []alert.Key) ([]alert.Key, error)
	// TriggerStats returns what is stored of these triggers; unknown ones, and those that can't be read any more, are left out.
	TriggerStats(ctx context.Context, triggers []alert.TriggerKey) (map[alert.TriggerKey]alert.TriggerStats, error)
	// KeysByEventID returns the problems with this event id in any source.
	KeysByEventID(ctx context.Context, eventID string) ([]alert.Key, error)
}
