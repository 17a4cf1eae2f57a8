package zabbixsim

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"time"
)

// Item is one item of a trigger. Its values follow the trigger's problems: they rise from Normal to Bad before one opens, and fall
// after it.
type Item struct {
	ID, Name, Key string
	Type          string // as in the API: "0" float, "2" log, "3" unsigned
	Units         string
	Normal, Bad   float64
	Noise         float64       // at most this much is added
	Rise          time.Duration // from Normal to Bad; 0: at once
	Values        map[string]string
	Texts         [2]string // of a log: usually, and during a problem
}

// The items' storage periods and interval.
const (
	itemHistory = 7 * 24 * time.Hour
	itemTrends  = 365 * 24 * time.Hour
	itemDelay   = time.Minute
)

// items returns a trigger's items: a ping, unless it says something else.
func (t Trigger) items() []Item {
	if len(t.Items) > 0 {
		return t.Items
	}
	return []Item{{ID: t.ItemID, Name: t.ItemName, Key: "icmpping", Type: "3", Normal: 1, Values: map[string]string{"0": "down", "1": "up"}}}
}

// expression returns a trigger's expression, expanded.
func (t Trigger) expression() string {
	if t.Expression != "" {
		return t.Expression
	}
	return fmt.Sprintf("max(/%s/icmpping,#3)=0", t.Host.Host)
}

// spell is a time in which a trigger had a problem.
type spell struct{ from, to time.Time }

// itemOf finds an item with its trigger's problems. mu is held.
func (s *Server) itemOf(id string) (item Item, host Host, spells []spell, ok bool) {
	find := func(t Trigger) bool {
		for _, i := range t.items() {
			if i.ID == id {
				item, host, ok = i, t.Host, true
			}
		}
		return ok
	}
	if !slices.ContainsFunc(s.triggers, find) {
		for _, p := range s.problems {
			if find(p.Trigger) {
				break
			}
		}
	}
	if !ok || s.broken.showNothing {
		return item, host, nil, false
	}
	for _, p := range s.problems {
		if slices.ContainsFunc(p.Trigger.items(), func(i Item) bool { return i.ID == id }) {
			to := p.Resolved
			if p.RecoveryID == 0 {
				to = time.Now().Add(time.Hour)
			}
			spells = append(spells, spell{p.Opened, to})
		}
	}
	return item, host, spells, true
}

// at returns the item's value at a time, the same whenever it is asked for.
func (i Item) at(at time.Time, spells []spell) float64 {
	bad := 0.0 // how much of a problem there is
	for _, p := range spells {
		switch {
		case !at.Before(p.from.Add(-time.Minute)) && at.Before(p.to):
			bad = 1
		case i.Rise > 0 && at.Before(p.from) && p.from.Sub(at) < i.Rise:
			bad = max(bad, 1-float64(p.from.Sub(at))/float64(i.Rise))
		case i.Rise > 0 && !at.Before(p.to) && at.Sub(p.to) < i.Rise/3:
			bad = max(bad, 1-3*float64(at.Sub(p.to))/float64(i.Rise))
		}
	}
	h := fnv.New64a()
	fmt.Fprint(h, i.ID, at.Unix())
	v := i.Normal + (i.Bad-i.Normal)*bad + i.Noise*float64(h.Sum64()%1000)/1000
	if i.Type == "3" {
		v = math.Round(v)
	}
	return v
}

// item is an item as item.get answers it.
func (s *Server) item(i Item, h Host, a args) row {
	o := row{"itemid": i.ID, "name": i.Name, "key_": i.Key, "value_type": i.Type, "units": i.Units, "history": "7d", "trends": "365d", "delay": "1m", "hosts": []any{row{"hostid": h.ID, "host": h.Host}}}
	if s.forms.strict {
		o["name_resolved"] = i.Name
	}
	if i.Type == "2" {
		o["trends"] = "0"
	}
	if a.has("selectValueMap") {
		o["valuemap"] = []any{} // as PHP has an empty object
		if len(i.Values) > 0 {
			mappings := []any{}
			for value, name := range i.Values {
				mappings = append(mappings, row{"type": "0", "value": value, "newvalue": name})
			}
			o["valuemap"] = row{"mappings": mappings}
		}
	}
	return o
}

