package alert

import (
	"strconv"
	"strings"
	"time"
)

// Relation says which problem an event is about, of those that had its event id.
type Relation int

// A database that was made anew counts its events from 1 again, and two servers under one source
// both count. See docs/adr/002-event-ids-that-come-back.md.
const (
	Same    Relation = iota // this one, as far as can be told
	Later                   // one that began after it
	Earlier                 // one that began before it
)

const (
	// startSlack is how far the times of one start may be apart: none at all, in Zabbix.
	startSlack = 5 * second
	// zoneSpan is how far apart two readings of one local time can be: from UTC-12 to UTC+14, and an hour.
	zoneSpan = 27 * 60 * minute
)

// Earlier is the key of the n-th problem, from 1, whose event id another one has taken. No event
// of Zabbix has such an id.
func (k Key) Earlier(n int) Key {
	return Key{Source: k.Source, EventID: k.EventID + "~" + strconv.Itoa(n)}
}

// EarlierOf says whether k is the key of a problem whose event id the other one's has taken.
func (k Key) EarlierOf(other Key) bool {
	return strings.EqualFold(k.Source, other.Source) && strings.HasPrefix(k.EventID, other.EventID+"~")
}

// Original is the key under which Zabbix knows, or knew, a problem: that of Earlier without its
// number. People read and type this one.
func (k Key) Original() Key {
	id, _, _ := strings.Cut(k.EventID, "~")
	return Key{Source: k.Source, EventID: id}
}

// Relation says whether an event is about this problem: it is, unless its trigger or its start is
// another one. An event that tells neither is. Start times are local as a rule, so that they are
// compared modulo time zones, but for a problem that begins after this one has ended.
func (p Problem) Relation(e Event) Relation {
	start, trigger, exactly := e.Opened, e.Facts.TriggerID, e.Exact
	switch {
	case e.Kind == KindAction || e.Kind == KindNudge || e.Kind == KindClock:
		return Same
	case e.Kind == KindObservation && (e.Observation == nil || e.Observation.Gone):
		return Same
	case e.Kind == KindObservation:
		start, trigger, exactly = e.Observation.Opened, e.Observation.TriggerID, true
	}
	known := p.Merge.Opened
	began, told := micro(normal(start)), known.known() && known.Class%exact != rankNone && !start.IsZero()
	apart := int64(0)
	if told {
		apart = distance(began, known.At)
	}
	another := trigger != "" && p.TriggerID != "" && trigger != p.TriggerID || p.ofAnotherKind(e)
	switch {
	case !told:
	case exactly && known.Class >= exact:
		another = another || apart > startSlack
	case apart > zoneSpan || zoneDistance(began, known.At) > startSlack:
		another = true
	case e.Kind == KindProblem && p.Merge.Resolved && p.Merge.ResolvedAt.Class%exact != rankNone:
		// A message that arrives at once tells its zone for certain, unless by it the problem
		// begins in the future.
		received := micro(e.ReceivedAt)
		atOnce := e.SentAt.IsZero() || distance(micro(e.SentAt), received) <= actionSlack
		another = another || atOnce && began-received <= actionSlack && began-p.Merge.ResolvedAt.At > actionSlack
	}
	switch {
	case !another:
		return Same
	case told && apart > startSlack:
		if began < known.At {
			return Earlier
		}
		return Later
	case micro(e.ReceivedAt) < known.Received:
		return Earlier
	default:
		return Later
	}
}

// ofAnotherKind says whether one of the problem and the event is of a trigger, and the other of something
// without one: a service, an item. Where no trigger is named, the origin may be a guess.
func (p Problem) ofAnotherKind(e Event) bool {
	if e.Kind == KindObservation || p.Origin == "" || e.Origin == "" {
		return false
	}
	ofTrigger := func(o Origin, id string) bool { return o == OriginTrigger && id != "" }
	without := func(o Origin, id string) bool { return o != OriginTrigger && id == "" }
	return ofTrigger(p.Origin, p.TriggerID) && without(e.Origin, e.Facts.TriggerID) ||
		without(p.Origin, p.TriggerID) && ofTrigger(e.Origin, e.Facts.TriggerID)
}

// Supersede gives the problem once another one has its event id: under another key, and over, for
// Zabbix knows it no more. at is when the other one began.
func (p Problem) Supersede(key Key, at, now time.Time) Problem {
	was := p
	p.Key, p.Merge.Superseded = key, max(1, micro(normal(at)))
	p.derive()
	if p.timelineStale(was) {
		p.retell()
	}
	if !was.looksLike(p) {
		p.Revision++
		p.ChangedAt = normal(now)
	}
	return p
}

// Superseded says whether another problem has its event id.
func (p Problem) Superseded() bool { return p.Merge.Superseded != 0 }
