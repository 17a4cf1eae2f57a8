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

// Occurrence is a resolved problem of a trigger, in short.
type Occurrence struct {
	EventID    string    `json:"e"`
	OpenedAt   time.Time `json:"o"`
	ResolvedAt time.Time `json:"r,omitzero"` // zero if unknown: it was gone from Zabbix
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
	o := occurrenceOf(p, rooms)
	old := slices.IndexFunc(s.Occurrences, func(k Occurrence) bool { return k.Of(p) })
	full := len(s.Occurrences) == keepOccurrences
	switch {
	case old >= 0 && s.Occurrences[old].same(o):
		return s, false
	case old < 0 && full && compareOccurrences(o, s.Occurrences[0]) < 0:
		forgot := o.OpenedAt.After(s.Forgotten)
		if forgot {
			s.Forgotten = o.OpenedAt
		}
		return s, forgot
	}
	was := s.Occurrences
	s.Occurrences = slices.Clone(was)
	if old >= 0 {
		s.Occurrences[old] = o
	} else {
		s.Occurrences = append(s.Occurrences, o)
	}
	slices.SortFunc(s.Occurrences, compareOccurrences)
	if full && old < 0 {
		s.Forgotten = s.Occurrences[0].OpenedAt
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
	o := Occurrence{EventID: p.Key.EventID, OpenedAt: p.OpenedAt, ResolvedAt: p.ResolvedAt, Remark: remarkOf(p)}
	if p.Gone {
		o.ResolvedAt = time.Time{}
	}
	rooms = slices.Compact(slices.Sorted(slices.Values(rooms)))
	o.Rooms = rooms[:min(len(rooms), keepRooms)]
	return o
}

func compareOccurrences(a, b Occurrence) int {
	return cmp.Or(a.OpenedAt.Compare(b.OpenedAt), cmp.Compare(len(a.EventID), len(b.EventID)), strings.Compare(a.EventID, b.EventID))
}

// Of reports whether the occurrence is this problem. Its start may have become more precise since, and its event id may belong to
// another problem now (Key.Earlier).
func (o Occurrence) Of(p Problem) bool {
	if o.EventID == p.Key.EventID {
		return distance(micro(o.OpenedAt), micro(p.OpenedAt)) <= zoneSpan
	}
	return o.EventID == p.Key.Original().EventID && o.OpenedAt.Equal(p.OpenedAt)
}

// same reports whether two versions of an occurrence are equal.
func (o Occurrence) same(with Occurrence) bool {
	remark := o.Remark == nil && with.Remark == nil ||
		o.Remark != nil && with.Remark != nil && o.Remark.At.Equal(with.Remark.At) && o.Remark.By == with.Remark.By && o.Remark.Text == with.Remark.Text
	return remark && o.EventID == with.EventID && o.OpenedAt.Equal(with.OpenedAt) && o.ResolvedAt.Equal(with.ResolvedAt) && slices.Equal(o.Rooms, with.Rooms)
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
	self := Occurrence{EventID: p.Key.EventID, OpenedAt: p.OpenedAt}
	since := p.OpenedAt.Add(-MemoryWindow)
	m := Memory{Known: !s.Forgotten.IsZero() && s.Forgotten.Before(p.OpenedAt), Times: 1, AtLeast: s.Forgotten.After(since)}
	var lasted []time.Duration
	var remarks []PostedRemark
	for _, o := range s.Occurrences {
		if compareOccurrences(o, self) >= 0 {
			break
		}
		m.Known, m.Latest = true, 0
		if o.OpenedAt.After(since) {
			m.Times++
		}
		if d := o.ResolvedAt.Sub(o.OpenedAt); !o.ResolvedAt.IsZero() && d >= 0 {
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
