package zabbixsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"nms-alert-relay/internal/alert"
)

// The methods of the API, with answers as recorded from a real Zabbix.

func (s *Server) eventAcknowledge(u User, a args) (any, *rpcError) {
	action, _ := a.number("action")
	known := Close | Acknowledge | Comment | Severity | Unack
	if s.forms.suppress {
		known |= Suppress | Unsuppress
	}
	if s.forms.rank {
		known |= toCause | toSymptom
	}
	if action&^known != 0 {
		return nil, invalid(`Incorrect value for field "action": unexpected value "%d".`, action)
	}
	for _, both := range [][2]int{{Acknowledge, Unack}, {Suppress, Unsuppress}, {toCause, toSymptom}} {
		if action&both[0] != 0 && action&both[1] != 0 {
			return nil, invalid(`Incorrect value for field "action": value must be one of %d, %d.`, both[0], both[1])
		}
	}
	switch cause := a.has("cause_eventid"); {
	case action&toSymptom != 0 && !cause:
		return nil, invalid(`Invalid parameter "/": the parameter "cause_eventid" is missing.`)
	case action&toSymptom == 0 && cause && s.forms.strict:
		return nil, invalid(`Invalid parameter "/": unexpected parameter "cause_eventid".`)
	}
	until, _ := a.number("suppress_until")
	if action&Suppress != 0 && until != 0 && int64(until) <= time.Now().Unix() {
		return nil, invalid(`Incorrect value for field "suppress_until": unexpected value "%d".`, until)
	}
	message := a.text("message")
	if action&Comment != 0 && message == "" {
		return nil, invalid(`Incorrect value for field "message": cannot be empty.`)
	}
	if utf8.RuneCountInString(message) > 2048 {
		if s.forms.strict {
			return nil, invalid(`Invalid parameter "/message": value is too long.`)
		}
		return nil, application(fmt.Sprintf(`Value %q is too long for field "message" - 2049 characters. Allowed length is 2048 characters.`, message))
	}
	severity, _ := a.number("severity")
	if action&Severity != 0 && !alert.Severity(severity).Valid() {
		return nil, invalid(`Incorrect value for field "severity": unexpected value "%d".`, severity)
	}
	var found []*Problem
	numbers := []int64{} // numbers here, strings everywhere else, as recorded
	for _, id := range a.ids("eventids") {
		if _, err := strconv.ParseInt(id, 10, 64); err != nil && s.forms.strict {
			return nil, invalid(`Invalid parameter "/eventids/1": a number is expected.`)
		}
		p := s.find(id)
		if p == nil || s.broken.showNothing || (u.ReadOnly && action&(Close|Severity) != 0) {
			return nil, errNoObject
		}
		found, numbers = append(found, p), append(numbers, p.ID)
	}
	for _, p := range found {
		if action&Close != 0 && p.RecoveryID == 0 && (!p.Trigger.ManualClose || p.Orphaned) {
			return nil, application("Cannot close problem: trigger does not allow manual closing.")
		}
	}
	var cause *Problem
	if action&toSymptom != 0 {
		if cause = s.find(a.ids("cause_eventid")[0]); cause == nil || slices.Contains(found, cause) {
			return nil, errNoObject
		}
	}
	message, storable := s.broken.stored(message)
	if !storable {
		return nil, application(sqlFailed)
	}
	for _, p := range found {
		s.acknowledge(p, u, action, message, alert.Severity(severity), int64(until))
		s.rank(p, action, cause)
	}
	return map[string]any{"eventids": numbers}, nil
}

