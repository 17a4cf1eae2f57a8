package alert

import "time"

// State is where a problem stands.
type State string

const (
	// StateUnknown is a problem of which only updates or a recovery came yet.
	StateUnknown State = "unknown"
	// StateOpen is a problem that goes on.
	StateOpen State = "open"
	// StateResolved is a problem that is over. Zabbix never reopens an event.
	StateResolved State = "resolved"
	// StateOccurred is a discovery or autoregistration event: nothing that lasts.
	StateOccurred State = "occurred"
)

// EntryKind is what one line of the timeline tells.
type EntryKind string

// The kinds of timeline entries. An update may have done several things at
// once: it is one entry of kind EntryUpdate, and its Update tells them all.
const (
	EntryOpened    EntryKind = "opened"
	EntryUpdate    EntryKind = "update"
	EntryResolved  EntryKind = "resolved"
	EntryCancelled EntryKind = "cancelled" // Zabbix cancelled the escalation
	EntryOccurred  EntryKind = "occurred"
	EntryEscalated EntryKind = "escalated" // nobody acknowledged it in time: others were told
	EntryReminded  EntryKind = "reminded"  // it goes on, and nobody has acknowledged it
)

// Entry is one line of a problem's timeline.
type Entry struct {
	// Seq counts the entries of a problem in the order in which the relay
	// learned of them, from 1. A post remembers the last one it told. It depends
	// on the order of arrival; nothing else of a problem does.
	Seq  int       `json:"seq"`
	Key  string    `json:"key"` // what makes it unique in its problem: section 6 of the design
	Kind EntryKind `json:"kind"`
	At   time.Time `json:"at"`
	// Update is set for EntryUpdate.
	Update *Update `json:"update,omitempty"`
	// Nudge is set for EntryEscalated and EntryReminded.
	Nudge *Nudge `json:"nudge,omitempty"`
}

// Problem is the state of one Zabbix problem. Apply makes it from events; its
// zero value is a problem of which nothing is known.
type Problem struct {
	Key    Key    `json:"key"`
	Origin Origin `json:"origin"`
	State  State  `json:"state"`
	// Generation is how many problems had its event id before it: Key.Earlier has them.
	Generation int `json:"generation,omitempty"`
	// Revision counts the changes that a room could see, from 1. It depends on
	// the order of arrival, as Entry.Seq does.
	Revision int64 `json:"revision"`

	Facts
	// SendTo is every {ALERT.SENDTO} that messages of the problem were sent to, sorted.
	SendTo          []string  `json:"send_to,omitempty"`
	Severity        Severity  `json:"severity"`
	Acknowledged    bool      `json:"acknowledged"`
	Suppressed      bool      `json:"suppressed,omitempty"`
	SuppressedUntil time.Time `json:"suppressed_until,omitzero"`
	HeldBack        bool      `json:"held_back,omitempty"` // suppressed by a maintenance before its problem was told
	Cancelled       bool      `json:"cancelled,omitempty"` // Zabbix cancelled its escalation, and has sent nothing about it since
	Gone            bool      `json:"gone,omitempty"`      // Zabbix no longer knows it
	Announced       bool      `json:"announced,omitempty"` // its problem event came, or the API confirmed it
	CanClose        bool      `json:"can_close,omitempty"` // the API says that its trigger allows closing by hand
	Observed        bool      `json:"observed,omitempty"`  // the API has answered about it at least once
	RecoveredOpData string    `json:"recovered_opdata,omitempty"`

	OpenedAt   time.Time `json:"opened_at,omitzero"`
	ResolvedAt time.Time `json:"resolved_at,omitzero"`
	ChangedAt  time.Time `json:"changed_at,omitzero"` // when the relay last learned something visible

	Timeline []Entry `json:"timeline,omitempty"` // by Seq

	// Merge holds what Apply needs to merge events that come in any order: which
	// event each fact is from. Nobody else looks into it.
	Merge Merge `json:"merge"`
}

// Change says what one event did to its problem.
type Change struct {
	Duplicate bool // the event was known, and brought nothing that a room could see
	Changed   bool // the problem must be written, if only for its bookkeeping
	Visible   bool // a room could see the difference: Revision went up
	Headline  bool // what one line about the problem says has changed: a group's message has one for each member
	Acted     bool // somebody did something to this problem in particular, and it was not known before
	Opened    bool // the problem became known as open with this event
	Resolved  bool // the problem became resolved with this event
}

// SuppressedAt reports whether the problem is suppressed at that moment. Suppressed is what the
// last message said; a suppression may have ended by itself since.
func (p Problem) SuppressedAt(now time.Time) bool {
	return p.Suppressed && p.Open() && (p.SuppressedUntil.IsZero() || now.Before(p.SuppressedUntil))
}

// Open says whether the problem goes on.
func (p Problem) Open() bool { return p.State == StateOpen || p.State == StateUnknown }

// LastSeq is the Seq of the newest timeline entry, 0 if there is none.
func (p Problem) LastSeq() int {
	last := 0
	for _, e := range p.Timeline {
		last = max(last, e.Seq)
	}
	return last
}

// AcknowledgedBy is the update that acknowledged the problem last; nil if it
// isn't acknowledged or nobody told who did.
func (p Problem) AcknowledgedBy() *Update {
	if !p.Acknowledged {
		return nil
	}
	var by *Update
	for _, e := range p.Timeline {
		if u := e.Update; u != nil && u.Actions.Ack != u.Actions.Unack && (by == nil || !u.At.Before(by.At)) {
			by = u
		}
	}
	if by != nil && by.Actions.Unack { // no event named who acknowledged it again
		return nil
	}
	return by
}

// LastComment is the newest update that says something; nil if none does.
func (p Problem) LastComment() *Update {
	var last *Update
	for _, e := range p.Timeline {
		if e.Update != nil && e.Update.Text() != "" && (last == nil || !e.Update.At.Before(last.At)) {
			last = e.Update
		}
	}
	return last
}

// Text is what a person wrote with the update, without the relay's signature.
func (u Update) Text() string {
	if u.Comment != "" {
		return u.Comment
	}
	if u.Actor.Email != "" { // the relay's own action with no words of the person's
		return ""
	}
	return u.Message
}

// HostLabels are the names of the problem's hosts as people know them.
func (p Problem) HostLabels() []string {
	labels := make([]string, 0, len(p.Hosts))
	for _, h := range p.Hosts {
		labels = append(labels, h.Label())
	}
	return labels
}
