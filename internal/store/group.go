package store

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// GroupKind is why posts share a message.
type GroupKind string

const (
	GroupStorm GroupKind = "storm" // too many problems at once
	GroupFlap  GroupKind = "flap"  // openings of one trigger, again and again
)

// Group is a set of posts of one room that share one message, the digest. Its members are the posts
// whose Group is its ID.
type Group struct {
	ID   int64 // given by the store, never twice
	Room string
	Kind GroupKind
	Name string // of a flap: its Opening, in decimal; "" for a storm

	// The ledger's.
	OpenedAt time.Time
	JoinedAt time.Time // when a post joined last
	Joined   int       // posts that ever joined
	Left     int       // of them, those that left for a message of their own
	Revision int64     // raised when a post joins or leaves, when a member's headline changes or when it is nudged
	NudgedAt time.Time // when a member last escalated or had a reminder
	// LeftAt and LeftBurst bound how many members leave at once: when a member last left because somebody acted on
	// it, and how many did in a row.
	LeftAt    time.Time
	LeftBurst int

	// PendingSince is when the group fell behind: its message shows less than its Revision, or delivery owes it
	// something. Zero otherwise.
	PendingSince time.Time

	GroupCursor

	Open bool // derived: a member's problem is open
}

// Pending reports whether delivery has something to do for the group.
func (g Group) Pending() bool {
	return g.Owes || g.State != PostDead && g.Revision > g.Shown
}

// GroupCursor is delivery's progress with a group.
type GroupCursor struct {
	State         PostState
	MessageID     string    // Webex message id; "" before it is posted
	Hash          string    // of the text that the message shows; "" if unknown
	Complete      bool      // that text names every host and event id
	Edits         int       // of the message
	Shown         int64     // the group's revision that the message and its thread show
	SaysResolved  bool      // the message says that all are resolved
	Listed        int       // Joined when the list was last attached; 0 for never
	SaidThrough   time.Time // the room was notified of members that joined at this time or before
	NudgedThrough time.Time // nudges at this time or before were posted
	SpokeAt       time.Time // when the group was read for what its message or thread said last
	Owes          bool      // a list or a thread line is still to be sent; for a dead group, its problems are to be rerouted

	Attempts   int // failures in a row
	NotBefore  time.Time
	LastError  string
	TrackingID string
	DeadAt     time.Time

	// The list is a dead letter of its own if the thread refused it for good: the group stands.
	ListDeadAt     time.Time // zero for none
	ListError      string
	ListTrackingID string
}

// GroupingAsk is the ledger's query about a room before it groups the room's posts.
type GroupingAsk struct {
	Room        string
	Below       alert.Severity // Fresh has only posts less severe than this
	Since       time.Time      // for Recent and NewFlaps
	BurstSince  time.Time      // for Burst
	Limit       int            // of Fresh and of each count; 0 for neither
	Openings    []int64
	OpenedAfter time.Time // for Openings
	Groups      []int64   // asked for by id, whatever their age and state
}

// RoomGrouping is the store's answer about a room.
type RoomGrouping struct {
	Fresh    []Post // fresh, pending and less severe than Below, longest pending first
	Recent   int    // posts with JoinedAt after Since
	Burst    int    // posts with JoinedAt after BurstSince
	Behind   int    // pending posts
	NewFlaps int    // flap groups opened after Since
	// Groups are the newest live storm group, the newest live flap group of each opening, and
	// those asked for by id.
	Groups []Group
	// Openings are the newest posts of each of these openings, MaxOpenings at most, with OpenedAt after OpenedAfter.
	Openings map[int64][]Opening
}

// MaxOpenings bounds how many posts of one opening are read: a trigger on a log may have thousands.
const MaxOpenings = 100

// Opening is a post of an opening.
type Opening struct {
	Key      alert.Key
	OpenedAt time.Time
	Open     bool
}

// Member is a post of a group, with its problem. The problem comes without Merge, and without Macros if it has a name
// and a trigger: a digest may have tens of thousands of members. A problem that can't be read has Revision 0, and the
// data of its post.
type Member struct {
	JoinedAt time.Time
	Problem  alert.Problem
}

// UnreadableProblem returns a post's data of a problem that can't be read.
func (p Post) UnreadableProblem() alert.Problem {
	problem := alert.Problem{Key: p.Key, Origin: alert.OriginTrigger, State: alert.StateResolved, Severity: p.Severity, OpenedAt: p.OpenedAt}
	if p.Open {
		problem.State = alert.StateOpen
	}
	return problem
}

// Groups keeps groups. The ledger writes them by CommitFold, delivery their cursors by SaveGroup.
type Groups interface {
	// Grouping returns the data that the fold needs to group the posts of rooms.
	Grouping(ctx context.Context, asks []GroupingAsk) (map[string]RoomGrouping, error)
	// FreshRooms returns the rooms with fresh pending posts.
	FreshRooms(ctx context.Context) ([]string, error)
	Group(ctx context.Context, id int64) (Group, error) // ErrNotFound
	// PendingGroups returns the pending groups of a room, oldest first; "" stands for every room.
	PendingGroups(ctx context.Context, room string) ([]Group, error)
	// GroupPosts returns the posts of a group.
	GroupPosts(ctx context.Context, id int64) ([]Post, error)
	// Members returns the posts of a group with the data that its message shows.
	Members(ctx context.Context, id int64) ([]Member, error)
	// GroupLeavers returns the posts that left a group after its revision.
	GroupLeavers(ctx context.Context, id, afterRevision int64) ([]Post, error)
	// SaveGroup writes a group's cursor. The group is pending afterwards unless it is dead, or its
	// stored Revision is shown, and nothing is owed. ErrNotFound.
	SaveGroup(ctx context.Context, id int64, c GroupCursor) error
}
