package command

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/duty"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// dutyAhead is how far `who` looks for the next turn.
const dutyAhead = 35 * 24 * time.Hour

// onDuty says who is on duty for the rooms that the person asks from: in a direct chat, for all in which they have a role. It mentions
// nobody. "" if no schedule is configured there.
func (s scope) onDuty(now time.Time) string {
	if s.Duty == nil {
		return ""
	}
	var said []string
	for _, name := range s.schedules() {
		if schedule, calendars, ok := s.Duty(name); ok {
			said = append(said, describeDuty(schedule, calendars, now, s.voice()))
		}
	}
	return strings.Join(said, "\n\n")
}

// schedules returns the schedules of the rooms that the person asks from, and of the routes there.
func (s scope) schedules() (names []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, room := range s.Rooms {
		if s.Direct && !may(s.roleIn(room.Name), Who) || !s.Direct && room.Name != s.Room {
			continue
		}
		add(room.Duty)
		for _, r := range s.Routes {
			if slices.Contains(r.Rooms, room.Name) {
				add(r.ScheduleIn(room))
			}
		}
	}
	return names
}

// describeDuty says who is on duty now by a schedule, until when, and who is next, by layer.
func describeDuty(s duty.Schedule, calendars []duty.CalendarState, now time.Time, say voice) string {
	var b strings.Builder
	b.WriteString(say.T("📟 On duty, **%s**:", webex.EscapeMarkdown(s.Name)) + "\n")
	for _, layer := range s.Layers {
		turns := s.Turns(layer, now, now.Add(dutyAhead))
		fmt.Fprintf(&b, "\n- %s: %s", webex.EscapeMarkdown(layer), dutyNames(say.Lang, s, turns[0].People))
		if len(turns) == 1 {
			if s.Unread == nil {
				b.WriteString(say.T(", for the next weeks"))
			}
			continue
		}
		b.WriteString(say.T(" until %s, then %s", say.moment(turns[0].Until, now), dutyNames(say.Lang, s, turns[1].People)))
		if len(turns) > 2 && len(turns[1].People) == 0 {
			b.WriteString(say.T(" until %s, then %s", say.moment(turns[1].Until, now), dutyNames(say.Lang, s, turns[2].People)))
		}
	}
	for _, c := range calendars {
		switch {
		case c.At.IsZero() && c.Fault != nil:
			b.WriteString("\n- " + say.T("⚠️ the calendar couldn't be read yet: %s", webex.EscapeMarkdown(text.Shorten(text.Line(say.Error(c.Fault)), 300))))
		case c.At.IsZero():
			b.WriteString("\n- " + say.T("⏳ the calendar is being read"))
		case c.Fault != nil:
			b.WriteString("\n- " + say.T("⚠️ this is the calendar's copy of %s: %s", say.moment(c.At, now), webex.EscapeMarkdown(text.Shorten(text.Line(say.Error(c.Fault)), 300))))
		}
		if c.Bad > 0 {
			b.WriteString("\n- " + say.N(c.Bad, "⚠️ %d event in the calendar can't be read: %s", "⚠️ %d events in the calendar can't be read: %s", webex.EscapeMarkdown(c.Faults[0].In(say.Lang))))
		}
	}
	return b.String()
}

// maxOnDuty is how many people of a turn are named.
const maxOnDuty = 5

// dutyNames names the people of a turn.
func dutyNames(l lang.Lang, s duty.Schedule, people []duty.Person) string {
	switch {
	case len(people) == 0 && s.Unread != nil: // a calendar that isn't read yet may name somebody
		return l.T("**unknown**")
	case len(people) == 0:
		return l.T("**nobody**")
	}
	var names []string
	for _, p := range people[:min(len(people), maxOnDuty)] {
		name := "**" + actorName(l, alert.Actor{Name: p.Name, Email: p.Email}) + "**"
		switch {
		case p.Email == "":
			name += l.T(" (⚠️ I can't write to them: %s)", webex.EscapeMarkdown(p.Why.In(l)))
		case p.Name != "":
			name += " (" + webex.EscapeMarkdown(p.Email) + ")"
		}
		names = append(names, name)
	}
	if more := len(people) - maxOnDuty; more > 0 {
		names = append(names, l.T("%d more", more))
	}
	return strings.Join(names, l.T(" and "))
}
