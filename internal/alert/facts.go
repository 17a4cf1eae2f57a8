package alert

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// The facts whose origin Merge remembers. The numbers are stored: add at the end.
const (
	factOrigin = iota
	factName
	factGroups
	factTags
	factOpData
	factRecoveredOpData
	factTriggerID
	factTriggerName
	factTriggerDescription
	factTriggerURL
	factTriggerURLName
	factItemID
	factItemName
	factService
	factObject
	factPayloadHosts
	factAPIHosts
	factCount
)

// origins records which event each fact is from. From has the stamps, best first; Of has, for each fact, the index of
// its stamp plus one, 0 for none.
type origins struct {
	From []stamp `json:"f,omitempty"`
	Of   []int   `json:"o,omitempty"`
}

func (o origins) expand() (stamps [factCount]stamp) {
	for i, n := range o.Of {
		if i < factCount && n > 0 && n <= len(o.From) {
			stamps[i] = o.From[n-1]
		}
	}
	return stamps
}

func collapse(stamps [factCount]stamp) origins {
	o := origins{From: distinct(slices.Values(stamps[:])), Of: make([]int, factCount)}
	for i, s := range stamps {
		o.Of[i] = slices.Index(o.From, s) + 1
	}
	return o
}

// macroOrigins is the same for macros. Macros that aren't in Of are from the first stamp of From.
type macroOrigins struct {
	From []stamp        `json:"f,omitempty"`
	Of   map[string]int `json:"o,omitempty"`
}

// distinct returns each stamp once, best first, without the zero one.
func distinct(all func(func(stamp) bool)) []stamp {
	var from []stamp
	for s := range all {
		if s != (stamp{}) && !slices.Contains(from, s) {
			from = append(from, s)
		}
	}
	slices.SortFunc(from, func(a, b stamp) int { return b.compare(a) })
	return from
}

// merger merges the facts of an event into a problem.
type merger struct {
	stamps  [factCount]stamp
	changed bool
}

// fact replaces a fact if the event is better than the one it is from. Of equally good events the smaller value wins, so
// that the order doesn't matter.
func fact[T any](m *merger, id int, s stamp, current *T, candidate T, nothing bool, compare func(a, b T) int) (replaced bool) {
	if nothing {
		return false
	}
	if m.stamps[id] != (stamp{}) {
		if c := s.compare(m.stamps[id]); c < 0 || (c == 0 && compare(candidate, *current) >= 0) {
			return false
		}
	}
	*current, m.stamps[id], m.changed = candidate, s, true
	return true
}

func text(m *merger, id int, s stamp, current *string, candidate string) {
	fact(m, id, s, current, candidate, candidate == "", strings.Compare)
}

func list[T any](m *merger, id int, s stamp, current *[]T, candidate []T, compare func(a, b T) int) (replaced bool) {
	return fact(m, id, s, current, candidate, len(candidate) == 0,
		func(a, b []T) int { return slices.CompareFunc(a, b, compare) })
}

func compareTags(a, b Tag) int {
	return cmp.Or(strings.Compare(a.Tag, b.Tag), strings.Compare(a.Value, b.Value))
}

func compareHosts(a, b Host) int {
	return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Host, b.Host),
		strings.Compare(a.Name, b.Name), strings.Compare(a.IP, b.IP))
}

// mergeFacts merges an event's facts. It reports whether anything changed.
func (p *Problem) mergeFacts(e Event, f Facts) bool {
	m := &merger{stamps: p.Merge.Facts.expand()}
	s := stamp{Rank: rankOf(e), At: micro(e.ReceivedAt)}
	if e.Kind == KindObservation {
		s.At = micro(e.Observation.At)
	} else {
		// An answer of the API has no origin, since only problems of triggers are looked up.
		origin := string(p.Origin)
		text(m, factOrigin, s, &origin, string(e.Origin))
		p.Origin = Origin(origin)
	}
	text(m, factName, s, &p.Name, f.Name)
	if list(m, factGroups, s, &p.Groups, f.Groups, strings.Compare) {
		p.GroupsSplit = f.GroupsSplit
	}
	list(m, factTags, s, &p.Tags, f.Tags, compareTags)
	text(m, factTriggerID, s, &p.TriggerID, f.TriggerID)
	text(m, factTriggerName, s, &p.TriggerName, f.TriggerName)
	text(m, factTriggerDescription, s, &p.TriggerDescription, f.TriggerDescription)
	text(m, factTriggerURL, s, &p.TriggerURL, f.TriggerURL)
	text(m, factTriggerURLName, s, &p.TriggerURLName, f.TriggerURLName)
	item := s
	if e.Kind == KindObservation {
		item = below(s) // a payload has the first item of the expression, the API any
	}
	text(m, factItemID, item, &p.ItemID, f.ItemID)
	text(m, factItemName, item, &p.ItemName, f.ItemName)
	text(m, factService, s, &p.Service, f.Service)
	text(m, factObject, s, &p.Object, f.Object)
	p.mergeOpData(m, e, s, f.OpData)
	p.mergeHosts(m, s, f.Hosts)
	if m.changed {
		p.Merge.Facts = collapse(m.stamps)
	}
	return p.mergeMacros(s, f.Macros) || m.changed
}

