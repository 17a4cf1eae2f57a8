package config

import (
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/text"
)

// Summary is the output of `check` for a valid configuration.
type Summary struct {
	Sources      []string      `json:"sources"`
	Bots         []string      `json:"bots"`
	Rooms        []RoomSummary `json:"rooms"`
	Routes       int           `json:"routes"`
	DefaultRooms []string      `json:"default_rooms"`
	People       int           `json:"people"`
	Senders      []string      `json:"notify"`
	Timing       []string      `json:"timing,omitempty"` // delays, reminders, escalations and quiet hours in words
	Warnings     Faults        `json:"warnings"`
}

// RoomSummary is one room of a Summary.
type RoomSummary struct {
	Name string `json:"name"`
	Bot  string `json:"bot"`
}

// Summary summarizes the configuration.
func (c *Config) Summary() Summary {
	s := Summary{
		Sources: text.Names(c.Zabbix, func(s Source) string { return s.Name }), Bots: text.Names(c.Webex.Bots, func(b Bot) string { return b.Name }),
		Senders: text.Names(c.Notify, func(n Notify) string { return n.Name }),
		Rooms:   []RoomSummary{}, Routes: len(c.Routes), DefaultRooms: c.DefaultRooms, People: len(c.People), Warnings: c.Warnings,
	}
	if s.Warnings == nil {
		s.Warnings = Faults{}
	}
	for _, r := range c.Rooms {
		s.Rooms = append(s.Rooms, RoomSummary{Name: r.Name, Bot: r.Bot})
		if r.Quiet != nil {
			s.Timing = append(s.Timing, "room "+r.Name+": "+r.Quiet.String())
		}
	}
	for _, r := range c.Routes {
		if words := r.Timing(); words != "" {
			s.Timing = append(s.Timing, "route "+r.Name+": "+words)
		}
	}
	return s
}

// Timing describes the route's delay, reminders, escalation, lapsing acknowledgements and graphs; "" for none.
func (r Route) Timing() string {
	var words []string
	if r.Delay > 0 {
		words = append(words, "delay "+r.Delay.String())
	}
	if r.Remind > 0 {
		words = append(words, "reminds every "+r.Remind.String())
	}
	for _, e := range r.Escalate {
		words = append(words, e.String())
	}
	if r.AckExpires > 0 {
		words = append(words, "an acknowledgement lapses after "+r.AckExpires.String())
	}
	if r.Graph.On {
		words = append(words, "graphs from "+r.Graph.String()+" on")
	}
	return strings.Join(words, ", ")
}

// String describes the step: "escalates after 15m to leads, mentioning all".
func (e Escalation) String() string {
	text := "escalates after " + e.After.String()
	if len(e.Rooms) > 0 {
		text += " to " + strings.Join(e.Rooms, " and ")
	}
	if len(e.Mention) > 0 {
		text += " mentioning " + strings.Join(e.Mention, " and ")
	}
	if e.Duty != "" {
		text += " to whoever is on duty (" + e.Duty + ")"
	}
	return text
}

// String describes the conditions of a route: "severity high or disaster, host db*"; "every problem" without conditions.
func (m Match) String() string {
	var words []string
	add := func(what string, of []string) {
		if len(of) > 0 {
			words = append(words, what+" "+text.Or(of))
		}
	}
	add("source", m.Sources)
	add("host", text.Names(m.Hosts, Glob.String))
	add("group", text.Names(m.Groups, Glob.String))
	if severity := m.Severity.String(); severity != "" {
		words = append(words, "severity "+severity)
	}
	add("tag", text.Names(m.Tags, TagRule.String))
	if m.Trigger.Regexp != nil {
		words = append(words, "name "+m.Trigger.Regexp.String())
	}
	add("origin", text.Names(m.Origins, func(o alert.Origin) string { return string(o) }))
	add("at", text.Names(m.When, When.String))
	if len(words) == 0 {
		return "every problem"
	}
	return strings.Join(words, ", ")
}
