package alert

import (
	"cmp"
	"time"
)

// Merge is what Apply needs to merge events in any order: for each part of a problem, the best value so far by a
// total order, and the event that it is from. Its JSON names are short, since it is stored with every problem.
type Merge struct {
	States

	Facts  origins      `json:"f,omitzero"`
	Macros macroOrigins `json:"m,omitzero"`
	// The hosts of payloads and of the API, if both are known.
	PayloadHosts []Host `json:"th,omitempty"`
	APIHosts     []Host `json:"ah,omitempty"`

	Reports []report `json:"t,omitempty"`
	Nudges  []Nudge  `json:"nu,omitempty"` // the newest of each key, sorted by key
	// Seq is the highest Entry.Seq ever given. The Seq of an entry that was merged away isn't reused, since it may
	// have been posted.
	Seq int `json:"n,omitempty"`
}

// States are the parts of Merge that can be compared.
type States struct {
	Problem    bool  `json:"p,omitempty"`  // the problem event came
	Recovery   bool  `json:"r,omitempty"`  // the recovery event came
	Confirmed  bool  `json:"c,omitempty"`  // the API knows it
	FoundOpen  bool  `json:"fo,omitempty"` // reconciliation found the problem
	FoundEnd   bool  `json:"fe,omitempty"` // reconciliation found that it is resolved
	SeenEnd    bool  `json:"se,omitempty"` // another answer of the API, or an update, reported that
	Cancelled  int64 `json:"x,omitempty"`  // the earliest note that the escalation was cancelled
	Released   int64 `json:"xl,omitempty"` // the latest such note
	Alive      int64 `json:"al,omitempty"` // the latest message of the problem event
	Clock      int64 `json:"cl,omitempty"` // suppressions that end at this time or before have ended
	Superseded int64 `json:"su,omitempty"` // when a later problem with the same event id began
	Resolved   bool  `json:"e,omitempty"`  // an event reported that it is resolved

	Opened     estimate `json:"o,omitzero"`
	ResolvedAt estimate `json:"d,omitzero"`

	Severity   latest[int]    `json:"s,omitzero"`
	Ack        latest[int]    `json:"a,omitzero"`
	Suppressed latest[int]    `json:"u,omitzero"`
	Owner      ownership      `json:"ow,omitzero"`
	Cause      latest[string] `json:"ca,omitzero"`
	RootCause  latest[string] `json:"rc,omitzero"`

	Observation observed `json:"ob,omitzero"`
	GoneAt      int64    `json:"g,omitempty"` // the earliest answer of the API without it
}

// The ranks of events as sources of facts. A recovery comes last: some tags are missing, and its values are those after
// the problem.
const (
	rankNone = iota
	rankRecovery
	rankUpdate
	rankProblem
	rankObservation
)

func rankOf(e Event) int {
	switch e.Kind {
	case KindProblem, KindOccurrence:
		return rankProblem
	case KindUpdate:
		return rankUpdate
	case KindRecovery:
		return rankRecovery
	case KindObservation:
		return rankObservation
	default:
		return rankNone
	}
}

// stamp identifies the event that a fact is from. The higher rank wins, then the earlier event, but the later answer
// of the API.
type stamp struct {
	Rank int   `json:"k"`
	At   int64 `json:"t"`
}

// compare is positive if s is better than o.
func (s stamp) compare(o stamp) int {
	if c := cmp.Compare(s.Rank, o.Rank); c != 0 {
		return c
	}
	if s.Rank == rankObservation {
		return cmp.Compare(s.At, o.At)
	}
	return cmp.Compare(o.At, s.At)
}

// latest is something that changes while the problem is open. The latest value wins.
type latest[T cmp.Ordered] struct {
	Seen  int64 `json:"t,omitempty"` // when Zabbix looked
	At    int64 `json:"a,omitempty"` // when the event happened
	Rank  int   `json:"k,omitempty"`
	Value T     `json:"v,omitempty"`
	Until int64 `json:"u,omitempty"` // of a suppression; 0 for indefinitely
}

// latestOf returns an event's value.
func latestOf[T cmp.Ordered](e Event, value T) latest[T] {
	return latest[T]{Seen: micro(e.SentAt), At: micro(e.At), Rank: rankOf(e), Value: value}
}

func (s latest[T]) compare(o latest[T]) int {
	return cmp.Or(cmp.Compare(s.Seen, o.Seen), cmp.Compare(s.At, o.At), cmp.Compare(s.Rank, o.Rank),
		cmp.Compare(s.Value, o.Value), cmp.Compare(s.Until, o.Until))
}

// estimate is a time that events know more or less exactly. The higher class wins, then the event that came first.
type estimate struct {
	Class    int   `json:"k,omitempty"`
	Received int64 `json:"r,omitempty"`
	At       int64 `json:"t,omitempty"`
}

// exact is added to the class of a time that is absolute, not a local date.
const exact = 8

func (c estimate) known() bool { return c.At != 0 }

func (c estimate) compare(o estimate) int {
	return cmp.Or(cmp.Compare(c.Class, o.Class), cmp.Compare(o.Received, c.Received), cmp.Compare(o.At, c.At))
}

// time is never later than the event's arrival: neither a wrong clock nor an unknown time zone puts it into the future.
func (c estimate) time() time.Time {
	if c.Received != 0 {
		return fromMicro(min(c.At, c.Received))
	}
	return fromMicro(c.At)
}

// observed is from the latest answer of the API.
type observed struct {
	At       int64 `json:"t,omitempty"`
	Gone     bool  `json:"g,omitempty"`
	HeldBack bool  `json:"h,omitempty"` // suppressed by a maintenance
	CanClose bool  `json:"c,omitempty"`
	Updates  int   `json:"n,omitempty"` // how many it had
	// Orphaned: its trigger is gone, and the event is left for some hours. Such a problem that was gone before stays gone.
	Orphaned    bool `json:"o,omitempty"`
	CanSuppress bool `json:"s,omitempty"`
}

func (o observed) compare(other observed) int {
	return cmp.Or(cmp.Compare(o.At, other.At), number(other.Gone)-number(o.Gone),
		number(o.HeldBack)-number(other.HeldBack), number(o.CanClose)-number(other.CanClose), cmp.Compare(o.Updates, other.Updates),
		number(o.Orphaned)-number(other.Orphaned), number(o.CanSuppress)-number(other.CanSuppress))
}

// number is 1 for true and 0 for false.
func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// least is the smaller of two values that are both known. The zero value isn't.
func least[T cmp.Ordered](a, b T) T {
	var unknown T
	if a == unknown || b == unknown {
		return max(a, b)
	}
	return min(a, b)
}

// ordered is a part of Merge.
type ordered[T any] interface {
	comparable
	compare(T) int
}

// improve keeps the better of two values.
func improve[T ordered[T]](current *T, candidate T) {
	var none T
	if *current == none || candidate.compare(*current) > 0 {
		*current = candidate
	}
}

// micro is a time in Merge; 0 for none.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicro(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// normal is a time in UTC, to the microsecond, as problems are stored.
func normal(t time.Time) time.Time { return fromMicro(micro(t)) }
