package step

import (
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// NextNotice decides the next step for a notice. A message with a card can't be edited: it is deleted, with its
// buttons, and posted again. So is one without edits left.
func NextNotice(n store.Notice, now time.Time) Step {
	switch {
	case n.State == store.NoticeDead:
		return Step{Op: OpNone, Reason: ReasonDead}
	case n.State != store.NoticePending:
		return Step{Op: OpNone, Reason: ReasonCaughtUp}
	case now.Before(n.NotBefore):
		return Step{Op: OpWait, Reason: ReasonBackoff, Until: n.NotBefore}
	case n.MessageID == "":
		return Step{Op: OpNotice, Reason: ReasonNew}
	case n.SentVersion >= n.Version:
		return Step{Op: OpNone, Reason: ReasonCaughtUp}
	case len(n.Card) > 0:
		return Step{Op: OpDelete, Reason: ReasonNewButtons}
	case n.Edits >= webex.MaxEdits:
		return Step{Op: OpNotice, Reason: ReasonChanged}
	}
	return Step{Op: OpNoticeEdit, Reason: ReasonChanged}
}

// AcceptedNotice is a notice after a step that Webex accepted.
func AcceptedNotice(s Step, n store.Notice, id string) store.Notice {
	m := messageOfNotice(n, Doubt{})
	switch s.Call() {
	case Remove:
		return withNotice(n, m.posted("", ""))
	case Edit:
		m = m.edited("")
	default:
		m = m.posted(id, "")
	}
	n = withNotice(n, m)
	n.State, n.SentVersion = store.NoticeSent, n.Version
	return n
}

// RefusedNotice is a notice after a call that failed.
func RefusedNotice(s Step, n store.Notice, d Doubt, err error, backoff time.Duration, now time.Time) (store.Notice, Doubt, Verdict) {
	m, verdict := messageOfNotice(n, d).refused(s.Call(), err, backoff, now)
	switch {
	case s.Call() == Remove && verdict == Replan:
		m.Missing = m.ID
		m = m.believed()
	case verdict == Gone:
		verdict = Dead
	}
	if verdict == Dead {
		n.State = store.NoticeDead
	}
	return withNotice(n, m), m.Doubt, verdict
}

// BelievedNotice is a notice as read from the store, without a message that is missing.
func BelievedNotice(n store.Notice, d Doubt) store.Notice {
	return withNotice(n, messageOfNotice(n, d).believed())
}

// StoredNotice is a notice as it is stored.
func StoredNotice(n store.Notice, d Doubt) store.Notice {
	return withNotice(n, messageOfNotice(n, d).Stored())
}

func messageOfNotice(n store.Notice, d Doubt) Message {
	return Message{
		ID: n.MessageID, Edits: n.Edits, Attempts: n.Attempts, NotBefore: n.NotBefore,
		LastError: n.LastError, TrackingID: n.TrackingID, Doubt: d,
	}
}

func withNotice(n store.Notice, m Message) store.Notice {
	n.MessageID, n.Edits, n.Attempts, n.NotBefore = m.ID, m.Edits, m.Attempts, m.NotBefore
	n.LastError, n.TrackingID = m.LastError, m.TrackingID
	return n
}
