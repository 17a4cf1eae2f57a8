package alert

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// MemoryWindow is the span in which Memory counts a trigger's problems.
const MemoryWindow = 30 * 24 * time.Hour

const (
	keepOccurrences = 50 // of a trigger, the newest
	keepRemarks     = 10 // of a trigger's occurrences, the newest
	keepRooms       = 20 // of an occurrence, the first in alphabetical order
	maxRemark       = 300
	leastUsual      = 3 // durations that make one of them usual
)

// TriggerKey identifies a trigger on a host, across problems.
type TriggerKey struct{ Source, TriggerID, Host string }

// Trigger returns the trigger that a problem is of; false for a problem of something else, or of an unknown trigger. A trigger of
// several hosts belongs to the first one in alphabetical order.
func (p Problem) Trigger() (TriggerKey, bool) {
	if p.Origin != OriginTrigger || p.TriggerID == "" {
		return TriggerKey{}, false
	}
	k := TriggerKey{Source: p.Key.Source, TriggerID: p.TriggerID}
	for _, h := range p.Hosts {
		if h.Host != "" {
			k.Host = least(k.Host, h.Host)
		}
	}
	return k, true
}

// Micro is a time in microseconds since 1970. In JSON it costs a fraction of a time.Time. 0 is the zero time.
type Micro int64

// MicroOf returns a time as a Micro.
func MicroOf(t time.Time) Micro { return Micro(micro(t)) }

// Time returns the time in UTC.
func (m Micro) Time() time.Time { return fromMicro(int64(m)) }

// Occurrence is a resolved problem of a trigger, in short.
type Occurrence struct {
	EventID  string `json:"e"`
	Opened   Micro  `json:"o"`
	Resolved Micro  `json:"r,omitempty"` // 0 if unknown: it was gone from Zabbix
	// Rooms are those that the problem was posted in, sorted. Others may not read the remark.
	Rooms  []string `json:"in,omitempty"`
	Remark *Remark  `json:"s,omitempty"`
}

