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
	GroupCause GroupKind = "cause" // symptoms, in the thread of their cause
)

// Group is a set of posts of one room that share one message, the digest. Its members are the posts
// whose Group is its ID.
type Group struct {
	ID   int64 // given by the store, never twice
	Room string
	Kind GroupKind
	Name string // of a flap: its Opening, in decimal; of symptoms: their cause's key; "" for a storm

	// The ledger's. Progress is compared by the counters alone (record 030): the times only space messages.
	OpenedAt       time.Time
	JoinedAt       time.Time // when a post joined last
	Joined         int       // posts that ever joined
	JoinedRevision int64     // Revision when a post joined last
	Left           int       // posts that joined and left for a message of their own
	LeftRevision   int64     // Revision when a post left last
	Revision       int64     // raised when a post joins or leaves, when a member's headline changes or when it gets a line
	Lines          int       // lines that members ever got (Post.Lines)
	LinesAt        time.Time // when a member got a line last
	LinesSince     time.Time // when the first line of those was added that weren't posted then
	// LeftAt and LeftBurst bound how many members leave at once: when a member last left because somebody acted on
	// it, and how many did in a row.
	LeftAt    time.Time
	LeftBurst int

	PendingSince time.Time // when the group became pending; zero if it isn't

	GroupCursor

	Open bool // derived: a member's problem is open
}

// Pending reports whether delivery has something to do for the group.
func (g Group) Pending() bool {
	if g.State == PostDead {
		return g.Reroute
	}
	return g.Revision > g.Shown || g.MessageID != "" && (g.OwesList() || g.Lines > g.LinesPosted || g.Down)
}

// OwesList reports whether the complete list is still to be attached.
func (g Group) OwesList() bool { return !g.Complete && g.Listed < g.Joined }

// GroupCursor is delivery's progress with a group.
type GroupCursor struct {
	State        PostState
	MessageID    string    // Webex message id; "" before it is posted
	Hash         string    // of the text that the message shows; "" if unknown
	Complete     bool      // that text names every host and event id
	Edits        int       // of the message
	Shown        int64     // the group's revision that the message and its thread show
	SaysResolved bool      // the message says that all are resolved
	Listed       int       // Joined when the list was last attached, or refused for good; 0 for never
	Notified     int64     // the room was notified of members that joined at this revision or before
	Down         bool      // an opening of a flapping trigger is open that the room wasn't notified of
	LinesPosted  int       // lines up to this one were posted
	SpokeAt      time.Time // when the group was read for what its message or thread said last; only spaces edits
	Reroute      bool      // of a dead group: its problems are still to be rerouted to the default room

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
	Causes      []string  // names of groups of symptoms
	Ended       []string  // the same, whose open posts are asked for, too
}

// RoomGrouping is the store's answer about a room.
type RoomGrouping struct {
	Fresh    []Post // fresh, pending and less severe than Below, longest pending first
	Recent   int    // posts with JoinedAt after Since
	Burst    int    // posts with JoinedAt after BurstSince
	Behind   int    // pending posts
	NewFlaps int    // flap groups opened after Since
	// Groups are the newest live storm group, the newest live flap group of each opening, the groups of symptoms with
	// these names, and those asked for by id.
	Groups []Group
	// Openings are the newest posts of each of these openings, MaxOpenings at most, with OpenedAt after OpenedAfter.
	Openings map[int64][]Opening
	Symptoms []Post // open posts of the groups in Ended
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
	Route         string
	JoinedAt      time.Time
	FirstDue      time.Time // Post.FirstDue
	GroupRevision int64
	Lines         []Line
	Causes        []Cause
	Problem       alert.Problem
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
	// SaveGroup writes a group's cursor. Whether the group is pending afterwards follows from what the ledger stored
	// meanwhile, too (Group.Pending). ErrNotFound.
	SaveGroup(ctx context.Context, id int64, c GroupCursor) error
}
