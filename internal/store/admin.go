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
	PostsPending    int64 // posts and digests that are behind and will be told
	NoticesPending  int64
	DeadPosts       int64
	DeadDigests     int64
	DeadLists       int64 // of live digests
	DeadNotices     int64
	OpenProblems    map[alert.Severity]int64
	CommandsPending int64
	// OldestPending is the age of the oldest pending journal entry, post, digest or notice; zero
	// for none. A post that is held counts from the end of its hold, and not before.
	OldestPending time.Time
}

// DeadLetter is a post, a digest, a digest's list or a notice that Webex refused for good.
type DeadLetter struct {
	ID         string // "post:main/4711@noc", "digest:3", "list:3" or "notice:12"
	Room       string
	Key        alert.Key
	NoticeID   int64
	DigestID   int64
	List       bool // only the list of DigestID
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
	//     and digests, and notices sent before it;
	//   - finished commands, and journal entries set aside, before auditBefore.
	// Whatever a room is still to be told stays. So do dead letters, with everything that
	// replaying one needs, until somebody replays or drops them.
	Prune(ctx context.Context, journalBefore, problemsBefore, auditBefore time.Time, limit int) (int, error)

	Stats(ctx context.Context) (Stats, error)
}
