package zabbixsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Hosts and maintenances, with the errors of 6.0.14 and 7.0.22, which check the same (measured).

// maintenance is a maintenance with one period.
type maintenance struct {
	id                string
	name, description string
	since, until      int64
	hosts, groups     []string // ids
}

func (m maintenance) runs(now time.Time) bool { return m.since <= now.Unix() && now.Unix() < m.until }

// hosts returns the hosts of all triggers, in order.
func (s *Server) hosts() (list []Host) {
	seen := map[string]bool{}
	add := func(h Host) {
		if !seen[h.ID] {
			seen[h.ID] = true
			list = append(list, h)
		}
	}
	for _, t := range s.triggers {
		add(t.Host)
	}
	for _, id := range s.order {
		add(s.problems[id].Trigger.Host)
	}
	return list
}

// groupIDs returns the ids of a host's groups, and of those that they are nested in.
func (s *Server) groupIDs(h Host) (ids []string) {
	for _, g := range s.hostGroups() {
		name := g.text("name")
		if slices.ContainsFunc(h.Groups, func(own string) bool { return own == name || strings.HasPrefix(own, name+"/") }) {
			ids = append(ids, g.text("groupid"))
		}
	}
	return ids
}

// maintenanceOf returns the maintenance that a host is in; nil for none.
func (s *Server) maintenanceOf(h Host) *maintenance {
	for i := range s.maintenances {
		m := &s.maintenances[i]
		if m.runs(time.Now()) && (slices.Contains(m.hosts, h.ID) || slices.ContainsFunc(s.groupIDs(h), func(id string) bool { return slices.Contains(m.groups, id) })) {
			return m
		}
	}
	return nil
}

// Maintenances returns the names of the maintenances that run.
func (s *Server) Maintenances() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.maintenances {
		if m.runs(time.Now()) {
			names = append(names, m.name)
		}
	}
	return names
}

// selects reports whether an object has the wanted values of filter, or contains those of search; with searchByAny, one is enough.
func (a args) selects(o row) bool {
	var hits []bool
	for _, how := range []string{"filter", "search"} {
		var want map[string]any
		_ = json.Unmarshal(a[how], &want) // absent: none
		for name, value := range plain(want).(map[string]any) {
			if how == "filter" {
				hits = append(hits, matches(o, map[string]any{name: value}))
				continue
			}
			has, part := strings.ToLower(o.text(name)), strings.ToLower(fmt.Sprint(value))
			hits = append(hits, strings.Contains(has, part) && (!a.truth("startSearch") || strings.HasPrefix(has, part)))
		}
	}
	if a.truth("searchByAny") {
		return len(hits) == 0 || slices.Contains(hits, true)
	}
	return !slices.Contains(hits, false)
}

// limited cuts an answer.
func (a args) limited(list []any) []any {
	if limit, ok := a.number("limit"); ok && limit < len(list) {
		return list[:limit]
	}
	return list
}

func (s *Server) hostGet(_ User, a args) (any, *rpcError) {
	out := []any{}
	for _, h := range s.hosts() {
		o := row{"hostid": h.ID, "host": h.Host, "name": h.Name, "maintenance_status": "0", "maintenanceid": "0"}
		if m := s.maintenanceOf(h); m != nil {
			o["maintenance_status"], o["maintenanceid"] = "1", m.id
		}
		if a.selects(o) && !s.broken.showNothing {
			out = append(out, o)
		}
	}
	return a.limited(out), nil
}

func (s *Server) hostGroupGet(_ User, a args) (any, *rpcError) {
	out := []any{}
	for _, g := range s.hostGroups() {
		if !a.selects(g) || a.has("hostids") && !slices.ContainsFunc(s.hosts(), func(h Host) bool {
			return slices.Contains(a.ids("hostids"), h.ID) && slices.Contains(h.Groups, g.text("name"))
		}) {
			continue
		}
		if a.text("selectHosts") == "count" {
			n := 0
			for _, h := range s.hosts() {
				if slices.Contains(h.Groups, g.text("name")) {
					n++
				}
			}
			g["hosts"] = strconv.Itoa(n)
		}
		out = append(out, g)
	}
	return out, nil
}

