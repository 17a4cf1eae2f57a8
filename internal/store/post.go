package store

import (
	"cmp"
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// Post is one problem in one room: the ledger's target for it, and delivery's progress.
//
// A post without a cursor is fresh: the ledger may still put it into a group or withdraw it. Delivery claims a fresh
// post (ClaimPost) right before its first call, and from then on the room gets every change.
type Post struct {
	Key   alert.Key
	Room  string
	Route string // the route's name; "" for the default rooms, "send_to" for {ALERT.SENDTO}

	// The ledger's.
	Desired  int64          // revision of the problem that the room should show
	Severity alert.Severity // of the problem
	Open     bool           // of the problem
	OpenedAt time.Time      // of the problem
	JoinedAt time.Time      // when the ledger created the post
	// ReceivedAt is when the relay received the event that created the post; zero in a post of an older version.
	ReceivedAt time.Time
	HoldUntil  time.Time // not posted before: an update that waits for its problem
	// TellAfter is the end of the route's delay or of the room's quiet hours. A problem that
	// resolves before is never posted. It may be Never.
	TellAfter  time.Time
	RemindAt   time.Time // zero for never
	EscalateAt time.Time // zero for never
	LookAt     time.Time // when a suppression ends by itself, when a fresh post may be posted, or when an acknowledgement may lapse
	Escalated  int       // steps of the route's escalation taken since its clock was last set
	// Opening identifies what opens, to recognise flapping: posts of one room with the same Opening have the same
	// trigger, name and tags. 0 for none.
	Opening int64

	Group         int64  // the group that stands for this post; 0 if it has a message of its own
	GroupRevision int64  // that group's revision when the post joined
	Lines         []Line // what the group's thread shows of its timeline; those that were posted are removed at some time
	LeftGroup     int64  // the group that it left last; 0 for none
	LeftRevision  int64  // that group's revision when it left
	// FromSeq is the last timeline entry for which the post's group has provided: its message or thread shows it, or
	// Lines has it. Of a post that left its group, the last one that was posted there. 0 if it never was in a group.
	FromSeq int

	Causes []Cause // of what the room doesn't show yet, oldest first; a few at most, none while tracing is off

	// PendingSince is when the room fell behind; zero if delivery has nothing to do. In a burst it may lie up to half a
	// second ahead: until then delivery leaves the post alone.
	PendingSince time.Time

	Claimed bool // derived: a cursor exists
	Cursor
}

// Never is the TellAfter of a post of a problem that is known in the room and isn't posted until somebody reports a change of it.
var Never = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// Line is a timeline entry that a group posts in its thread.
type Line struct {
	Seq int `json:"s"` // alert.Entry.Seq
	N   int `json:"n"` // its number among the lines of the group, from 1: GroupCursor.LinesPosted
}

// Pending reports whether delivery has something to do for the post.
func (p Post) Pending() bool { return !p.PendingSince.IsZero() }

// Fresh reports whether delivery hasn't claimed the post, and no group shows it.
func (p Post) Fresh() bool { return !p.Claimed && p.Group == 0 }

// NeedsFresh reports whether a fold can write the post only if delivery hasn't claimed it: the post is in a group, or
// it was read as fresh and is withdrawn.
func (p Post) NeedsFresh() bool { return p.Group != 0 || !p.Claimed && !p.Pending() }

// DueAt is when the ledger checks the post again; zero for never.
func (p Post) DueAt() time.Time { return earliest(p.RemindAt, p.EscalateAt, p.LookAt) }

// HeldUntil is when a fresh post may be posted.
func (p Post) HeldUntil() time.Time {
	if p.TellAfter.After(p.HoldUntil) {
		return p.TellAfter
	}
	return p.HoldUntil
}

// FirstDue is when the room should have the first message about the problem: when the relay received the event, or when the
// post's hold ended.
func (p Post) FirstDue() time.Time {
	received := cmp.Or(p.ReceivedAt, p.JoinedAt)
	if held := p.HeldUntil(); held.After(received) {
		return held
	}
	return received
}

// PostState is whether a post or a group is live.
type PostState string

const (
	PostLive PostState = "live"
	PostDead PostState = "dead" // a dead letter: Webex refused it for good
)

// Cursor is delivery's progress with a post. It is saved after every call, so that a crash repeats at most one call.
type Cursor struct {
	State       PostState
	Delivered   int64     // revision of the problem that the room shows in full
	Shown       int64     // revision that the root shows
	ToldSeq     int       // last timeline entry posted, in the root or in the thread
	RootID      string    // Webex message id; "" before the first message
	RootHash    string    // of the root's text; "" if it is a card or unknown
	CardID      string    // of the card in the thread; "" for none
	CardActions string    // the buttons of that card, in delivery's notation
	Edits       int       // of the root
	Attempts    int       // failures in a row
	NotBefore   time.Time // of the next call
	LastError   string
	TrackingID  string // Webex's, of the last call that isn't a deletion
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
	// CardRooms returns the rooms in which an open problem has a card with buttons.
	CardRooms(ctx context.Context) ([]string, error)
	// ClaimPost gives a fresh pending post its cursor: from then on the fold neither groups nor
	// withdraws it. True if it has a cursor afterwards; false if it was grouped, withdrawn or
	// removed meanwhile.
	ClaimPost(ctx context.Context, key alert.Key, room string) (bool, error)
	// SavePost writes the cursor of a post. The post is pending afterwards unless it is dead or Delivered has reached
	// the stored Desired. ErrNotFound without a cursor, also if the cursor's root belongs to another problem now
	// (Fold.Moved).
	SavePost(ctx context.Context, key alert.Key, room string, c Cursor) error
}
