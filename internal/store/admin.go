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
	PostsPending    int64 // posts and groups with something to send, now or at a later time
	NoticesPending  int64
	OpenProblems    map[alert.Severity]int64
	CommandsPending int64
	// OldestPending is the time of the oldest pending journal entry, post, group or notice; zero
	// for none. A post that is held counts from the end of its hold, and not before.
	OldestPending time.Time
	// Rooms has the rooms with something to send or with dead letters. The room of a notice to a person or to a direct
	// chat is "".
	Rooms map[string]RoomStats
}

// RoomStats are the counts of one room.
type RoomStats struct {
	Pending       int64     // posts, groups and notices to send now
	OldestPending time.Time // as in Stats
	Dead          map[LetterKind]int64
}

// Add adds n posts, groups or notices to send, the oldest of which is pending since then; zero for none that is due.
func (r *RoomStats) Add(n int64, since time.Time) {
	r.Pending += n
	if !since.IsZero() && (r.OldestPending.IsZero() || since.Before(r.OldestPending)) {
		r.OldestPending = since
	}
}

// Dead returns the number of dead letters of a kind in all rooms.
func (s Stats) Dead(kind LetterKind) (n int64) {
	for _, room := range s.Rooms {
		n += room.Dead[kind]
	}
	return n
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
	//   - finished commands, bindings that ended, incidents that closed, and journal entries set aside, before auditBefore;
	//   - reminders that aren't due any more, changed before problemsBefore;
	//   - the statistics of triggers that were last written before auditBefore.
	// Everything that is still to be sent stays. So do dead letters, with everything that replaying one needs, until
	// somebody replays or drops them.
	Prune(ctx context.Context, journalBefore, problemsBefore, auditBefore time.Time, limit int) (int, error)

	Stats(ctx context.Context) (Stats, error)
}
