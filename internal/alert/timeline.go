package alert

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// The keys of entries that a problem has at most once.
const (
	keyOpened    = "opened"
	keyResolved  = "resolved"
	keyCancelled = "cancelled"
	keyOccurred  = "occurred"
)

// addReports adds reports of updates. It reports whether anything changed.
func (p *Problem) addReports(added []report) (changed bool) {
	if len(added) == 0 {
		return false
	}
	reports := p.reports()
	known := make(map[string]int, len(reports)+len(added)) // key → index
	for i, c := range reports {
		known[c.key()] = i
	}
	for _, c := range added {
		i, ok := known[c.key()]
		if !ok {
			known[c.key()] = len(reports)
			reports = append(reports, c)
			changed = true
			continue
		}
		changed = reports[i].merge(c) || changed
	}
	if changed {
		p.Merge.Reports = bounded(reports)
	}
	return changed
}

// A problem keeps this many reports of updates: a script that comments every minute for a month must not make later
// events expensive.
var keepFirst, keepNewest = 20, 480

// bounded drops reports if there are too many. It keeps the first, the newest, and the newest of each action, which
// explain the problem's state. A dropped report would be dropped in any order of arrival, since its rank only falls
// as more come.
func bounded(reports []report) []report {
	if len(reports) <= keepFirst+keepNewest {
		return reports
	}
	slices.SortFunc(reports, orderReports)
	newest := map[int]int{} // by bit
	for i, c := range reports {
		for bit := BitClose; bit <= BitToSymptom; bit <<= 1 {
			if c.Bits&bit != 0 {
				newest[bit] = i
			}
		}
	}
	decides := map[int]bool{}
	for _, i := range newest {
		decides[i] = true
	}
	kept := reports[:0]
	for i, c := range reports {
		if i < keepFirst || i >= len(reports)-keepNewest || decides[i] {
			kept = append(kept, c)
		}
	}
	return kept
}

// reports returns a copy of the known reports, with their messages.
func (p *Problem) reports() []report {
	if len(p.Merge.Reports) == 0 {
		return nil
	}
	messages := make(map[int]string, len(p.Timeline))
	for _, e := range p.Timeline {
		if e.Update != nil {
			messages[e.Seq] = e.Update.Message
		}
	}
	reports := slices.Clone(p.Merge.Reports)
	for i := range reports {
		if !reports[i].Blank && reports[i].message == "" {
			reports[i].message = messages[reports[i].Seq]
		}
	}
	return reports
}

