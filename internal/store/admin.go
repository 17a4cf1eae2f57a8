package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
)

// Stats are counts, exact at the moment of the call.
type Stats struct {
	JournalPending  int64
	SetAside        int64
	PostsPending    int64 // posts and groups with something to send, now or at a later time
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

// LetterKind is the kind of a dead letter.
type LetterKind string

const (
	LetterPost   LetterKind = "post"
	LetterDigest LetterKind = "digest"
	LetterList   LetterKind = "list" // of a digest that was posted
	LetterNotice LetterKind = "notice"
)

// DeadLetter is a post, a digest, a digest's list or a notice that Webex refused for good.
type DeadLetter struct {
	Kind       LetterKind
	Room       string
	Key        alert.Key // of a post
	Number     int64     // of the digest's group, or of the notice
	Reason     string
	TrackingID string
	At         time.Time
}

// ID is "post:main/4711@noc", "digest:3", "list:3" or "notice:12".
func (d DeadLetter) ID() string {
	if d.Kind == LetterPost {
		return string(d.Kind) + ":" + d.Key.String() + "@" + d.Room
	}
	return string(d.Kind) + ":" + strconv.FormatInt(d.Number, 10)
}

// ParseLetter returns the dead letter of an id, with the fields that the id names. ErrNotFound if the id is
// malformed.
func ParseLetter(id string) (DeadLetter, error) {
	kind, rest, _ := strings.Cut(id, ":")
	d := DeadLetter{Kind: LetterKind(kind)}
	switch d.Kind {
	case LetterPost:
		// A source's name has no slash and an event id no "@"; a room's name may have both.
		key, room, _ := strings.Cut(rest, "@")
		d.Key, d.Room = alert.ParseKey(key), room
	case LetterDigest, LetterList, LetterNotice:
		d.Number, _ = strconv.ParseInt(rest, 10, 64)
	}
	if d.Room == "" && d.Number <= 0 {
		return d, fmt.Errorf("dead letter %q: %w: expected an id such as post:main/4711@noc, digest:3, list:3 or notice:12", id, ErrNotFound)
	}
	return d, nil
}

// Admin is for operators.
type Admin interface {
	// DeadLetters returns the dead letters, newest first.
	DeadLetters(ctx context.Context) ([]DeadLetter, error)
	// ReplayDead makes a dead letter live and pending again. ErrNotFound.
	ReplayDead(ctx context.Context, id string) error
	// DropDead removes a dead letter. ErrNotFound.
	DropDead(ctx context.Context, id string) error

	// Prune removes rows past their retention, at most limit of each kind, and returns how many it removed; 0 means
	// that there is nothing more to remove. It removes:
	//   - applied journal entries received before journalBefore;
	//   - problems that are over and were last written before problemsBefore, with their posts
	//     and groups, and notices sent before it;
	//   - finished commands, and journal entries set aside, before auditBefore.
	// Everything that is still to be sent stays. So do dead letters, with everything that replaying one needs, until
	// somebody replays or drops them.
	Prune(ctx context.Context, journalBefore, problemsBefore, auditBefore time.Time, limit int) (int, error)

	Stats(ctx context.Context) (Stats, error)
}
