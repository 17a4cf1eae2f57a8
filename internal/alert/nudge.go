package alert

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MentionAll in Nudge.Mention stands for everybody in the room.
const MentionAll = "all"

// PersonRoom is the prefix of the room name of a direct chat with a person: "person:alice@example.com".
const PersonRoom = "person:"

// Nudge is an escalation or a reminder of a problem that nobody has acknowledged, or the question whether those who acknowledged it
// are still on it.
type Nudge struct {
	Kind EntryKind `json:"kind"` // EntryEscalated, EntryReminded or EntryAsked
	// Room is the room whose route asks for it.
	Room    string        `json:"room"`
	Step    int           `json:"step,omitempty"`    // of an escalation, from 0
	Rooms   []string      `json:"rooms,omitempty"`   // to which an escalation or a question goes as well
	Mention []string      `json:"mention,omitempty"` // e-mail addresses, MentionAll
	Gaps    []Gap         `json:"gaps,omitempty"`    // where somebody on duty whom the step asks for isn't mentioned
	After   time.Duration `json:"after,omitempty"`   // how long the problem was unacknowledged, or nobody did anything to it
	At      time.Time     `json:"at"`
}

// Gap says why nobody on duty in a layer of a schedule can be reached.
type Gap struct {
	Why      GapReason `json:"why"`
	Schedule string    `json:"schedule"`
	Layer    string    `json:"layer"`
}

// GapReason is the reason of a gap.
type GapReason string

// The reasons.
const (
	GapNobody     GapReason = "nobody"      // nobody is on duty
	GapUnwritable GapReason = "unwritable"  // the relay may not write to those who are
	GapUnread     GapReason = "unread"      // the calendar couldn't be read yet
	GapNoSchedule GapReason = "no_schedule" // the schedule isn't configured any more
)

// String is for logs.
func (g Gap) String() string { return g.Schedule + " (" + g.Layer + "): " + string(g.Why) }

func (g Gap) compare(o Gap) int {
	return cmp.Or(cmp.Compare(g.Why, o.Why), cmp.Compare(g.Schedule, o.Schedule), cmp.Compare(g.Layer, o.Layer))
}

// For reports whether the nudge is for a room.
func (n Nudge) For(room string) bool { return n.Room == room || slices.Contains(n.Rooms, room) }

// MentionIn returns whom the nudge mentions in a room: nobody in a direct chat, where every message notifies.
func (n Nudge) MentionIn(room string) []string {
	if strings.HasPrefix(room, PersonRoom) {
		return nil
	}
	return n.Mention
}

// key is equal for nudges of which a problem keeps only the newest, so that it doesn't grow with every reminder.
func (n Nudge) key() string {
	return string(n.Kind) + ":" + n.Room + ":" + strconv.Itoa(n.Step)
}

// entry is the key of its timeline entry. A newer nudge is another entry.
func (n Nudge) entry() string { return n.key() + "@" + strconv.FormatInt(micro(n.At), 10) }

// compare is positive if n is newer than o.
func (n Nudge) compare(o Nudge) int {
	return cmp.Or(n.At.Compare(o.At), cmp.Compare(n.After, o.After), slices.Compare(n.Rooms, o.Rooms), slices.Compare(n.Mention, o.Mention), slices.CompareFunc(n.Gaps, o.Gaps, Gap.compare))
}

// mergeNudge keeps a nudge unless a newer one is stored. It reports whether it did.
func (p *Problem) mergeNudge(e Event) bool {
	if e.Kind != KindNudge || e.Nudge == nil {
		return false
	}
	n := *e.Nudge
	n.At = cmp.Or(normal(n.At), e.At)
	nudges := slices.Clone(p.Merge.Nudges)
	i, known := slices.BinarySearchFunc(nudges, n.key(), func(have Nudge, key string) int { return strings.Compare(have.key(), key) })
	switch {
	case !known:
		nudges = slices.Insert(nudges, i, n)
	case n.compare(nudges[i]) > 0:
		nudges[i] = n
	default:
		return false
	}
	p.Merge.Nudges = nudges
	return true
}

// Unattended reports whether the problem escalates and reminds, and from when on: it is open, not acknowledged, not
// cancelled by Zabbix, and not suppressed, or only until from.
func (p Problem) Unattended(now time.Time) (from time.Time, ok bool) {
	switch {
	case p.State != StateOpen || p.HeldBack || p.Acknowledged || p.Cancelled:
		return time.Time{}, false
	case !p.SuppressedAt(now):
		return now, true
	}
	return p.SuppressedUntil, !p.SuppressedUntil.IsZero()
}
