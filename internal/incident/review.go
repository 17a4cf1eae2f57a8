package incident

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// maxReviewBytes bounds a review: a timeline may have thousands of entries.
const maxReviewBytes = 512 << 10

// Review returns the review of an incident as a Markdown document: what happened when, who did what, and how long it took. Whatever
// people or Zabbix wrote shows literally.
func Review(f Facts, s Settings, now time.Time) string {
	in := s.room(f.Incident)
	l, loc := in.Lang, cmp.Or(in.Location, time.UTC)
	at := func(t time.Time) string {
		if t.IsZero() {
			return l.T("an unknown time")
		}
		return l.Time(t.In(loc), "2 Jan 2006 15:04:05 MST")
	}
	var b strings.Builder
	p := func(lines ...string) { b.WriteString(strings.Join(lines, "") + "\n") }
	section := func(title string) { p("\n## ", title, "\n") }
	p("# ", Number(f.ID), ": ", webex.EscapeMarkdown(f.Title), "\n")
	p(l.T("Written on %s. All times are those of the zone %s.", at(now), loc.String()), "\n")

	began := f.Began()
	p("- ", l.T("**State**: %s", f.State().Word(l)))
	p("- ", l.T("**Began**: %s", at(began)))
	p("- ", l.T("**Opened** as an incident: %s, by %s, in %s", at(f.Incident.Opened), person(f.By), f.origin(l)))
	if t, who := f.Acknowledged(); t.IsZero() {
		p("- ", l.T("**Acknowledged**: by nobody"))
	} else {
		p("- ", l.T("**Acknowledged**: %s, after %s, by %s", at(t), span(l, t.Sub(began)), webex.EscapeMarkdown(cmp.Or(who, l.T("somebody in Zabbix")))))
	}
	switch resolved := f.ResolvedAt(); {
	case f.endedEarly():
		p("- ", l.T("**Ended**: %s, after %s, by %s, before all of its problems were resolved", at(f.EndedAt), span(l, f.EndedAt.Sub(began)), person(f.Ended)))
	case resolved.IsZero():
		p("- ", l.T("**Resolved**: not yet, for %s now", span(l, now.Sub(began))))
	default:
		p("- ", l.T("**Resolved**: %s, after %s", at(resolved), span(l, resolved.Sub(began))))
	}
	if !f.Lost.IsZero() {
		p("- ", l.T("The relay's bot could not post in the space any more from %s on: %s", at(f.Lost), webex.EscapeMarkdown(text.Line(f.LostWhy))))
	}

	section(l.T("Problems"))
	for _, one := range f.Problems {
		problem, known := f.Known[one.Key]
		if !known {
			p("- ", l.T("%s: the relay doesn't have it any more", about(l, one.Key, problem)))
			continue
		}
		line := "- " + l.T("%s: from %s", about(l, one.Key, problem), at(problem.OpenedAt))
		if problem.Open() {
			line += l.T(", still open")
		} else {
			line += l.T(" to %s (%s)", at(problem.ResolvedAt), span(l, problem.ResolvedAt.Sub(problem.OpenedAt)))
		}
		if t, who := acknowledged(problem); !t.IsZero() {
			line += l.T("; acknowledged after %s by %s", span(l, t.Sub(problem.OpenedAt)), webex.EscapeMarkdown(cmp.Or(who, l.T("somebody in Zabbix"))))
		}
		if problem.Owner.Email != "" {
			line += l.T("; owner %s", webex.EscapeMarkdown(text.Line(problem.Owner.Label())))
		}
		if !one.Parted.IsZero() {
			line += l.T("; parted on %s", at(one.Parted))
		}
		p(line)
	}

	section(l.T("Roles"))
	for _, role := range s.Roles {
		var held []string
		for _, e := range f.Entries {
			if e.Kind != store.IncidentRole || e.Subject != role {
				continue
			}
			who := l.C("owner", "nobody")
			if e.Who != (store.Someone{}) {
				who = person(e.Who)
			}
			held = append(held, l.T("%s from %s", who, at(e.At)))
		}
		p("- **", webex.EscapeMarkdown(title1(role)), "**: ", cmp.Or(strings.Join(held, l.T(", then ")), l.C("owner", "nobody")))
	}

	if len(s.Checklist) > 0 {
		section(l.T("Checklist"))
		for _, item := range s.Checklist {
			if by, ticked := f.Ticked(item); ticked {
				p("- [x] ", webex.EscapeMarkdown(item), " (", person(by.By), ", ", at(by.At), ")")
			} else {
				p("- [ ] ", webex.EscapeMarkdown(item))
			}
		}
	}

	section(l.T("Timeline"))
	cut := 0
	timeline := f.Timeline(in)
	for _, m := range timeline {
		if b.Len() > maxReviewBytes {
			cut++
			continue
		}
		p("- ", f.momentLine(m, at))
	}
	if cut > 0 {
		p("- ", l.T("… and %d more", cut))
	}

	section(l.T("Who did what"))
	for _, line := range who(l, timeline) {
		p(line)
	}
	return b.String()
}

