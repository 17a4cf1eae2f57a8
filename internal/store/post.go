package store

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// Post is one problem in one room: what the ledger wants shown there, and what delivery has shown.
//
// A post without a cursor is fresh: the ledger may still put it into a group or withdraw it. Delivery
// claims a fresh post (ClaimPost) right before its first call, and from then on the room hears all
// of it.
type Post struct {
	Key   alert.Key
	Room  string
	Route string // the route's name; "" for the default rooms, "send_to" for {ALERT.SENDTO}

	// The ledger's.
	Desired   int64          // revision of the problem that the room should show
	Severity  alert.Severity // of the problem
	Open      bool           // of the problem
	OpenedAt  time.Time      // of the problem
	JoinedAt  time.Time      // when the room was first to hear of the problem
	HoldUntil time.Time      // not posted before: an update that waits for its problem
	// TellAfter is the end of the route's delay or of the room's quiet hours. A problem that
	// resolves before is never posted.
	TellAfter  time.Time
	RemindAt   time.Time // zero for never
	EscalateAt time.Time // zero for never
	LookAt     time.Time // when a suppression ends by itself, or when a fresh post may be told
	Escalated  int       // steps of the route's escalation taken since its clock was last set
	// Opening identifies what opened, to recognise flapping: posts of one room with the same
	// Opening are openings of the same trigger with the same name and tags. 0 for none.
	Opening int64

	Group        int64 // the group that stands for this post; 0 if it has a message of its own
	LeftGroup    int64 // the group that it left last; 0 for none
	LeftRevision int64 // that group's revision when it left
	FromSeq      int   // timeline entries up to it were told by the group that it left; > 0 exactly if it left one

	// PendingSince is when the room fell behind, zero while it isn't: then delivery has nothing to
	// do. It may lie up to a second ahead (a burst), until when delivery leaves the post alone.
	PendingSince time.Time

	Claimed bool // derived: a cursor exists
	Cursor
}

// Pending says whether delivery has something to do for the post.
func (p Post) Pending() bool { return !p.PendingSince.IsZero() }

// Fresh says whether the room hasn't heard of the problem, nor will without the ledger.
func (p Post) Fresh() bool { return !p.Claimed && p.Group == 0 }

// NeedsFresh says whether a fold can write the post only if delivery hasn't claimed it: the post is in
// a group, or it was read as fresh and is withdrawn.
func (p Post) NeedsFresh() bool { return p.Group != 0 || !p.Claimed && !p.Pending() }

// DueAt is when the ledger looks at the post again; zero for never.
func (p Post) DueAt() time.Time { return earliest(p.RemindAt, p.EscalateAt, p.LookAt) }

// HeldUntil is when a room that hasn't heard of the problem may be told.
func (p Post) HeldUntil() time.Time {
	if p.TellAfter.After(p.HoldUntil) {
		return p.TellAfter
	}
	return p.HoldUntil
}

// PostState says whether a post or a group is still served.
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
	Attempts    int       // failures in a row
	NotBefore   time.Time // of the next call
	LastError   string
	TrackingID  string
	DeadAt      time.Time
	DeliveredAt time.Time // when the room last caught up
}

// Posts keeps posts. The ledger writes them by CommitFold, delivery their cursors.
type Posts interface {
	// PostsOf returns every post of these problems.
	PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]Post, error)
	// PendingPosts returns the pending posts of these rooms, longest pending first; nil stands for
	// every room, including rooms that aren't configured. Unless dueBefore is zero, posts whose
	// PendingSince or NotBefore is later are left out.
	PendingPosts(ctx context.Context, rooms []string, dueBefore time.Time) ([]Post, error)
	// DuePosts returns the posts whose DueAt isn't after now, longest due first.
	DuePosts(ctx context.Context, now time.Time, limit int) ([]Post, error)
	// ClaimPost gives a fresh pending post its cursor: from then on the fold neither groups nor
	// withdraws it. True if it has a cursor afterwards; false if it was grouped, withdrawn or
	// removed meanwhile.
	ClaimPost(ctx context.Context, key alert.Key, room string) (bool, error)
	// SavePost writes the cursor of a post. The post is pending afterwards unless it is dead or
	// Delivered has reached the stored Desired. ErrNotFound without a cursor, also if the cursor's
	// root belongs to another problem by now (Fold.Moved).
	SavePost(ctx context.Context, key alert.Key, room string, c Cursor) error
}