// Remark is the last text that somebody wrote about a problem.
type Remark struct {
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// TriggerStats is what the relay remembers of a trigger's resolved problems after they were pruned: the newest, oldest first.
type TriggerStats struct {
	Trigger     TriggerKey   `json:"-"`
	Occurrences []Occurrence `json:"occurrences"`
	// Forgotten is when the newest of those opened that were dropped; zero for none.
	Forgotten time.Time `json:"forgotten,omitzero"`
}

// Add returns the statistics with a resolved problem that was posted in these rooms, and whether that changed them. A problem that was
// added before is replaced. The order in which problems are added makes no difference.
func (s TriggerStats) Add(p Problem, rooms []string) (TriggerStats, bool) {
	if p.OpenedAt.IsZero() {
		return s, false
	}
	o, was := occurrenceOf(p, rooms), s.Occurrences
	full := len(was) == keepOccurrences
	old := slices.IndexFunc(was, func(k Occurrence) bool { return k.Of(p) })
	switch {
	case old >= 0 && was[old].same(o):
		return s, false
	case old < 0 && full && compareOccurrences(o, was[0]) < 0:
		forgot := p.OpenedAt.After(s.Forgotten)
		if forgot {
			s.Forgotten = p.OpenedAt
		}
		return s, forgot
	}
	s.Occurrences = append(make([]Occurrence, 0, len(was)+1), was...)
	if old >= 0 {
		s.Occurrences = slices.Delete(s.Occurrences, old, old+1)
	}
	i, _ := slices.BinarySearchFunc(s.Occurrences, o, compareOccurrences)
	s.Occurrences = slices.Insert(s.Occurrences, i, o)
	if full && old < 0 {
		s.Forgotten = s.Occurrences[0].Opened.Time()
		s.Occurrences = s.Occurrences[1:]
	}
	remarks := 0
	for i := range slices.Backward(s.Occurrences) {
		if s.Occurrences[i].Remark == nil {
			continue
		}
		if remarks++; remarks > keepRemarks {
			s.Occurrences[i].Remark = nil
		}
	}
	return s, !slices.EqualFunc(was, s.Occurrences, Occurrence.same)
}

// occurrenceOf returns a resolved problem that was posted in these rooms in short.
func occurrenceOf(p Problem, rooms []string) Occurrence {
	o := Occurrence{EventID: p.Key.EventID, Opened: MicroOf(p.OpenedAt), Resolved: MicroOf(p.ResolvedAt), Remark: remarkOf(p)}
	if p.Gone {
		o.Resolved = 0
	}
	rooms = slices.Compact(slices.Sorted(slices.Values(rooms)))
	o.Rooms = rooms[:min(len(rooms), keepRooms)]
	return o
}

func compareOccurrences(a, b Occurrence) int {
	return cmp.Or(cmp.Compare(a.Opened, b.Opened), cmp.Compare(len(a.EventID), len(b.EventID)), strings.Compare(a.EventID, b.EventID))
}

// Of reports whether the occurrence is this problem. Its start may have become more precise since, and its event id may belong to
// another problem now (Key.Earlier).
func (o Occurrence) Of(p Problem) bool {
	if o.EventID == p.Key.EventID {
		return distance(int64(o.Opened), micro(p.OpenedAt)) <= zoneSpan
	}
	return o.Opened == MicroOf(p.OpenedAt) && o.EventID == p.Key.Original().EventID
}

// same reports whether two versions of an occurrence are equal.
func (o Occurrence) same(with Occurrence) bool {
	remark := o.Remark == nil && with.Remark == nil ||
		o.Remark != nil && with.Remark != nil && o.Remark.At.Equal(with.Remark.At) && o.Remark.By == with.Remark.By && o.Remark.Text == with.Remark.Text
	return remark && o.EventID == with.EventID && o.Opened == with.Opened && o.Resolved == with.Resolved && slices.Equal(o.Rooms, with.Rooms)
}

// remarkOf returns the last text that somebody wrote about a problem; nil for none.
func remarkOf(p Problem) *Remark {
	u := p.LastComment()
	if u == nil {
		return nil
	}
	words := strings.Join(strings.Fields(u.Text()), " ")
	if r := []rune(words); len(r) > maxRemark {
		words = string(r[:maxRemark-1]) + "…"
	}
	name := u.Actor.Name
	if name == "" || name == HiddenAuthor {
		name = u.Actor.Email
	}
	return &Remark{By: name, At: u.At, Text: words}
}

// Memory is what the relay remembered of a problem's trigger when the problem opened.
type Memory struct {
	Known   bool          `json:"known,omitempty"`    // the trigger had a problem before
	Times   int           `json:"times"`              // problems in MemoryWindow, this one included
	AtLeast bool          `json:"at_least,omitempty"` // there were more than the relay remembers
	Usual   time.Duration `json:"usual,omitempty"`    // the median duration; 0 for fewer than three
	Latest  time.Duration `json:"latest,omitempty"`   // how long the problem before this one lasted; 0 if unknown
	// Remarks are about earlier problems, newest first: for each room that may read some, the newest.
	Remarks []PostedRemark `json:"remarks,omitempty"`
}

// PostedRemark is a remark about a problem that was posted in these rooms.
type PostedRemark struct {
	Remark
	Rooms []string `json:"in"`
}

// Last returns the newest remark that may be read; nil if there is none.
func (m Memory) Last(mayRead func(rooms []string) bool) *Remark {
	for _, r := range m.Remarks {
		if mayRead(r.Rooms) {
			return &r.Remark
		}
	}
	return nil
}

// Before returns the memory of a problem: what is known of those that opened before it.
func (s TriggerStats) Before(p Problem) Memory {
	self := Occurrence{EventID: p.Key.EventID, Opened: MicroOf(p.OpenedAt)}
	since := p.OpenedAt.Add(-MemoryWindow)
	m := Memory{Known: !s.Forgotten.IsZero() && s.Forgotten.Before(p.OpenedAt), Times: 1, AtLeast: s.Forgotten.After(since)}
	var lasted []time.Duration
	var remarks []PostedRemark
	for _, o := range s.Occurrences {
		if compareOccurrences(o, self) >= 0 {
			break
		}
		m.Known, m.Latest = true, 0
		if o.Opened > MicroOf(since) {
			m.Times++
		}
		if d := time.Duration(o.Resolved-o.Opened) * time.Microsecond; o.Resolved != 0 && d >= 0 {
			m.Latest = d
			lasted = append(lasted, d)
		}
		if o.Remark != nil {
			remarks = append(remarks, PostedRemark{*o.Remark, o.Rooms})
		}
	}
	m.Remarks = newestByRoom(remarks)
	if len(lasted) >= leastUsual {
		slices.Sort(lasted)
		m.Usual = lasted[len(lasted)/2]
	}
	return m
}

// newestByRoom keeps the remarks that are the newest in one of their rooms, newest first.
func newestByRoom(all []PostedRemark) (newest []PostedRemark) {
	slices.SortStableFunc(all, func(a, b PostedRemark) int { return b.At.Compare(a.At) })
	has := map[string]bool{}
	for _, r := range all {
		news := false
		for _, room := range r.Rooms {
			news = news || !has[room]
			has[room] = true
		}
		if news {
			newest = append(newest, r)
		}
	}
	return newest
}