// momentLine is a line of the timeline, in markdown.
func (f Facts) momentLine(m Moment, at func(time.Time) string) string {
	line := at(m.At) + ": "
	if m.Who != "" {
		line += "**" + webex.EscapeMarkdown(m.Who) + "** "
	}
	line += webex.EscapeMarkdown(m.What)
	if m.Key.EventID != "" {
		line += fmt.Sprintf(" · `%s` %s", webex.EscapeCode(m.Key.String()), webex.EscapeMarkdown(m.Name))
	}
	return line
}

// person names somebody with their address, in markdown.
func person(s store.Someone) string { return webex.EscapeMarkdown(nameAndAddress(s)) }

func nameAndAddress(s store.Someone) string {
	name := text.Shorten(Label(s), 100)
	if s.Email != "" && s.Name != "" {
		name += " (" + text.Line(s.Email) + ")"
	}
	return name
}

// maxDone bounds what is listed of one person.
const maxDone = 20

// who lists what each person did and to what, in the order of their first act, as a list in markdown.
func who(l lang.Lang, timeline []Moment) (lines []string) {
	var order []string
	names, done := map[string]string{}, map[string][]string{}
	for _, m := range timeline {
		if m.Who == "" {
			continue
		}
		id := cmp.Or(strings.ToLower(m.Email), m.Who)
		if _, known := done[id]; !known {
			order = append(order, id)
			names[id] = m.Who
		}
		what := webex.EscapeMarkdown(text.Shorten(m.What, 120))
		if m.Key.EventID != "" {
			what += " · `" + webex.EscapeCode(m.Key.String()) + "`"
		}
		if !slices.Contains(done[id], what) {
			done[id] = append(done[id], what)
		}
	}
	for _, id := range order {
		lines = append(lines, "- **"+webex.EscapeMarkdown(names[id])+"**")
		for _, what := range done[id][:min(len(done[id]), maxDone)] {
			lines = append(lines, "  - "+what)
		}
		if more := len(done[id]) - maxDone; more > 0 {
			lines = append(lines, "  - "+l.T("… and %d more", more))
		}
	}
	return lines
}

// maxShown is how many moments `incident` shows.
const maxShown = 15

// Show describes an incident as it is now, with the newest moments, for a reply in a room.
func Show(f Facts, s Settings, in render.Room) string {
	l := in.Lang
	at := func(t time.Time) string { return moment(in, t) }
	var b strings.Builder
	b.WriteString(f.named() + "\n\n" + l.T("%s since %s · %s · opened by %s", title1(f.State().Word(l)), at(f.since()), f.counted(l), person(f.By)))
	if to, ok := webex.SpaceLink(f.RoomID); ok && f.Reachable() {
		b.WriteString(l.T(" · [open its space](%s)", to))
	}
	b.WriteString("\n")
	for _, key := range f.Current() {
		p := f.Known[key]
		state := l.T("resolved")
		if f.goesOn(key) {
			state = l.T("open")
		}
		b.WriteString("\n- " + about(l, key, p) + ": " + state)
		if p.Owner.Email != "" {
			b.WriteString(l.T(", owner %s", webex.EscapeMarkdown(text.Line(p.Owner.Label()))))
		}
	}
	b.WriteString("\n")
	for _, role := range s.Roles {
		who := l.C("owner", "nobody")
		if holder := f.Holder(role); holder != (store.Someone{}) {
			who = person(holder)
		}
		fmt.Fprintf(&b, "\n- %s: %s", webex.EscapeMarkdown(title1(role)), who)
	}
	b.WriteString("\n")
	for n, item := range s.Checklist {
		box := "☐"
		if _, ticked := f.Ticked(item); ticked {
			box = "☑"
		}
		fmt.Fprintf(&b, "\n- %s %d: %s", box, n+1, webex.EscapeMarkdown(item))
	}
	timeline := f.Timeline(in)
	if n := len(timeline) - maxShown; n > 0 {
		b.WriteString("\n\n" + l.T("The last %d of %d moments; `review` has all:", maxShown, len(timeline)) + "\n")
		timeline = timeline[n:]
	} else {
		b.WriteString("\n\n" + l.T("So far:") + "\n")
	}
	for _, m := range timeline {
		m.What = text.Shorten(m.What, 300)
		b.WriteString("\n- " + f.momentLine(m, at))
	}
	return webex.CutMarkdown(b.String(), webex.MaxMessageBytes)
}