func (s *Server) eventGet(_ User, a args) (any, *rpcError) {
	if a.has("selectAcknowledges") && a.has("select_acknowledges") && s.forms.strict {
		return nil, invalid(`Deprecated parameter "/select_acknowledges" cannot be used with "/selectAcknowledges".`)
	}
	acks := (a.has("selectAcknowledges") && s.forms.camelAcks) || (a.has("select_acknowledges") && s.forms.deprecated)
	out := []any{}
	if s.broken.showNothing {
		return out, nil
	}
	if limit, _ := a.number("limit"); !a.has("eventids") && limit > 0 {
		order := s.order
		if a.text("sortorder") == "DESC" {
			order = slices.Clone(order)
			slices.Reverse(order)
		}
		for _, id := range order[:min(limit, len(order))] {
			out = append(out, s.event(s.problems[id], a, acks))
		}
	}
	for _, id := range a.ids("eventids") {
		if n, err := strconv.ParseUint(id, 10, 64); s.forms.strict && (err != nil || n > math.MaxInt64) {
			return nil, invalid(`Invalid parameter "/eventids/1": a number is too large.`)
		}
		if p := s.find(id); p != nil {
			e := s.event(p, a, acks)
			if slices.Contains(s.broken.odd, id) {
				e["acknowledges"] = map[string]any{"1": "odd"}
			}
			out = append(out, e)
		} else if p := s.recovered(id); p != nil {
			out = append(out, map[string]any{"eventid": id, "source": "0", "object": "0", "objectid": p.Trigger.ID,
				"clock": itoa(p.Resolved.Unix()), "value": "0", "name": p.Trigger.Name, "severity": "0", "r_eventid": "0", "acknowledged": "0"})
		}
	}
	return out, nil
}

func (s *Server) recovered(id string) *Problem {
	for _, p := range s.problems {
		if p.RecoveryID != 0 && itoa(p.RecoveryID) == id {
			return p
		}
	}
	return nil
}

func (s *Server) event(p *Problem, a args, acks bool) map[string]any {
	e := map[string]any{
		"eventid": itoa(p.ID), "source": "0", "object": "0", "objectid": p.Trigger.ID, "clock": itoa(p.Opened.Unix()),
		"ns": itoa(int64(p.Opened.Nanosecond())), "value": "1", "acknowledged": flag(p.Acked), "name": p.Trigger.Name,
		"severity": itoa(int64(p.Severity)), "r_eventid": itoa(p.RecoveryID), "c_eventid": "0", "correlationid": "0", "userid": "0",
		"opdata": p.Trigger.OpData, "suppressed": flag(s.suppressed(p)),
	}
	if s.forms.rank {
		e["cause_eventid"] = itoa(p.CauseID)
	}
	if a.has("selectHosts") {
		h := p.Trigger.Host
		e["hosts"] = []any{map[string]any{"hostid": h.ID, "host": h.Host, "name": h.Name}}
	}
	if a.has("selectTags") {
		e["tags"] = json.RawMessage(tagsJSON(p))
	}
	if a.has("selectSuppressionData") {
		data := []any{}
		if s.byHand(p) {
			data = append(data, map[string]any{"maintenanceid": "0", "suppress_until": itoa(p.Until), "userid": "3"})
		}
		if m := s.maintenanceOf(p.Trigger.Host); m != nil {
			data = append(data, map[string]any{"maintenanceid": m.id, "suppress_until": itoa(m.until), "userid": "0"})
		} else if s.maintained(p) {
			data = append(data, map[string]any{"maintenanceid": "1", "suppress_until": itoa(p.Maintained.Unix()), "userid": "0"})
		}
		e["suppression_data"] = data
	}
	if a.has("selectRelatedObject") {
		e["relatedObject"] = trigger(p.Trigger)
	}
	if acks {
		list := []any{}
		for _, k := range slices.Backward(p.Acks) { // clients mustn't rely on the order
			m := map[string]any{"acknowledgeid": itoa(k.ID), "userid": k.User.ID, "clock": itoa(k.At.Unix()), "message": k.Message,
				"action": itoa(int64(k.Action)), "old_severity": itoa(int64(k.Old)), "new_severity": itoa(int64(k.New)),
				"username": k.User.Username, "name": k.User.Name, "surname": k.User.Surname}
			if s.forms.suppress {
				m["suppress_until"] = itoa(k.Until)
			}
			list = append(list, m)
		}
		e["acknowledges"] = list
	}
	return e
}

