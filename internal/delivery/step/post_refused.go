package step

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// PostDoubt is the doubt about a post: about its root, and about a card that Webex doesn't find.
type PostDoubt struct {
	Doubt
	CardID, CardActions string
}

// Believed is a cursor as read from the store, without a root that is missing.
func (d PostDoubt) Believed(c store.Cursor) store.Cursor {
	if c.RootID == "" || c.RootID != d.Missing {
		return c
	}
	if c.CardID == c.RootID {
		c.CardID = ""
	}
	c.RootID, c.RootHash, c.CardActions = "", "", "" // a card in the old thread is replaced by one in the new
	return c
}

// Stored is a cursor as it is stored.
func (d PostDoubt) Stored(c store.Cursor) store.Cursor {
	if c.RootID == "" && d.Missing != "" {
		c.RootID = d.Missing
		if d.CardID == d.Missing { // the root is the card
			c.CardID = d.CardID
		}
	}
	return c
}

// restored gives a cursor its messages back: once the room accepts messages again they are edited, and
// none is posted beside them.
func (d PostDoubt) restored(c store.Cursor) store.Cursor {
	if c.RootID == "" {
		c.RootID = d.Missing
	}
	if c.CardID == "" && d.CardID != "" {
		c.CardID, c.CardActions = d.CardID, d.CardActions
	}
	return c
}

// RefusedPost is the cursor after a call that failed.
func RefusedPost(s Step, p alert.Problem, c store.Cursor, d PostDoubt, actions string, err error, backoff time.Duration, now time.Time) (store.Cursor, PostDoubt, Verdict) {
	class := webex.ClassOf(err)
	m, verdict := rootOf(c, d.Doubt).refused(s.Call(), err, backoff, now)
	after := withRoot(c, m)
	switch {
	case verdict == Retry:
		if m.ID != "" && m.ID == d.CardID {
			after.CardID = d.CardID // the missing root was the card
		}
	case s.Op == OpCard && class != webex.Forbidden && (d.Probe == ProbeDone || c.Edits >= editLimit(p)):
		// A card is a convenience: the problem is shown without it.
		m.Probe, after.RootHash = d.Probe, c.RootHash
		after.CardID, after.CardActions = "", face(p, actions)
		verdict = Replan
	case verdict == Gone:
		after = d.restored(after)
	case s.Op == OpDelete:
		d.CardID, d.CardActions = c.CardID, c.CardActions
		if after = withoutCard(after); after.RootID == "" {
			m.Missing = c.RootID
		}
	case s.Op == OpEdit && m.ID == "":
		d.CardID, d.CardActions = c.CardID, c.CardActions
		after.CardActions = "" // the card in the old thread is replaced by one in the new
	case s.Call() == Reply && c.CardID == c.RootID && d.Reposted:
		verdict = Dead
	case s.Call() == Reply && c.CardID == c.RootID:
		// A card can't be edited: it is replaced, which also shows whether it exists.
		m.Probe, m.Reposted, after.CardActions = ProbeNone, true, ""
		verdict = Replan
	}
	d.Doubt = m.Doubt
	return after, d, verdict
}

// DeadPost is the cursor of a dead letter.
func DeadPost(c store.Cursor, reason, trackingID string, now time.Time) store.Cursor {
	c.State, c.LastError, c.TrackingID, c.DeadAt = store.PostDead, reason, trackingID, now
	return c
}

// rootOf is a post's root.
func rootOf(c store.Cursor, d Doubt) Message {
	return Message{
		ID: c.RootID, Hash: c.RootHash, Edits: c.Edits, Attempts: c.Attempts, NotBefore: c.NotBefore,
		LastError: c.LastError, TrackingID: c.TrackingID, Doubt: d,
	}
}

func withRoot(c store.Cursor, m Message) store.Cursor {
	c.RootID, c.RootHash, c.Edits, c.Attempts, c.NotBefore = m.ID, m.Hash, m.Edits, m.Attempts, m.NotBefore
	c.LastError, c.TrackingID = m.LastError, m.TrackingID
	return c
}
