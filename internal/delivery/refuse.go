package delivery

import (
	"errors"
	"log/slog"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Verdict is what becomes of a post or notice after a call that failed.
type Verdict string

// The verdicts.
const (
	// VerdictRetry: the same again later (Cursor.NotBefore, or when the bot may).
	VerdictRetry Verdict = "retry"
	// VerdictReplan: the cursor changed; ask Next again at once.
	VerdictReplan Verdict = "replan"
	// VerdictDead: refused for good, for what it says: a dead letter.
	VerdictDead Verdict = "dead"
	// VerdictGone: the room takes nothing from this bot: a dead letter, and the
	// default room is told instead.
	VerdictGone Verdict = "gone"
)

// Doubts remember what was tried already for a post since its room last caught
// up, so that no fault goes round in circles. They needn't outlive the process:
// losing them repeats one message.
type Doubts struct {
	// ThreadProved: a reply was refused, and an edit then tried whether its root still lives.
	ThreadProved bool
	Shown        int // Digest.Shown before that
	// PostedAnew: the root had been deleted by somebody and was posted again.
	PostedAnew bool
	// RootID, CardID and CardActions are of messages that were taken for deleted. Where it
	// turns out that the room takes nothing at all, they are there still. So the store keeps the root
	// until another is posted in its place: a process that knows nothing of these doubts asks again.
	RootID, CardID, CardActions string
}

// lost remembers the messages that a cursor has and is about to forget.
func (d Doubts) lost(before, after store.Cursor) Doubts {
	if before.RootID != "" && after.RootID == "" {
		d.RootID = before.RootID
	}
	if before.CardID != "" && after.CardID == "" && before.CardID != d.CardID {
		d.CardID, d.CardActions = before.CardID, before.CardActions
	}
	return d
}

// found gives a cursor its messages back: once its room takes messages again, they
// are edited, and none is posted beside them.
func (d Doubts) found(c store.Cursor) store.Cursor {
	if c.RootID == "" {
		c.RootID = d.RootID
	}
	if c.CardID == "" && d.CardID != "" {
		c.CardID, c.CardActions = d.CardID, d.CardActions
	}
	return c
}

// kept is what the store is to have of a cursor.
func (d Doubts) kept(c store.Cursor) store.Cursor {
	if c.RootID == "" && d.RootID != "" {
		c.RootID = d.RootID
		if d.CardID == d.RootID { // the root is the card
			c.CardID = d.CardID
		}
	}
	return c
}

// believed is a cursor of the store's without the root that was taken for deleted.
func (d Doubts) believed(c store.Cursor) store.Cursor {
	if c.RootID == "" || c.RootID != d.RootID {
		return c
	}
	if c.CardID == c.RootID {
		c.CardID = ""
	}
	c.RootID, c.CardActions = "", ""
	return c
}

// Refused is the cursor after a call that failed, and what to do. delay is the
// backoff to wait where the same call is to be made again.
func Refused(s Step, p alert.Problem, c store.Cursor, d Doubts, actions string, err error, delay time.Duration, now time.Time) (store.Cursor, Doubts, Verdict) {
	f := fault(err)
	class := webex.ClassOf(err)
	if s.Op == OpRoot && again(class) && d.RootID != "" {
		// What was taken for deleted is asked again after the wait: the bot may be back in the room by then.
		c = d.kept(c)
		d.RootID, d.PostedAnew = "", false
	}
	if class == webex.RateLimited || class == webex.Unauthorized {
		// The bot's trouble, not the post's: it keeps its turn.
		return c, d, VerdictRetry
	}
	c.LastError, c.TrackingID = err.Error(), f.TrackingID
	if class == webex.Temporary {
		if s.Op == OpEdit {
			c.RootHash = "" // taken or not: what the root shows isn't known any more
		}
		if s.Op == OpEdit && f.Unanswered && c.Attempts == 0 && c.Edits < webex.MaxEdits-1 {
			// Webex may have taken it. Counting it once keeps the count honest without
			// letting an outage eat the edit that is kept for the resolution.
			c.Edits++
		}
		c.Attempts++
		c.NotBefore = now.Add(delay)
		return c, d, VerdictRetry
	}
	if class == webex.Forbidden && s.Op != OpDelete {
		return d.found(c), d, VerdictGone
	}

	switch s.Op {
	case OpRoot:
		if class == webex.NotFound {
			return d.found(c), d, VerdictGone
		}
		return c, d, VerdictDead
	case OpEdit:
		if class == webex.NotFound {
			return postAnew(c, d)
		}
		// More edits than we knew of, or a message that can't be edited: what
		// changed is told in the thread.
		c.Edits = webex.MaxEdits
		return c, d, VerdictReplan
	case OpCard:
		if d.ThreadProved || c.Edits >= editLimit(p) {
			// A card is a convenience: the problem is told without it.
			c.CardID, c.CardActions = "", face(p, actions)
			return c, d, VerdictReplan
		}
		return proveThread(p, c, d, class)
	case OpLines:
		return proveThread(p, c, d, class)
	case OpDelete:
		// Not ours to delete any more: as good as gone.
		return withoutCard(c), d.lost(c, withoutCard(c)), VerdictReplan
	}
	return c, d, VerdictDead
}

// proveThread answers a refused reply. Webex refuses replies to a root that
// somebody deleted, with a status that it doesn't document; an edit tells a
// deleted root from a reply that is refused for itself. So does an edit that is
// one too many: a root that lives refuses it otherwise than one that is gone.
func proveThread(p alert.Problem, c store.Cursor, d Doubts, class webex.Class) (store.Cursor, Doubts, Verdict) {
	if d.ThreadProved && class == webex.NotFound {
		return d.found(c), d, VerdictGone // it isn't the root that is missing
	}
	if d.ThreadProved {
		return c, d, VerdictDead
	}
	if c.CardID == c.RootID { // can't be edited; replaced by another, it goes if it is there still
		if d.PostedAnew {
			return c, d, VerdictDead
		}
		d.PostedAnew, c.CardActions = true, ""
		return c, d, VerdictReplan
	}
	d.ThreadProved = true
	c.Shown, c.RootHash = 0, "" // the same text again: an edit that tells whether the root lives
	c.Edits = min(c.Edits, editLimit(p)-1)
	return c, d, VerdictReplan
}

// postAnew forgets a root that somebody deleted, once.
func postAnew(c store.Cursor, d Doubts) (store.Cursor, Doubts, Verdict) {
	if d.PostedAnew {
		return c, d, VerdictDead
	}
	d.PostedAnew, d.RootID, d.CardID, d.CardActions = true, c.RootID, c.CardID, c.CardActions
	// A card in the old thread is replaced by one in the new.
	return d.believed(c), d, VerdictReplan
}

// again says whether a call that failed so is to be made again.
func again(c webex.Class) bool {
	return c == webex.RateLimited || c == webex.Unauthorized || c == webex.Temporary
}

// Dead is the cursor of a dead letter.
func Dead(c store.Cursor, reason, trackingID string, now time.Time) store.Cursor {
	c.State, c.LastError, c.TrackingID, c.DeadAt = store.PostDead, reason, trackingID, now
	return c
}

// fault is what Webex said; the zero value where it said nothing.
func fault(err error) webex.Error {
	if e := (*webex.Error)(nil); errors.As(err, &e) {
		return *e
	}
	return webex.Error{}
}

// notTaken is the log level of a call that failed. The client of Webex logs an outage in which
// something else answers for Webex, once; here it would be a line for each message.
func notTaken(err error) slog.Level {
	if fault(err).Foreign {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}
