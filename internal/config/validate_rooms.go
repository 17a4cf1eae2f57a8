package config

import (
	"fmt"
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webexid"
	"slices"
	"strings"
	"time"
)

func (l *loader) checkRooms(cfg *Config) {
	names, ids := uses{}, uses{}
	bots := text.Names(cfg.Webex.Bots, func(b Bot) string { return b.Name })
	for i, r := range cfg.Rooms {
		path := at("rooms", i)
		l.uniqueName(names, path+".name", r.Name, "room")
		if strings.EqualFold(r.Name, SendToRoutes) {
			l.fault(path+".name", fmt.Sprintf("%q is reserved", r.Name), `as "Send to" in Zabbix it means: use the routes`)
		}
		if lower := strings.ToLower(r.Name); strings.HasPrefix(lower, PersonRoom) || strings.HasPrefix(lower, SpaceRoom) {
			l.fault(path+".name", fmt.Sprintf("%q is reserved", r.Name), "the relay calls direct chats and bound spaces so: choose another name")
		}
		cfg.Rooms[i].ID = l.checkRoomID(path+".id", r.ID)
		l.unique(ids, path+".id", webexid.Key(r.ID), "Webex room")
		if l.given(path + ".bot") {
			l.exists(path+".bot", r.Bot, "bot", "webex.bots", bots)
		}
		l.checkQuiet(path+".quiet", r.Quiet)
		l.checkReport(path+".report", r.Report)
	}
	l.roomsExist(cfg, "default_rooms", cfg.DefaultRooms)
}

// checkRoomID checks the form of a room's id and returns the id to use in calls. Webex doesn't accept a link. It accepts a
// bare UUID, which stays as it is because it doesn't name the room's cluster.
func (l *loader) checkRoomID(path, text string) string {
	if text == "" || l.faulted(path) {
		return text
	}
	id, ok := webexid.Parse(text)
	switch {
	case !ok:
		l.warn(path, fmt.Sprintf("%q is not a room id of Webex's REST API", text), listRooms)
	case id.Kind != "" && id.Kind != webexid.Room:
		l.fault(path, fmt.Sprintf("%q is a %s id, not a room id", text, strings.ToLower(id.Kind)), listRooms)
	case !id.IsREST:
		l.warn(path, fmt.Sprintf("%q is not a room id of Webex's REST API", text), "use "+id.REST(webexid.Room)+", or the id that alert-relay rooms lists")
		if id.Kind != "" && id.Cluster == "" {
			return id.UUID
		}
		if id.Cluster != "" {
			return id.REST(webexid.Room)
		}
	}
	return text
}

func (l *loader) checkRoutes(cfg *Config) {
	sources := text.Names(cfg.Zabbix, func(s Source) string { return s.Name })
	names := uses{}
	all := -1 // the first route that matches everything and ends the list
	for i, r := range cfg.Routes {
		path := at("routes", i)
		l.uniqueName(names, path+".name", r.Name, "route")
		if reserved(r.Name) {
			l.fault(path+".name", fmt.Sprintf("%q is reserved", r.Name), "choose another name")
		}
		l.roomsExist(cfg, path+".rooms", r.Rooms)
		l.sourcesExist(path+".match.sources", r.Match.Sources, sources)
		l.directory(path+".templates", r.Templates)
		l.scheduleExists(cfg, path+".duty", r.Duty)
		l.checkEscalation(cfg, path, r)
		if all >= 0 {
			l.warn(path, fmt.Sprintf("unreachable: %s above matches everything", cfg.Routes[all].Name), "move it up, or set continue: true there")
		} else if !r.Continue && r.Match.empty() {
			all = i
		}
	}
}

func (l *loader) checkQuiet(path string, q *Quiet) {
	if q == nil || l.faultedBelow(path) {
		return
	}
	if q.Below == alert.NotClassified {
		l.fault(path+".below", "no severity is below not classified", "the lowest severity that is posted at any hour; disaster by default")
		return
	}
	// At least one hour of the week must not be quiet.
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if q.Until(q.Below-1, at).Sub(at) > longestQuiet {
		l.fault(path+".when", fmt.Sprintf("never ends: no problem below %s would ever be posted", q.Below), "leave out at least an hour of the week; a route can send less severe problems to another room")
	}
}

func (l *loader) checkReport(path string, r *Report) {
	if r == nil {
		return
	}
	if _, err := time.Parse("15:04", r.At); err != nil && !l.faultedAround(path+".at") {
		l.fault(path+".at", fmt.Sprintf("expected a time, got %q", r.At), "hours and minutes, such as 08:00")
	}
	if l.faultedAround(path+".days") || slices.Contains([]string{"daily", "weekdays", "weekends"}, r.Days) {
		return
	}
	for days := range strings.SplitSeq(r.Days, ",") {
		if _, err := ParseDays(days); err != nil {
			l.fault(path+".days", fmt.Sprintf("unknown days %q", days), "weekdays, daily, weekends, or days such as mon,thu or mon-fri")
		}
	}
}

func (l *loader) checkEscalation(cfg *Config, path string, r Route) {
	before := Duration(0)
	for i, step := range r.Escalate {
		path := at(path+".escalate", i)
		l.roomsExist(cfg, path+".rooms", step.Rooms)
		for j, room := range step.Rooms {
			if slices.Contains(r.Rooms, room) {
				l.fault(at(path+".rooms", j), fmt.Sprintf("%s is already one of this route's rooms", room), "use another room, or mention")
			}
		}
		for j, who := range step.Mention {
			if layer, ok := DutyLayer(who); ok {
				l.checkDutyLayer(cfg, at(path+".mention", j), r, layer)
			} else {
				l.checkMention(cfg, at(path+".mention", j), who)
			}
		}
		if step.Duty != "" {
			l.checkDutyLayer(cfg, path+".duty", r, step.Duty)
		}
		if len(step.Rooms) == 0 && len(step.Mention) == 0 && step.Duty == "" && !l.faultedBelow(path) {
			l.fault(path, "has no effect", "rooms: [leads], mention: [alice@example.com], duty: primary, or several of them")
		}
		if step.After > 0 && step.After <= before && !l.faulted(path+".after") {
			l.fault(path+".after", fmt.Sprintf("must be later than the previous step, %s, got %s", before, step.After), "each step counts from the problem's first post")
		}
		before = max(before, step.After)
	}
}

// checkMention checks the mention of a step: anything but an address would be shown as text and notify nobody.
func (l *loader) checkMention(cfg *Config, path, who string) {
	if l.faulted(path) || who == alert.MentionAll {
		return
	}
	if fieldRules().Var(who, "email") != nil {
		l.fault(path, fmt.Sprintf("expected an e-mail address, all or duty, got %q", who), "such as alice@example.com; all mentions everybody in the room, duty whoever is on duty")
		return
	}
	if !cfg.Allowed(who) {
		l.fault(path, fmt.Sprintf("%s is not in an allowed domain", who), "add the domain to allowed_domains, or the person to people")
	}
}

// reserved reports whether targets and explanations use a name themselves.
func reserved(name string) bool {
	lower := strings.ToLower(name)
	return lower == "send_to" || lower == "default_rooms" || MadeInChat(lower)
}

// empty reports whether a match has no conditions.
func (m Match) empty() bool {
	return len(m.Sources) == 0 && len(m.Hosts) == 0 && len(m.Groups) == 0 && len(m.Severity.Set) == 0 &&
		len(m.Tags) == 0 && m.Trigger.Regexp == nil && len(m.Origins) == 0 && len(m.When) == 0
}
