package alert

import "time"

// State is the state of a problem.
type State string

const (
	// StateUnknown is a problem of which only updates have arrived.
	StateUnknown State = "unknown"
	// StateOpen is a problem that isn't resolved.
	StateOpen State = "open"
	// StateResolved is final, since Zabbix never reopens an event.
	StateResolved State = "resolved"
	// StateOccurred is a discovery or autoregistration event, which doesn't last.
	StateOccurred State = "occurred"
)

// EntryKind is the kind of a timeline entry.
type EntryKind string

// The kinds of timeline entries. An update is one entry, even if it did several things.
const (
	EntryOpened    EntryKind = "opened"
	EntryUpdate    EntryKind = "update"
	EntryResolved  EntryKind = "resolved"
	EntryCancelled EntryKind = "cancelled" // Zabbix cancelled the escalation
	EntryOccurred  EntryKind = "occurred"
	EntryEscalated EntryKind = "escalated" // nobody acknowledged it in time, and others were notified
	EntryReminded  EntryKind = "reminded"  // it is still open, and nobody has acknowledged it
	EntryAsked     EntryKind = "asked"     // it has been acknowledged for long, and people are asked whether they are still on it
)

// Entry is an entry of a problem's timeline.
type Entry struct {
	// Seq numbers the entries of a problem in their order of arrival, from 1. A post remembers the last one that was
	// posted.
	Seq   int       `json:"seq"`
	Key   string    `json:"key"` // unique in its problem
	Kind  EntryKind `json:"kind"`
	At    time.Time `json:"at"`
	Found bool      `json:"found,omitempty"` // by reconciliation alone
	// Update is set for EntryUpdate.
	Update *Update `json:"update,omitempty"`
	// Nudge is set for EntryEscalated, EntryReminded and EntryAsked.
	Nudge *Nudge `json:"nudge,omitempty"`
}

// Problem is the state of a Zabbix problem, made from events by Apply. The zero value is an unknown problem.
type Problem struct {
	Key    Key    `json:"key"`
	Origin Origin `json:"origin"`
	State  State  `json:"state"`
	// Generation counts the problems that had its event id before it (Key.Earlier).
	Generation int `json:"generation,omitempty"`
	// Revision counts the changes that a room could see, from 1, in their order of arrival.
	Revision int64 `json:"revision"`

	Facts
	// SendTo has every {ALERT.SENDTO} of the problem's messages, sorted.
	SendTo          []string  `json:"send_to,omitempty"`
	Severity        Severity  `json:"severity"`
	Acknowledged    bool      `json:"acknowledged"`
	Suppressed      bool      `json:"suppressed,omitempty"`
	SuppressedUntil time.Time `json:"suppressed_until,omitzero"`
	HeldBack        bool      `json:"held_back,omitempty"`    // a maintenance suppressed it before Zabbix sent its problem event
	Cancelled       bool      `json:"cancelled,omitempty"`    // Zabbix cancelled its escalation and has sent nothing since
	Gone            bool      `json:"gone,omitempty"`         // Zabbix no longer knows it
	Owner           Owner     `json:"owner,omitzero"`         // who takes care of it; zero for nobody
	Announced       bool      `json:"announced,omitempty"`    // its problem event arrived, or the API knows it
	CanClose        bool      `json:"can_close,omitempty"`    // its trigger allows manual closing
	CanSuppress     bool      `json:"can_suppress,omitempty"` // its Zabbix can suppress single problems (6.2 or later)
	Observed        bool      `json:"observed,omitempty"`     // the API has answered about it
	Symptoms        Symptoms  `json:"symptoms,omitzero"`      // the problems that Zabbix ranks as its symptoms
	CountedBy       string    `json:"counted_by,omitempty"`   // the event id of the cause whose Symptoms have it; the ledger's
	RecoveredOpData string    `json:"recovered_opdata,omitempty"`
	// Memory is what was remembered of the trigger when the problem opened; nil before it opened. The ledger sets it.
	Memory *Memory `json:"memory,omitempty"`

	OpenedAt   time.Time `json:"opened_at,omitzero"`
	ResolvedAt time.Time `json:"resolved_at,omitzero"`
	ChangedAt  time.Time `json:"changed_at,omitzero"` // when something visible last changed

	Timeline []Entry `json:"timeline,omitempty"` // by Seq

	// Merge is for Apply alone: which event each fact is from.
	Merge Merge `json:"merge"`
}

// Change is the effect of one event on its problem.
type Change struct {
	Duplicate bool // the event was known, and changed nothing that a room could see
	Changed   bool // the problem must be written, if only for its bookkeeping
	Visible   bool // a room could see the difference: Revision went up
	Headline  bool // the one line about the problem in a group's message has changed
	Acted     bool // somebody acted on this problem in particular, and the relay didn't know that before
	Opened    bool // with this event the problem became open
	Resolved  bool // with this event the problem became resolved
	// Found is what reconciliation found with this event; "" for nothing, or nothing that is posted.
	Found Found
}

// SuppressedAt reports whether the problem is suppressed at that time. Suppressed is the state in the last message;
// the suppression may have ended since.
func (p Problem) SuppressedAt(now time.Time) bool {
	return p.Suppressed && p.Open() && (p.SuppressedUntil.IsZero() || now.Before(p.SuppressedUntil))
}

// CanUnsuppress reports whether a person suppressed it, so that a person can end that.
func (p Problem) CanUnsuppress() bool {
	return p.CanSuppress && p.Suppressed && p.Open() && !p.Merge.Observation.HeldBack
}

// Open reports whether the problem isn't resolved, as far as the relay knows.
func (p Problem) Open() bool { return p.State == StateOpen || p.State == StateUnknown }

// EndUnread reports whether the problem resolved after the API's last answer about it.
func (p Problem) EndUnread() bool {
	return p.Merge.Resolved && p.Merge.Observation.At < p.Merge.ResolvedAt.At
}

// Found reports whether only reconciliation found the problem: Zabbix's message about it never came.
func (p Problem) Found() bool { return p.foundOpen() }

// CameByMessage reports whether Zabbix's message about the opening of the problem came.
func (p Problem) CameByMessage() bool { return p.Merge.Problem }

// Reported reports whether that message came, or reconciliation found that it was lost.
func (p Problem) Reported() bool { return p.Merge.Problem || p.Merge.FoundOpen }

// KnownUpdates is how many updates the API listed when it last answered about the problem; -1 if it never did.
func (p Problem) KnownUpdates() int {
	if o := p.Merge.Observation; o.At != 0 && !o.Gone {
		return o.Updates
	}
	return -1
}

// LastSeq is the highest Entry.Seq, 0 without entries.
func (p Problem) LastSeq() int {
	last := 0
	for _, e := range p.Timeline {
		last = max(last, e.Seq)
	}
	return last
}

// AcknowledgedBy is the update that last acknowledged the problem; nil if it isn't acknowledged, or by an unknown
// person.
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
	if by != nil && by.Actions.Unack { // no event says who acknowledged it again
		return nil
	}
	return by
}

// LastComment is the newest update with a text; nil if there is none.
func (p Problem) LastComment() *Update {
	var last *Update
	for _, e := range p.Timeline {
		if e.Update != nil && e.Update.Text() != "" && (last == nil || !e.Update.At.Before(last.At)) {
			last = e.Update
		}
	}
	return last
}

// Text is a person's text, without the relay's signature.
func (u Update) Text() string {
	if u.Comment != "" {
		return u.Comment
	}
	if u.Actor.Email != "" { // an action of the relay's, whose message is only the signature
		return ""
	}
	return u.Message
}
