package alert

import (
	"cmp"
	"time"
)

// Merge is the bookkeeping of Apply: for every part of a problem that events
// may tell differently, which of them it is from. Each part is the best of all
// that was told, by a total order, and that is why the order of arrival
// doesn't matter. Its JSON names are short: it is stored with every problem.
type Merge struct {
	Problem    bool  `json:"p,omitempty"`  // the problem event itself came
	Recovery   bool  `json:"r,omitempty"`  // the recovery event itself came
	Confirmed  bool  `json:"c,omitempty"`  // the API knew it
	Cancelled  int64 `json:"x,omitempty"`  // when the escalation was cancelled, by the earliest note
	Released   int64 `json:"xl,omitempty"` // the same by the latest note
	Alive      int64 `json:"al,omitempty"` // when Zabbix last made a message of the problem itself
	Clock      int64 `json:"cl,omitempty"` // up to when suppressions that end by themselves have ended
	Superseded int64 `json:"su,omitempty"` // when a later problem with its event id began
	Resolved   bool  `json:"e,omitempty"`  // something said that it is over

	Opened     clock `json:"o,omitzero"`
	ResolvedAt clock `json:"d,omitzero"`

	Severity   seen `json:"s,omitzero"`
	Ack        seen `json:"a,omitzero"`
	Suppressed seen `json:"u,omitzero"`
	Cause      said `json:"ca,omitzero"`
	RootCause  said `json:"rc,omitzero"`

	Observation observed `json:"ob,omitzero"`
	GoneAt      int64    `json:"g,omitempty"` // the earliest answer that Zabbix doesn't know it

	Facts  origins      `json:"f,omitzero"`
	Macros macroOrigins `json:"m,omitzero"`
	// The hosts as told and as the API has them: only where both are known.
	ToldHosts  []Host `json:"th,omitempty"`
	AskedHosts []Host `json:"ah,omitempty"`

	Pieces []piece `json:"t,omitempty"`
	Nudges []Nudge `json:"nu,omitempty"` // the newest of each key, by key
	// Seq is the highest Entry.Seq ever given: one that went with a merged entry
	// isn't given again, since a room may have been told it.
	Seq int `json:"n,omitempty"`
}

// The ranks of what events say of a problem's facts. A recovery is last: its
// tags lack some, and its values are the recovered ones.
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

// stamp says which event a fact is from. The better one wins: the higher rank,
// then the earlier of two events, but the later of two answers of the API.
type stamp struct {
	Rank int   `json:"k"`
	At   int64 `json:"t"`
}

// compare is positive where s is better than o.
func (s stamp) compare(o stamp) int {
	if c := cmp.Compare(s.Rank, o.Rank); c != 0 {
		return c
	}
	if s.Rank == rankObservation {
		return cmp.Compare(s.At, o.At)
	}
	return cmp.Compare(o.At, s.At)
}

// seen is a state as Zabbix saw it at one moment: the latest moment wins.
type seen struct {
	Seen  int64 `json:"t,omitempty"` // when it was looked at
	At    int64 `json:"a,omitempty"` // when what was told happened
	Rank  int   `json:"k,omitempty"`
	Value int   `json:"v,omitempty"`
	Until int64 `json:"u,omitempty"` // of a suppression; 0 for good
}

func (s seen) compare(o seen) int {
	return cmp.Or(cmp.Compare(s.Seen, o.Seen), cmp.Compare(s.At, o.At), cmp.Compare(s.Rank, o.Rank),
		cmp.Compare(s.Value, o.Value), cmp.Compare(s.Until, o.Until))
}

// said is a text that changes while the problem goes on: the latest wins.
type said struct {
	Seen int64  `json:"t,omitempty"`
	At   int64  `json:"a,omitempty"`
	Rank int    `json:"k,omitempty"`
	Text string `json:"v,omitempty"`
}

func (s said) compare(o said) int {
	return cmp.Or(cmp.Compare(s.Seen, o.Seen), cmp.Compare(s.At, o.At), cmp.Compare(s.Rank, o.Rank),
		cmp.Compare(s.Text, o.Text))
}

// clock is a moment that events tell more or less exactly: the higher class
// wins, then the event that came first.
type clock struct {
	Class    int   `json:"k,omitempty"`
	Received int64 `json:"r,omitempty"`
	At       int64 `json:"t,omitempty"`
}

// exact is added to the class of a time that isn't from a local date.
const exact = 8

func (c clock) known() bool { return c.At != 0 }

func (c clock) compare(o clock) int {
	return cmp.Or(cmp.Compare(c.Class, o.Class), cmp.Compare(o.Received, c.Received), cmp.Compare(o.At, c.At))
}

// time is the moment, but never later than when the relay heard of it: neither a clock that is
// ahead nor an unknown time zone puts anything into the future.
func (c clock) time() time.Time {
	if c.Received != 0 {
		return fromMicro(min(c.At, c.Received))
	}
	return fromMicro(c.At)
}

// observed is the latest answer of the API.
type observed struct {
	At       int64 `json:"t,omitempty"`
	Gone     bool  `json:"g,omitempty"`
	HeldBack bool  `json:"h,omitempty"` // suppressed, and not by hand alone
	CanClose bool  `json:"c,omitempty"`
}

func (o observed) compare(other observed) int {
	return cmp.Or(cmp.Compare(o.At, other.At), compareBool(other.Gone, o.Gone),
		compareBool(o.HeldBack, other.HeldBack), compareBool(o.CanClose, other.CanClose))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// comparable parts of Merge: take keeps the better one and says whether it changed.
type ordered[T any] interface {
	comparable
	compare(T) int
}

func take[T ordered[T]](current *T, candidate T) bool {
	var none T
	if *current == candidate || (*current != none && candidate.compare(*current) <= 0) {
		return false
	}
	*current = candidate
	return true
}

// micro is a time as Merge keeps it; 0 for none.
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

// normal is a time as problems keep it: UTC, to the microsecond.
func normal(t time.Time) time.Time { return fromMicro(micro(t)) }
