package step

import (
	"time"

	"nms-alert-relay/internal/webex"
)

// Message is a message of the relay that is edited when its content changes.
type Message struct {
	ID         string // Webex message id; "" before it is posted
	Hash       string // of the text that it shows; "" if unknown
	Edits      int
	Attempts   int // failures in a row
	NotBefore  time.Time
	LastError  string
	TrackingID string
	Doubt
}

// Doubt is what failed calls suggest about a message. It lasts until the message is up to date, and isn't stored: a
// restart costs one more call.
type Doubt struct {
	// Missing is the id of a message that Webex doesn't find. The store keeps it until another is posted
	// in its place: if the room turns out to accept nothing at all, the message is still there.
	Missing  string
	Reposted bool // the message was missing once, and was posted again
	Probe    Probe
}

// Probe is the state of checking by an edit whether a message exists whose thread refused a reply: Webex refuses
// replies to a deleted message with a status that it doesn't document.
type Probe int

// The states of a probe.
const (
	ProbeNone Probe = iota
	ProbeDue        // the next edit shows it
	ProbeDone       // the message exists
)

// Stored is the message as it is stored.
func (m Message) Stored() Message {
	if m.ID == "" {
		m.ID = m.Missing
	}
	return m
}

// believed is a message as read from the store, without an id that is missing.
func (m Message) believed() Message {
	if m.Missing != "" && m.ID == m.Missing {
		m.ID, m.Hash, m.Edits = "", "", 0
	}
	return m
}

// restored gives the message its id back, since it may still exist.
func (m Message) restored() Message {
	if m.ID == "" {
		m.ID = m.Missing
	}
	m.Missing = ""
	return m
}

// succeeded resets the failures.
func (m Message) succeeded() Message {
	m.Attempts, m.NotBefore, m.LastError, m.TrackingID = 0, time.Time{}, "", ""
	return m
}

func (m Message) posted(id, hash string) Message {
	m = m.succeeded().probed()
	m.ID, m.Hash, m.Edits, m.Missing = id, hash, 0, ""
	return m
}

func (m Message) edited(hash string) Message {
	m = m.succeeded().probed()
	m.Hash, m.Edits = hash, min(m.Edits+1, webex.MaxEdits)
	return m
}

// replied records that the message's thread accepts replies.
func (m Message) replied() Message {
	m = m.succeeded()
	m.Probe = ProbeNone
	return m
}

// probed records that the message exists.
func (m Message) probed() Message {
	if m.Probe == ProbeDue {
		m.Probe = ProbeDone
	}
	return m
}

// refused is the message after a call that failed. backoff is the wait before the same call is repeated.
func (m Message) refused(c Call, err error, backoff time.Duration, now time.Time) (Message, Verdict) {
	f, class := webex.ErrorOf(err), webex.ClassOf(err)
	if c == Post && again(class) && m.Missing != "" {
		// The next attempt looks for the missing message again: the bot may be back in the room by then.
		m = m.restored()
		m.Reposted = false
	}
	if class == webex.RateLimited || class == webex.Unauthorized {
		return m, Retry // the bot's trouble, not the message's
	}
	m.LastError, m.TrackingID = err.Error(), f.TrackingID
	if class == webex.Temporary {
		if c == Edit {
			m.Hash = ""
			if f.Unanswered && m.Attempts == 0 && m.Edits < webex.MaxEdits-1 {
				m.Edits++ // Webex may have accepted it; once, so that an outage doesn't use up the edits
			}
		}
		m.Attempts++
		m.NotBefore = now.Add(backoff)
		return m, Retry
	}
	missing, probed := class == webex.NotFound, m.Probe == ProbeDone && (c == Reply || c == Attach)
	switch {
	case c == Remove:
		return m, Replan // as good as deleted
	case class == webex.Forbidden && c != Attach, missing && (c == Post || probed):
		return m.restored(), Gone
	case c == Post, probed, missing && c == Edit && m.Reposted:
		return m, Dead
	case c == Edit && missing:
		m.Reposted, m.Missing = true, m.ID
		return m.believed(), Replan
	case c == Edit: // the message can't be edited, or had more edits than were counted
		m.Edits = webex.MaxEdits
		return m.probed(), Replan
	}
	m.Probe, m.Hash = ProbeDue, ""
	return m, Replan
}

// again reports whether a call that failed with this class is repeated.
func again(c webex.Class) bool {
	return c == webex.RateLimited || c == webex.Unauthorized || c == webex.Temporary
}
