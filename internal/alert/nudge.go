package alert

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MentionAll stands for everybody of a room in Nudge.Mention.
const MentionAll = "all"

// Nudge is the relay's own word about a problem that nobody has acknowledged:
// an escalation, or a reminder.
type Nudge struct {
	Kind EntryKind `json:"kind"` // EntryEscalated or EntryReminded
	// Room is the one whose route asks for it.
	Room    string        `json:"room"`
	Step    int           `json:"step,omitempty"`    // of an escalation, from 0
	Rooms   []string      `json:"rooms,omitempty"`   // that an escalation goes to besides
	Mention []string      `json:"mention,omitempty"` // e-mail addresses, MentionAll
	After   time.Duration `json:"after,omitempty"`   // how long nobody had acknowledged it
	At      time.Time     `json:"at"`
}

// For says whether the nudge is told in a room.
func (n Nudge) For(room string) bool { return n.Room == room || slices.Contains(n.Rooms, room) }

// key is the same for all nudges of which a problem keeps the newest alone: one
// that was reminded of for a month isn't larger than one that was reminded of once.
func (n Nudge) key() string {
	return string(n.Kind) + ":" + n.Room + ":" + strconv.Itoa(n.Step)
}

// entry is the key of its timeline entry: a newer nudge is another entry.
func (n Nudge) entry() string { return n.key() + "@" + strconv.FormatInt(micro(n.At), 10) }

// compare is positive where n is newer than o.
func (n Nudge) compare(o Nudge) int {
	return cmp.Or(n.At.Compare(o.At), cmp.Compare(n.After, o.After), slices.Compare(n.Rooms, o.Rooms), slices.Compare(n.Mention, o.Mention))
}

// takeNudge keeps a nudge where none that is newer is known, and says whether it did.
func (p *Problem) takeNudge(e Event) bool {
	if e.Kind != KindNudge || e.Nudge == nil {
		return false
	}
	n := *e.Nudge
	n.At = firstTime(normal(n.At), e.At)
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

// Unattended says whether the problem escalates and reminds, and from when on: it is open,
// nobody has acknowledged it, Zabbix has not let it go (Cancelled), and nothing suppresses it,
// or only for a time. from is now, or when that time ends.
func (p Problem) Unattended(now time.Time) (from time.Time, ok bool) {
	switch {
	case p.State != StateOpen || p.HeldBack || p.Acknowledged || p.Cancelled:
		return time.Time{}, false
	case !p.SuppressedAt(now):
		return now, true
	}
	return p.SuppressedUntil, !p.SuppressedUntil.IsZero()
}