// below is the stamp of an API answer for a fact that every payload has more reliably. The later answer wins.
func below(s stamp) stamp { return stamp{Rank: rankNone, At: -s.At} }

// mergeOpData keeps the value that the problem opened with and the one that it recovered with. Zabbix evaluates
// operational data when it sends or answers, so the problem's message is nearest to the event, and the API has nothing
// once the problem is resolved.
func (p *Problem) mergeOpData(m *merger, e Event, s stamp, value string) {
	switch {
	case e.Kind == KindObservation:
		if !e.Observation.Resolved {
			text(m, factOpData, below(s), &p.OpData, value)
		}
	case e.Resolved || e.Kind == KindRecovery:
		if e.Kind == KindRecovery {
			s.Rank = rankProblem // before a later update's
		}
		text(m, factRecoveredOpData, s, &p.RecoveredOpData, value)
	default:
		text(m, factOpData, s, &p.OpData, value)
	}
}

// mergeHosts prefers the API's hosts, since a payload has at most five, and takes their addresses from the payload, since
// the API's event has none.
func (p *Problem) mergeHosts(m *merger, s stamp, hosts []Host) {
	payload, api := p.Merge.PayloadHosts, p.Merge.APIHosts
	if m.stamps[factAPIHosts] == (stamp{}) {
		payload = p.Hosts // the only known hosts are stored once
	} else if m.stamps[factPayloadHosts] == (stamp{}) {
		api = p.Hosts
	}
	if s.Rank == rankObservation {
		list(m, factAPIHosts, s, &api, hosts, compareHosts)
	} else {
		list(m, factPayloadHosts, s, &payload, hosts, compareHosts)
	}
	switch {
	case len(api) == 0:
		p.Hosts = payload
	case len(payload) == 0:
		p.Hosts = api
	default:
		p.Merge.PayloadHosts, p.Merge.APIHosts = payload, api
		p.Hosts = withAddresses(api, payload)
	}
}

func withAddresses(hosts, known []Host) []Host {
	out := slices.Clone(hosts)
	for i, h := range out {
		if h.IP != "" {
			continue
		}
		for _, k := range known {
			if (h.ID != "" && h.ID == k.ID) || (k.ID == "" && h.Host != "" && h.Host == k.Host) {
				out[i].IP = k.IP
				break
			}
		}
	}
	return out
}

// mergeMacros merges each macro by itself.
func (p *Problem) mergeMacros(s stamp, macros map[string]string) bool {
	if len(p.Macros) == 0 && len(macros) > 0 && s != (stamp{}) { // the first event of nearly every problem
		p.Macros, p.Merge.Macros = macros, macroOrigins{From: []stamp{s}}
		return true
	}
	current := p.Merge.Macros
	of := func(name string) stamp {
		if i := current.Of[name]; i < len(current.From) {
			return current.From[i]
		}
		return stamp{}
	}
	var better []string
	for name, value := range macros {
		have, ok := p.Macros[name]
		if ok {
			if c := s.compare(of(name)); c < 0 || (c == 0 && value >= have) {
				continue
			}
		}
		better = append(better, name)
	}
	if better == nil {
		return false
	}
	stamps := make(map[string]stamp, len(p.Macros)+len(better))
	for name := range p.Macros {
		stamps[name] = of(name)
	}
	p.Macros = maps.Clone(p.Macros)
	if p.Macros == nil {
		p.Macros = make(map[string]string, len(better))
	}
	for _, name := range better {
		p.Macros[name], stamps[name] = macros[name], s
	}
	merged := macroOrigins{From: distinct(maps.Values(stamps))}
	for name, st := range stamps {
		if i := slices.Index(merged.From, st); i > 0 {
			if merged.Of == nil {
				merged.Of = make(map[string]int)
			}
			merged.Of[name] = i
		}
	}
	p.Merge.Macros = merged
	return true
}