func (s *Server) problemGet(_ User, a args) (any, *rpcError) {
	limit, limited := a.number("limit")
	if a.has("limit") && !limited && s.forms.strict {
		return nil, invalid(`Invalid parameter "/limit": an integer is expected.`)
	}
	out := []any{}
	found := s.open(a, limit)
	if a.truth("countOutput") {
		return itoa(int64(len(found))), nil
	}
	var output []string // nil for all properties
	_ = json.Unmarshal(a["output"], &output)
	countAcks := a.text("selectAcknowledges") == "count"
	for _, p := range found {
		e := s.event(p, a, a.has("selectAcknowledges") && !countAcks)
		e["r_clock"] = "0"
		if p.RecoveryID != 0 {
			e["r_clock"] = itoa(p.Resolved.Unix())
		}
		if output != nil {
			maps.DeleteFunc(e, func(name string, value any) bool {
				_, text := value.(string)
				return text && !slices.Contains(output, name)
			})
		}
		if countAcks {
			e["acknowledges"] = itoa(int64(len(p.Acks)))
		}
		out = append(out, e)
	}
	return out, nil
}

// open returns the problems that problem.get's filters select, at most limit unless that is 0.
func (s *Server) open(a args, limit int) (found []*Problem) {
	if s.broken.showNothing {
		return nil
	}
	from, _ := a.number("eventid_from")
	var ids map[string]bool
	for _, id := range a.ids("eventids") {
		if ids == nil {
			ids = map[string]bool{}
		}
		ids[id] = true
	}
	severities := a.ids("severities")
	order := s.order
	first, _ := slices.BinarySearch(order, int64(from))
	order = order[first:]
	if a.text("sortorder") == "DESC" {
		order = slices.Clone(order)
		slices.Reverse(order)
	}
	for _, id := range order {
		p := s.problems[id]
		if p.Orphaned || (p.RecoveryID != 0 && !a.truth("recent")) || (ids != nil && !ids[itoa(id)]) ||
			a.has("suppressed") && a.truth("suppressed") != s.suppressed(p) || a.has("acknowledged") && a.truth("acknowledged") != p.Acked ||
			s.forms.rank && a.has("symptom") && a.truth("symptom") != (p.CauseID != 0) ||
			severities != nil && !slices.Contains(severities, itoa(int64(p.Severity))) {
			continue
		}
		if found = append(found, p); len(found) == limit {
			break
		}
	}
	return found
}

func trigger(t Trigger) map[string]any {
	return map[string]any{"triggerid": t.ID, "description": t.Name, "manual_close": flag(t.ManualClose), "url": t.URL,
		"comments": t.Description, "priority": itoa(int64(t.Severity)), "opdata": t.OpData}
}

func (s *Server) triggerGet(_ User, a args) (any, *rpcError) {
	known := map[string]Trigger{}
	for _, t := range s.triggers {
		known[t.ID] = t
	}
	for _, p := range s.problems {
		known[p.Trigger.ID] = p.Trigger
	}
	for id := range s.deleted {
		delete(known, id)
	}
	if s.broken.showNothing {
		clear(known)
	}
	ids := a.ids("triggerids")
	if !a.has("triggerids") {
		ids = slices.Sorted(maps.Keys(known))
	}
	if limit, ok := a.number("limit"); ok && limit < len(ids) {
		ids = ids[:limit]
	}
	out := []any{}
	for _, id := range ids {
		t, ok := known[id]
		if !ok {
			continue
		}
		m := trigger(t)
		m["hosts"] = []any{map[string]any{"hostid": t.Host.ID, "host": t.Host.Host, "name": t.Host.Name}}
		items := []any{}
		for _, i := range t.items() {
			items = append(items, map[string]any{"itemid": i.ID, "name": i.Name, "value_type": i.Type, "units": i.Units})
		}
		m["items"] = items
		if m["expression"] = "{28100}>0"; a.truth("expandExpression") {
			m["expression"] = t.expression()
		}
		groups := []any{}
		for i, g := range t.Host.Groups {
			groups = append(groups, map[string]any{"groupid": itoa(int64(20 + i)), "name": g})
		}
		if a.has("selectHostGroups") && s.forms.hostGroups {
			m["hostgroups"] = groups
		}
		if a.has("selectGroups") && s.forms.deprecated {
			m["groups"] = groups
		}
		out = append(out, m)
	}
	return out, nil
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
