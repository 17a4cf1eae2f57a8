package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// answerRooms says what goes to which room. People see only the rooms in which they have a role.
func answerRooms(_ context.Context, e *Executor, s scope, _ Request, _ []target, room render.Room) (reply, outcome string, err error) {
	muted := func(route string) string {
		if until := e.o.Mutes.Until(route); until.After(time.Now()) {
			return room.Lang.T(" · 🔇 muted until %s", room.Moment(until, time.Now()))
		}
		return ""
	}
	return webex.CutMarkdown(s.roomList(muted)+s.boundList(e.o.Bindings.Live()), webex.MaxMessageBytes), "listed", nil
}

// boundList describes the bindings of spaces: of this one, or in a direct chat of all for those who have a role everywhere.
func (s scope) boundList(all []store.Binding) string {
	say := s.voice()
	var b strings.Builder
	binding.Sort(all)
	last, now := "", time.Now()
	for _, one := range all {
		if !binding.IsSpace(one.Room) || !s.sees(one.Room) {
			continue
		}
		if one.Room != last {
			last = one.Room
			here := ""
			if s.isHere(one.Room) {
				here = say.T(" (here)")
			}
			b.WriteString("\n" + say.T("**A space that isn't configured**%s", here) + "\n")
		}
		line := say.T("%s, bound by %s on %s", bindingLine(one, now, say), inPlain(one.Email), say.date(one.CreatedAt)) + s.restWords(one)
		b.WriteString("- " + inMarkdown(line) + "\n")
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n\n" + say.T("Bound in the chat, besides what the configuration says:") + "\n" + b.String()
}

// roomList describes the rooms. muted returns what is added to a route.
func (s scope) roomList(muted func(route string) string) string {
	l := s.voice().Lang
	var b strings.Builder
	b.WriteString(l.T("What goes where, for the rooms in which you have a role:") + "\n")
	hidden := 0
	for _, room := range s.Rooms {
		if !may(s.roleIn(room.Name), Rooms) {
			hidden++
			continue
		}
		fmt.Fprintf(&b, "\n**%s**", webex.EscapeMarkdown(room.Name))
		if room.Name == s.Room {
			b.WriteString(l.T(" (here)"))
		}
		if zone := room.TimeZone.Location; zone != nil {
			b.WriteString(" · " + webex.EscapeMarkdown(zone.String()))
		}
		if room.Quiet != nil {
			b.WriteString(" · " + webex.EscapeMarkdown(room.Quiet.Words().In(l)))
		}
		for _, line := range s.routesTo(room.Name, muted) {
			b.WriteString("\n- " + line)
		}
		b.WriteString("\n")
	}
	if hidden > 0 {
		b.WriteString("\n" + l.T("Other rooms aren't shown: you have no role there."))
	}
	b.WriteString("\n" + l.T("The first route that matches wins, unless it continues."))
	return webex.CutMarkdown(b.String(), webex.MaxMessageBytes)
}

// routesTo describes what leads to a room, in the order of the routes.
func (s scope) routesTo(room string, muted func(route string) string) (lines []string) {
	l := s.voice().Lang
	for _, r := range s.Routes {
		later := slices.ContainsFunc(r.Escalate, func(e config.Escalation) bool { return slices.Contains(e.Rooms, room) })
		if !slices.Contains(r.Rooms, room) && !later {
			continue
		}
		line := l.T("route `%s`", webex.EscapeCode(r.Name)) + ": " + webex.EscapeMarkdown(text.Shorten(r.Match.Words().In(l), 300))
		r.Escalate = nil // it may name rooms that the person doesn't see
		if timing := r.Timing().In(l); timing != "" {
			line += "; " + webex.EscapeMarkdown(timing)
		}
		if r.Continue {
			line += l.T("; continues")
		}
		if !slices.Contains(r.Rooms, room) {
			line += l.T(" (by escalation only)")
		}
		lines = append(lines, line+muted(r.Name))
	}
	if slices.Contains(s.Defaults, room) {
		lines = append(lines, l.T("what no route matches"))
	}
	if len(lines) == 0 {
		lines = append(lines, l.T("only what Zabbix sends there by its “Send to”"))
	}
	return lines
}

func parseRooms(_ Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	if rest := strings.Trim(t.rest, ":,;.! "); rest != "" {
		return Request{}, misunderstood(v.name, "`%s` takes nothing else. To list problems: `problems`.", v.name)
	}
	return Request{Verb: v.name}, nil
}