func (s *Server) itemsByID(a args) (any, *rpcError) {
	known := []string{"itemid", "name", "key_", "value_type", "units", "history", "trends", "delay", "valuemapid", "lastvalue", "lastclock"}
	if s.forms.strict {
		known = append(known, "name_resolved")
		for _, name := range a.ids("output") {
			if !slices.Contains(known, name) {
				return nil, invalid(`Invalid parameter "/output/1": value must be one of "itemid", "type", …, not %q.`, name)
			}
		}
	}
	out := []any{}
	for _, id := range a.ids("itemids") {
		if i, h, _, ok := s.itemOf(id); ok {
			out = append(out, s.item(i, h, a))
		}
	}
	return out, nil
}

// window returns the times of a call's values: at most of this age, each a step apart, the oldest first.
func (a args) window(age, step time.Duration) (times []time.Time) {
	now := time.Now()
	from, to := now.Add(-age), now
	if n, ok := a.number("time_from"); ok {
		from = later(from, time.Unix(int64(n), 0))
	}
	if n, ok := a.number("time_till"); ok {
		to = earlier(to, time.Unix(int64(n), 0))
	}
	for at := from.Truncate(step); !at.After(to); at = at.Add(step) {
		if !at.Before(from) {
			times = append(times, at)
		}
	}
	return times
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// historyGet answers with values, if the item has that kind of them.
func (s *Server) historyGet(_ User, a args) (any, *rpcError) {
	kind := "3"
	if raw, given := a["history"]; given {
		var n json.Number
		if json.Unmarshal(raw, &n) != nil || !slices.Contains([]string{"0", "1", "2", "3", "4", "5"}, n.String()) || n == "5" && !s.forms.strict {
			return nil, invalid(`Incorrect value for field "history": value must be one of 0, 1, 2, 3, 4.`)
		}
		kind = n.String()
	}
	out := []any{}
	for _, id := range a.ids("itemids") {
		i, _, spells, ok := s.itemOf(id)
		if !ok || i.Type != kind {
			continue
		}
		times := a.window(itemHistory, itemDelay)
		if a.text("sortorder") == "DESC" {
			slices.Reverse(times)
		}
		for _, at := range times {
			v := i.at(at, spells)
			value := strconv.FormatFloat(v, 'f', -1, 64)
			if i.Type == "2" {
				value = i.Texts[0]
				if v > (i.Normal+i.Bad)/2 {
					value = i.Texts[1]
				}
			}
			out = append(out, row{"itemid": id, "clock": itoa(at.Unix()), "ns": "0", "value": value})
		}
	}
	return a.limited(out), nil
}

// trendGet answers with the summaries of hours that are over.
func (s *Server) trendGet(_ User, a args) (any, *rpcError) {
	const each = 5 * time.Minute
	out := []any{}
	for _, id := range a.ids("itemids") {
		i, _, spells, ok := s.itemOf(id)
		if !ok || i.Type != "0" && i.Type != "3" {
			continue
		}
		for _, hour := range a.window(itemTrends, time.Hour) {
			if hour.Add(time.Hour).After(time.Now()) {
				continue
			}
			low, top, sum := math.Inf(1), math.Inf(-1), 0.0
			for k := range int(time.Hour / each) {
				v := i.at(hour.Add(time.Duration(k)*each), spells)
				low, top, sum = min(low, v), max(top, v), sum+v
			}
			text := func(v float64) string { return strconv.FormatFloat(v, 'f', 4, 64) }
			out = append(out, row{"itemid": id, "clock": itoa(hour.Unix()), "num": "60", "value_min": text(low), "value_avg": text(sum / float64(time.Hour/each)), "value_max": text(top)})
		}
	}
	return a.limited(out), nil
}
