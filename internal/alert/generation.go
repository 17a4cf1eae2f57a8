package alert

import (
	"strconv"
	"strings"
	"time"
)

// Relation says which of the problems with its event id an event is about. Ids repeat when a Zabbix database is
// recreated, or when two servers send as one source: docs/adr/002-event-ids-that-come-back.md.
type Relation int

// The relations of an event to a problem.
const (
	Same    Relation = iota // this one, as far as the relay knows
	Later                   // one that began after it
	Earlier                 // one that began before it
)

const (
	// startSlack is how far reports of one start may differ. In Zabbix they don't.
	startSlack = 5 * second
	// zoneSpan is how far two readings of one local time can differ: from UTC-12 to UTC+14, and an hour.
	zoneSpan = 27 * 60 * minute
)

// Earlier is the key of the n-th problem (from 1) that had this event id before. No event of Zabbix has such an id.
func (k Key) Earlier(n int) Key {
	return Key{Source: k.Source, EventID: k.EventID + "~" + strconv.Itoa(n)}
}

// EarlierOf reports whether k is an Earlier key of other.
func (k Key) EarlierOf(other Key) bool {
	return strings.EqualFold(k.Source, other.Source) && strings.HasPrefix(k.EventID, other.EventID+"~")
}

// Original is the key that Zabbix knows, which people read and type: an Earlier key without its number.
func (k Key) Original() Key {
	id, _, _ := strings.Cut(k.EventID, "~")
	return Key{Source: k.Source, EventID: id}
}

// Relation reports whether an event is about this problem. It is unless its trigger or its start differs. Start times are
// usually local, and are compared modulo time zones, except for a problem that begins after this one has ended.
func (p Problem) Relation(e Event) Relation {
	start, trigger, exactly := e.Opened, e.Facts.TriggerID, e.Exact
	switch {
	case e.Kind == KindAction || e.Kind == KindNudge || e.Kind == KindClock || e.Kind == KindSymptom:
		return Same
	case e.Kind == KindObservation && (e.Observation == nil || e.Observation.Gone):
		return Same
	case e.Kind == KindObservation:
		start, trigger, exactly = e.Observation.Opened, e.Observation.TriggerID, true
	}
	known := p.Merge.Opened
	began, stated := micro(normal(start)), known.known() && known.Class%exact != rankNone && !start.IsZero()
	apart := int64(0)
	if stated {
		apart = distance(began, known.At)
	}
	another := trigger != "" && p.TriggerID != "" && trigger != p.TriggerID || p.ofAnotherKind(e)
	switch {
	case !stated:
	case exactly && known.Class >= exact:
		another = another || apart > startSlack
	case apart > zoneSpan || zoneDistance(began, known.At) > startSlack:
		another = true
	case e.Kind == KindProblem && p.Merge.Resolved && p.Merge.ResolvedAt.Class%exact != rankNone:
		// A message that arrives at once proves its time zone, unless that puts the start into the future.
		received := micro(e.ReceivedAt)
		atOnce := e.SentAt.IsZero() || distance(micro(e.SentAt), received) <= actionSlack
		another = another || atOnce && began-received <= actionSlack && began-p.Merge.ResolvedAt.At > actionSlack
	}
	switch {
	case !another:
		return Same
	case stated && apart > startSlack:
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

// ofAnotherKind reports whether one of problem and event has a trigger and the other belongs to something without
// one, such as a service. Without a trigger id the origin may be a guess.
func (p Problem) ofAnotherKind(e Event) bool {
	if e.Kind == KindObservation || p.Origin == "" || e.Origin == "" {
		return false
	}
	ofTrigger := func(o Origin, id string) bool { return o == OriginTrigger && id != "" }
	without := func(o Origin, id string) bool { return o != OriginTrigger && id == "" }
	return ofTrigger(p.Origin, p.TriggerID) && without(e.Origin, e.Facts.TriggerID) ||
		without(p.Origin, p.TriggerID) && ofTrigger(e.Origin, e.Facts.TriggerID)
}

// Supersede returns the problem after another one got its event id: under another key and resolved, since Zabbix no
// longer knows it. at is when the other one began.
func (p Problem) Supersede(key Key, at, now time.Time) Problem {
	was := p
	p.Key, p.Merge.Superseded = key, max(1, micro(normal(at)))
	p.derive()
	if p.timelineStale(was) {
		p.rebuildTimeline()
	}
	if !was.looksSame(p) {
		p.Revision++
		p.ChangedAt = normal(now)
	}
	return p
}

// Superseded reports whether another problem got its event id.
func (p Problem) Superseded() bool { return p.Merge.Superseded != 0 }
