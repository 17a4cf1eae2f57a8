package store

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// Stats are counts, exact at the moment of the call.
type Stats struct {
	JournalPending  int64
	SetAside        int64
	PostsPending    int64 // posts and groups that will be told something, also if they wait for their time
	NoticesPending  int64
	DeadPosts       int64
	DeadGroups      int64
	DeadLists       int64 // of live groups
	DeadNotices     int64
	OpenProblems    map[alert.Severity]int64
	CommandsPending int64
	// OldestPending is the time of the oldest pending journal entry, post, group or notice; zero
	// for none. A post that is held counts from the end of its hold, and not before.
	OldestPending time.Time
}

// DeadLetter is a post, a group, a group's list or a notice that Webex refused for good.
type DeadLetter struct {
	ID         string // "post:main/4711@noc", "digest:3", "list:3" or "notice:12"
	Room       string
	Key        alert.Key
	NoticeID   int64
	GroupID    int64
	List       bool // only the list of GroupID
	Reason     string
	TrackingID string
	At         time.Time
}

// Admin is for operators.
type Admin interface {
	// DeadLetters returns the dead letters, newest first.
	DeadLetters(ctx context.Context) ([]DeadLetter, error)
	// ReplayDead makes a dead letter live and pending again. ErrNotFound.
	ReplayDead(ctx context.Context, id string) error
	// DropDead removes a dead letter. ErrNotFound.
	DropDead(ctx context.Context, id string) error

	// Prune removes what is past its retention, at most limit rows of each kind, and returns how
	// many rows it removed; 0 means that nothing is left to remove. It removes:
	//   - applied journal entries received before journalBefore;
	//   - problems that are over and were last written before problemsBefore, with their posts
	//     and groups, and notices sent before it;
	//   - finished commands, and journal entries set aside, before auditBefore.
	// Whatever a room is still to be told stays. So do dead letters, with everything that
	// replaying one needs, until somebody replays or drops them.
	Prune(ctx context.Context, journalBefore, problemsBefore, auditBefore time.Time, limit int) (int, error)

	Stats(ctx context.Context) (Stats, error)
}
