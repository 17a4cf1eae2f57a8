package store

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// Digest is one message that stands for the posts whose Cursor.Digest is its id.
type Digest struct {
	ID        int64
	Room      string
	Flap      string // the Post.Flap that it is for; "" for a storm's
	State     PostState
	CreatedAt time.Time

	MessageID string    // Webex message id; "" before it is posted
	Hash      string    // of the text that the message shows; "" where it isn't known
	Complete  bool      // that text names every host and event id
	Edits     int       // of the message
	Shown     int       // of Joined, when the message was written last
	Listed    int       // of Joined, when the list was attached last; 0 for never
	Said      int       // of Joined, when the room was last notified of them: by the message, or its thread
	Gone      string    // keys of those that left since the message was written last, one a line
	SpokeAt   time.Time // when the message was posted, edited or its thread told last
	Pending   bool      // something is to be sent besides what changes of its posts ask for

	// Until GathersUntil CommitFold puts new posts of the room that are less severe than
	// GathersBelow into it, where it is the newest of the room for no Flap (Post.Gathers). They
	// aren't behind: that Joined is more than Shown says that they are to be told, and no mark of each.
	GathersUntil time.Time
	GathersBelow alert.Severity

	Attempts   int // failures in a row
	NotBefore  time.Time
	LastError  string
	TrackingID string
	DeadAt     time.Time

	// The list is a dead letter of its own where the thread refused it for good: the digest stands.
	ListDeadAt     time.Time // zero for none
	ListError      string
	ListTrackingID string

	// Of the store.
	Joined      int       // posts that ever joined
	Left        int       // of them, those that left for a message of their own
	Open        bool      // the problem of a post that is in it now goes on
	Behind      bool      // a post that is in it now changed since it was shown
	BehindSince time.Time // since when; zero for none
}

// Gathers says whether CommitFold may put a new post into a digest without anybody
// looking at it: nothing has happened to its problem, which is written with it, since that
// opened, and it may be told at once.
func (p Post) Gathers(of alert.Problem) bool {
	if p.State == PostLive {
		p.State = ""
	}
	return p.Open && p.Desired == 1 && p.HoldUntil.IsZero() && p.TellAfter.IsZero() && p.Cursor == Cursor{} &&
		p.Key == of.Key && of.Revision == 1 && len(of.Timeline) == 1 && of.Timeline[0].Kind == alert.EntryOpened
}

// Shown is what a digest's message shows of one post.
type Shown struct {
	Key      alert.Key
	Revision int64 // of the problem
	Seq      int   // the newest timeline entry
}

// Digests keeps digests. It is part of Store.
type Digests interface {
	// JoinDigest puts posts of d.Room into a digest, which it opens where d.ID is 0, all in one
	// transaction, and gives the digest and the posts that joined: those that are
	// behind, that the room was never told of, and that are not held (HeldUntil) at now. A post
	// with a TellAfter whose problem is over isn't among them: it may not be told at all.
	// Where none can join, nothing is written and the digest is as it was. GathersUntil and
	// GathersBelow are written.
	JoinDigest(ctx context.Context, d Digest, keys []alert.Key, now time.Time) (Digest, []alert.Key, error)
	// LeaveDigest takes posts out of a digest: each is told by itself from now on.
	LeaveDigest(ctx context.Context, id int64, keys []alert.Key) error
	// SaveDigest writes what delivery knows of a digest, and of its posts what its
	// message shows now. It stays pending where posts joined since it was read. ErrNotFound.
	SaveDigest(ctx context.Context, d Digest, shown []Shown) error
	Digest(ctx context.Context, id int64) (Digest, error) // ErrNotFound
	// NewestDigest is the live digest that was opened last in a room for this Flap
	// ("" for a storm's). ErrNotFound.
	NewestDigest(ctx context.Context, room, flap string) (Digest, error)
	// PendingDigests gives the live digests that are to be posted or edited, or whose
	// thread is to be told something, the oldest first; of one room, or with "" of all.
	PendingDigests(ctx context.Context, room string) ([]Digest, error)
	// DigestPosts gives the posts in a digest, those that changed since they were
	// shown alone where behind is true.
	DigestPosts(ctx context.Context, id int64, behind bool) ([]Post, error)
	// DigestKeys gives the keys of the posts in a digest, for less than DigestPosts takes.
	DigestKeys(ctx context.Context, id int64) ([]alert.Key, error)
}