func (s *Server) maintenanceGet(u User, a args) (any, *rpcError) {
	out := []any{}
	if !u.Admin && !u.SuperAdmin {
		return out, nil
	}
	for _, m := range s.maintenances {
		o := row{"maintenanceid": m.id, "name": m.name, "description": m.description, "active_since": itoa(m.since), "active_till": itoa(m.until)}
		if !a.selects(o) || a.has("maintenanceids") && !slices.Contains(a.ids("maintenanceids"), m.id) {
			continue
		}
		if a.has("selectHosts") {
			list := []any{}
			for _, h := range s.hosts() {
				if slices.Contains(m.hosts, h.ID) {
					list = append(list, row{"hostid": h.ID, "host": h.Host, "name": h.Name})
				}
			}
			o["hosts"] = list
		}
		groups := []any{}
		for _, g := range s.hostGroups() {
			if slices.Contains(m.groups, g.text("groupid")) {
				groups = append(groups, row{"name": g["name"]})
			}
		}
		if a.has("selectHostGroups") && s.forms.hostGroups {
			o["hostgroups"] = groups
		}
		if a.has("selectGroups") && s.forms.deprecated {
			o["groups"] = groups
		}
		out = append(out, o)
	}
	if a.text("sortorder") == "DESC" {
		slices.Reverse(out)
	}
	return a.limited(out), nil
}

// maintains reports whether a user may change maintenances: the role must be of type Admin.
func (s *Server) maintains(u User, method string) *rpcError {
	if (u.Admin || u.SuperAdmin) && !slices.Contains(u.Denied, "edit_maintenance") {
		return nil
	}
	return s.noMethod(method)
}

func (s *Server) maintenanceCreate(u User, a args) (any, *rpcError) {
	if fault := s.maintains(u, "maintenance.create"); fault != nil {
		return nil, fault
	}
	r := a.row()
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if !slices.Contains(strings.Fields("name maintenance_type description active_since active_till tags_evaltype groups hosts timeperiods tags"), name) &&
			(s.forms.strict || name != "hostids" && name != "groupids") {
			return nil, invalid(`Invalid parameter "/1": unexpected parameter %q.`, name)
		}
	}
	for _, name := range strings.Fields("name active_since active_till timeperiods") {
		if _, given := r[name]; !given {
			return nil, invalid(`Invalid parameter "/1": the parameter %q is missing.`, name)
		}
	}
	since, _ := strconv.ParseInt(r.text("active_since"), 10, 64)
	until, _ := strconv.ParseInt(r.text("active_till"), 10, 64)
	m := maintenance{name: r.text("name"), description: r.text("description"), since: since - since%60, until: until - until%60}
	if utf8.RuneCountInString(m.name) > 128 {
		return nil, invalid(`Invalid parameter "/1/name": value is too long.`)
	}
	for _, p := range r.list("timeperiods") {
		if n, _ := strconv.Atoi(p.text("period")); n < 300 {
			return nil, invalid(`Invalid parameter "/1/timeperiods/1/period": value must be one of 300-86399940.`)
		}
	}
	if slices.ContainsFunc(s.maintenances, func(o maintenance) bool { return o.name == m.name }) {
		return nil, invalid(`Maintenance %q already exists.`, m.name)
	}
	for _, o := range r.list("hosts") {
		m.hosts = append(m.hosts, o.text("hostid"))
	}
	for _, o := range r.list("groups") {
		m.groups = append(m.groups, o.text("groupid"))
	}
	if len(m.hosts)+len(m.groups) == 0 {
		return nil, invalid("At least one host group or host must be selected.")
	}
	known := func(ids []string, all []string) bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return !slices.Contains(all, id) })
	}
	var hosts, groups []string
	for _, h := range s.hosts() {
		hosts = append(hosts, h.ID)
	}
	for _, g := range s.hostGroups() {
		groups = append(groups, g.text("groupid"))
	}
	if u.ReadOnly || !known(m.hosts, hosts) || !known(m.groups, groups) {
		return nil, errNoObject
	}
	s.nextObject++
	m.id = strconv.Itoa(s.nextObject)
	s.maintenances = append(s.maintenances, m)
	s.notify()
	return row{"maintenanceids": []any{m.id}}, nil
}

func (s *Server) maintenanceDelete(u User, a args) (any, *rpcError) {
	if fault := s.maintains(u, "maintenance.delete"); fault != nil {
		return nil, fault
	}
	ids := a.ids(listParam)
	for _, id := range ids {
		if u.ReadOnly || !slices.ContainsFunc(s.maintenances, func(m maintenance) bool { return m.id == id }) {
			return nil, errNoObject
		}
	}
	s.maintenances = slices.DeleteFunc(s.maintenances, func(m maintenance) bool { return slices.Contains(ids, m.id) })
	s.notify()
	return row{"maintenanceids": ids}, nil
}
