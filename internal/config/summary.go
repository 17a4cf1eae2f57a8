package config

import (
	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
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
			s.Timing = append(s.Timing, "room "+r.Name+": "+r.Quiet.Words().String())
		}
	}
	for _, r := range c.Routes {
		if words := r.Timing(); !words.IsZero() {
			s.Timing = append(s.Timing, "route "+r.Name+": "+words.String())
		}
	}
	return s
}

// Timing describes the route's delay, reminders, escalation, lapsing acknowledgements and graphs; none if it has none.
func (r Route) Timing() lang.Phrase {
	var words []lang.Phrase
	if r.Delay > 0 {
		words = append(words, lang.Say("delay %s", r.Delay.String()))
	}
	if r.Remind > 0 {
		words = append(words, lang.Say("reminds every %s", r.Remind.String()))
	}
	for _, e := range r.Escalate {
		words = append(words, e.Words())
	}
	if r.AckExpires > 0 {
		words = append(words, lang.Say("an acknowledgement lapses after %s", r.AckExpires.String()))
	}
	if r.Graph.On {
		words = append(words, lang.Say("graphs from %s on", r.Graph.String()))
	}
	return lang.Join(words, ", ")
}

// Words describes the step: "escalates after 15m to leads mentioning all".
func (e Escalation) Words() lang.Phrase {
	words := lang.Say("escalates after %s", e.After.String())
	if len(e.Rooms) > 0 {
		words = words.And(lang.Say(" to %s", lang.All(e.Rooms)))
	}
	if len(e.Mention) > 0 {
		words = words.And(lang.Say(" mentioning %s", lang.All(e.Mention)))
	}
	if e.Duty != "" {
		words = words.And(lang.Say(" to whoever is on duty (%s)", e.Duty))
	}
	return words
}

// Words describes the conditions of a route: "severity high, disaster, host db*"; "every problem" without conditions.
func (m Match) Words() lang.Phrase {
	var words []lang.Phrase
	add := func(what lang.Key, of []string) {
		if len(of) > 0 {
			words = append(words, what.With(lang.Either(of)))
		}
	}
	add(lang.Key("source %s"), m.Sources)
	add(lang.Key("host %s"), text.Names(m.Hosts, Glob.String))
	add(lang.Key("group %s"), text.Names(m.Groups, Glob.String))
	if severity := m.Severity.String(); severity != "" {
		words = append(words, lang.Say("severity %s", severity))
	}
	add(lang.Key("tag %s"), text.Names(m.Tags, TagRule.String))
	if m.Trigger.Regexp != nil {
		words = append(words, lang.Say("name %s", m.Trigger.Regexp.String()))
	}
	add(lang.Key("origin %s"), text.Names(m.Origins, func(o alert.Origin) string { return string(o) }))
	if len(m.When) > 0 {
		words = append(words, lang.Say("at %s", AnyTime(m.When)))
	}
	if len(words) == 0 {
		return lang.Say("every problem")
	}
	return lang.Join(words, ", ")
}
