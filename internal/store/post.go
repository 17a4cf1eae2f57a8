package store

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// Post is one problem in one room: what the ledger wants shown there, and what delivery has shown.
type Post struct {
	Key   alert.Key
	Room  string
	Route string // the route's name; "" for the default rooms, "send_to" for {ALERT.SENDTO}

	// The ledger's.
	Desired    int64          // revision of the problem that the room should show
	Severity   alert.Severity // of the problem
	Open       bool           // of the problem
	OpenedAt   time.Time      // of the problem
	DirtySince time.Time      // when the room fell behind; zero while it isn't
	HoldUntil  time.Time      // not posted before: an update that waits for its problem
	JoinedAt   time.Time      // when the room was first to hear of the problem
	// TellAfter is the end of the route's delay or of the room's quiet hours. A problem that
	// resolves before is never posted.
	TellAfter  time.Time
	RemindAt   time.Time // zero for never
	EscalateAt time.Time // zero for never
	LookAt     time.Time // when a suppression ends by itself; part of DueAt, not stored otherwise
	Escalated  int       // steps of the route's escalation taken since its clock was last set
	// Flap names the trigger of a post that is one of many openings in a short time: they share a
	// digest. "" for all others.
	Flap string

	Cursor
}

// Pending says whether the room is behind and the post has a message of its own. A digest tells
// of its posts itself.
func (p Post) Pending() bool { return p.State == PostLive && p.Digest == 0 && p.Desired > p.Delivered }

// DueAt is when the ledger looks at the post again; zero for never.
func (p Post) DueAt() time.Time { return earliest(p.RemindAt, p.EscalateAt, p.LookAt) }

// HeldUntil is when a room that hasn't heard of the problem may be told.
func (p Post) HeldUntil() time.Time {
	if p.TellAfter.After(p.HoldUntil) {
		return p.TellAfter
	}
	return p.HoldUntil
}

// PostState says whether a post or a digest is still served.
type PostState string

const (
	PostLive PostState = "live"
	PostDead PostState = "dead" // a dead letter: Webex refused it for good
)

// Cursor is how far delivery has got with a post. It is saved after every call, so that a crash
// repeats one call at most.
type Cursor struct {
	State       PostState
	Delivered   int64     // revision of the problem that the room shows in full
	Shown       int64     // revision that the root shows
	ToldSeq     int       // last timeline entry told, in the root or in the thread
	RootID      string    // Webex message id; "" before the first message
	RootHash    string    // of the root's text; "" if it is a card or isn't known
	CardID      string    // of the card in the thread; "" for none
	CardActions string    // which buttons that card has, in delivery's notation
	Edits       int       // of the root
	Digest      int64     // the digest that stands for this post; 0 for none
	Attempts    int       // failures in a row
	NotBefore   time.Time // of the next call
	LastError   string
	TrackingID  string
	DeadAt      time.Time
	DeliveredAt time.Time // when the room last caught up
}

// Posts keeps posts. The ledger writes them by CommitFold, delivery their cursors by SavePost.
type Posts interface {
	// PostsOf returns every post of these problems.
	PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]Post, error)
	// PendingPosts returns the pending posts of these rooms, longest behind first; nil stands for
	// every room, including rooms that aren't configured. Unless dueBefore is zero, posts are left
	// out whose NotBefore is later, or whose HeldUntil is if the problem is open and the room
	// hasn't heard of it.
	PendingPosts(ctx context.Context, rooms []string, dueBefore time.Time) ([]Post, error)
	// DuePosts returns the posts whose DueAt isn't after now, longest due first.
	DuePosts(ctx context.Context, now time.Time, limit int) ([]Post, error)
	// SavePost writes a post's cursor, and clears DirtySince once Delivered has reached the stored
	// Desired. ErrNotFound, also if the cursor's root belongs to another problem by now
	// (Fold.Moved).
	SavePost(ctx context.Context, key alert.Key, room string, c Cursor) error
}