// rebuildTimeline builds the timeline from the known facts. Entries keep their Seq; one that two were merged into
// gets the lower one.
func (p *Problem) rebuildTimeline() {
	var entries []Entry
	add := func(key string, kind EntryKind, at time.Time) {
		e := Entry{Key: key, Kind: kind, At: at, Found: key == keyOpened && p.foundOpen() || key == keyResolved && p.foundEnd()}
		if i := slices.IndexFunc(p.Timeline, func(old Entry) bool { return old.Key == key }); i >= 0 {
			e.Seq = p.Timeline[i].Seq
		}
		entries = append(entries, e)
	}
	if p.State == StateOccurred {
		add(keyOccurred, EntryOccurred, p.OpenedAt)
	} else if p.Announced {
		add(keyOpened, EntryOpened, p.OpenedAt)
	}
	if at := p.endedAt(); !at.IsZero() {
		add(keyResolved, EntryResolved, at)
	}
	if p.Merge.Cancelled != 0 {
		add(keyCancelled, EntryCancelled, fromMicro(p.Merge.Cancelled))
	}
	for _, n := range p.Merge.Nudges {
		add(n.entry(), n.Kind, n.At)
		entries[len(entries)-1].Nudge = &n
	}

	reports := p.reports()
	slices.SortFunc(reports, orderReports)
	groups := group(reports)
	updates := make([]Entry, len(groups))
	used := make(map[int]bool, len(groups))
	for i, g := range groups {
		updates[i] = newEntry(reports, g)
		for _, j := range g {
			if seq := reports[j].Seq; seq > 0 && !used[seq] && (updates[i].Seq == 0 || seq < updates[i].Seq) {
				updates[i].Seq = seq
			}
		}
		used[updates[i].Seq] = true
	}
	if p.Origin == OriginService {
		chainSeverities(p.Announced, reports, groups, updates)
	}
	entries = append(entries, updates...)

	order := make([]*Entry, len(entries))
	for i := range entries {
		order[i] = &entries[i]
	}
	slices.SortStableFunc(order, func(a, b *Entry) int { return arrivalOrder(*a, *b) })
	for _, e := range order {
		if e.Seq == 0 {
			p.Merge.Seq++
			e.Seq = p.Merge.Seq
		}
	}
	for i, g := range groups {
		for _, j := range g {
			reports[j].Seq = entries[len(entries)-len(updates)+i].Seq
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	for i := range reports {
		reports[i].message = "" // it is in the timeline
	}
	p.Timeline, p.Merge.Reports = entries, reports
}

// arrivalOrder orders entries that arrived together.
func arrivalOrder(a, b Entry) int {
	notFirst := func(e Entry) int { return number(e.Key != keyOpened && e.Key != keyOccurred) }
	last := func(e Entry) int { return number(e.Key == keyResolved) }
	return cmp.Or(cmp.Compare(notFirst(a), notFirst(b)), a.At.Compare(b.At), cmp.Compare(last(a), last(b)),
		strings.Compare(a.Key, b.Key))
}

// newEntry makes the entry of an update from its reports. The API's is the most reliable, then the relay's, then the
// payload's. For its own actions the relay knows the actor and the comment best.
func newEntry(reports []report, g []int) Entry {
	var api, own, payload *report
	name := ""
	for _, i := range g {
		c := &reports[i]
		switch {
		case c.Origin == fromAPI:
			api = cmp.Or(api, c)
		case c.Origin == fromRelay:
			own = cmp.Or(own, c)
		default:
			if payload == nil || c.zoneError() < payload.zoneError() {
				payload = c
			}
			name = least(name, c.Name)
		}
	}
	lead := cmp.Or(api, payload, own)
	u := &Update{AckID: lead.AckID, Message: lead.message, Actor: Actor{Name: lead.Name}}
	when := lead
	if own != nil && !lead.Exact {
		when = own
	}
	u.At, u.Exact = fromMicro(when.At), when.Exact
	what := lead
	if own != nil && lead.Other != "" {
		what = own
	}
	u.Actions = what.actions()
	if own != nil && lead == payload && own.Until != 0 {
		u.Actions.SuppressUntil = fromMicro(own.Until)
	}
	if u.Actor.Name == "" || lead == payload {
		u.Actor.Name = name
	}
	if own != nil {
		u.Comment, u.Wide, u.Card, u.Owner = own.Comment, own.Wide, own.Card, own.Owner.owner()
		if own.Name != "" || own.Email != "" {
			u.Actor = Actor{Name: own.Name, Email: own.Email}
		}
	}
	found := lead.Found && own == nil && payload == nil
	return Entry{Key: lead.key(), Kind: EntryUpdate, At: u.At, Update: u, Found: found}
}

// chainSeverities makes each change of a service's severity start from the one before: a payload has only the
// problem's initial severity, from which the first change starts if the problem itself is known. A change that would lead to the
// severity it starts from shows that another one is missing.
func chainSeverities(announced bool, reports []report, groups [][]int, updates []Entry) {
	type change struct {
		seen, at int64
		entry    int
	}
	var changes []change
	for i, g := range groups {
		if updates[i].Update.Actions.Severity == nil {
			continue
		}
		seen := int64(0)
		for _, j := range g {
			seen = least(seen, reports[j].Seen)
		}
		changes = append(changes, change{seen, micro(updates[i].At), i})
	}
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.seen, b.seen), cmp.Compare(a.at, b.at), strings.Compare(updates[a.entry].Key, updates[b.entry].Key))
	})
	for i, c := range changes {
		a := &updates[c.entry].Update.Actions
		chained := *a.Severity
		if i > 0 {
			chained.Old = updates[changes[i-1].entry].Update.Actions.Severity.New
		}
		if i == 0 && !announced || chained.Old == chained.New {
			chained.Old = UnknownSeverity
		}
		a.Severity = &chained
	}
}
