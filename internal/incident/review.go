package incident

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// maxReviewBytes bounds a review: a timeline may have thousands of entries.
const maxReviewBytes = 512 << 10

// Review returns the review of an incident as a Markdown document: what happened when, who did what, and how long it took. Whatever
// people or Zabbix wrote shows literally.
func Review(f Facts, s Settings, now time.Time) string {
	loc := cmp.Or(s.Location, time.UTC)
	at := func(t time.Time) string {
		if t.IsZero() {
			return "an unknown time"
		}
		return t.In(loc).Format("2 Jan 2006 15:04:05 MST")
	}
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# %s: %s\n", Number(f.ID), webex.EscapeMarkdown(f.Title))
	p("Written on %s. All times are those of the zone %s.\n", at(now), loc)

	began := f.Began()
	p("- **State**: %s", f.State())
	p("- **Began**: %s", at(began))
	p("- **Opened** as an incident: %s, by %s, in the room %s", at(f.Incident.Opened), person(f.By), webex.EscapeMarkdown(f.Room))
	if t, who := f.Acknowledged(); t.IsZero() {
		p("- **Acknowledged**: by nobody")
	} else {
		p("- **Acknowledged**: %s, after %s, by %s", at(t), span(t.Sub(began)), webex.EscapeMarkdown(cmp.Or(who, "somebody in Zabbix")))
	}
	switch resolved := f.ResolvedAt(); {
	case !f.EndedAt.IsZero():
		p("- **Ended**: %s, after %s, by %s, before all of its problems were resolved", at(f.EndedAt), span(f.EndedAt.Sub(began)), person(f.Ended))
	case resolved.IsZero():
		p("- **Resolved**: not yet, for %s now", span(now.Sub(began)))
	default:
		p("- **Resolved**: %s, after %s", at(resolved), span(resolved.Sub(began)))
	}
	if !f.Lost.IsZero() {
		p("- The relay's bot could not post in the space any more from %s on: %s", at(f.Lost), webex.EscapeMarkdown(text.Line(f.LostWhy)))
	}

	p("\n## Problems\n")
	for _, one := range f.Problems {
		problem, known := f.Known[one.Key]
		if !known {
			p("- %s: the relay doesn't have it any more", about(one.Key, problem))
			continue
		}
		line := fmt.Sprintf("- %s: from %s", about(one.Key, problem), at(problem.OpenedAt))
		if problem.Open() {
			line += ", still open"
		} else {
			line += fmt.Sprintf(" to %s (%s)", at(problem.ResolvedAt), span(problem.ResolvedAt.Sub(problem.OpenedAt)))
		}
		if t, who := acknowledged(problem); !t.IsZero() {
			line += fmt.Sprintf("; acknowledged after %s by %s", span(t.Sub(problem.OpenedAt)), webex.EscapeMarkdown(cmp.Or(who, "somebody in Zabbix")))
		}
		if problem.Owner.Email != "" {
			line += "; owner " + webex.EscapeMarkdown(text.Line(problem.Owner.Label()))
		}
		if !one.Parted.IsZero() {
			line += "; parted on " + at(one.Parted)
		}
		p("%s", line)
	}

	p("\n## Roles\n")
	for _, role := range s.Roles {
		var held []string
		for _, e := range f.Entries {
			if e.Kind != store.IncidentRole || e.Subject != role {
				continue
			}
			who := "nobody"
			if e.Who != (store.Someone{}) {
				who = person(e.Who)
			}
			held = append(held, who+" from "+at(e.At))
		}
		p("- **%s**: %s", webex.EscapeMarkdown(title1(role)), cmp.Or(strings.Join(held, ", then "), "nobody"))
	}

	if len(s.Checklist) > 0 {
		p("\n## Checklist\n")
		for _, item := range s.Checklist {
			if by, ticked := f.Ticked(item); ticked {
				p("- [x] %s (%s, %s)", webex.EscapeMarkdown(item), person(by.By), at(by.At))
			} else {
				p("- [ ] %s", webex.EscapeMarkdown(item))
			}
		}
	}

	p("\n## Timeline\n")
	cut := 0
	timeline := f.Timeline()
	for _, m := range timeline {
		if b.Len() > maxReviewBytes {
			cut++
			continue
		}
		p("- %s", f.momentLine(m, at))
	}
	if cut > 0 {
		p("- … and %d more", cut)
	}

	p("\n## Who did what\n")
	for _, line := range who(timeline) {
		p("- %s", line)
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

// person names somebody with their address.
func person(s store.Someone) string {
	name := Label(s)
	if s.Email != "" && s.Name != "" {
		name += " (" + s.Email + ")"
	}
	return webex.EscapeMarkdown(name)
}

// maxDone bounds what is listed of one person.
const maxDone = 20

// who lists what each person did, in the order of their first act.
func who(timeline []Moment) (lines []string) {
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
		what, _, _ := strings.Cut(m.What, ": ")
		if !slices.Contains(done[id], what) {
			done[id] = append(done[id], what)
		}
	}
	for _, id := range order {
		lines = append(lines, fmt.Sprintf("**%s**: %s", webex.EscapeMarkdown(names[id]), webex.EscapeMarkdown(text.Some(done[id], maxDone))))
	}
	return lines
}

// maxShown is how many moments `incident` shows.
const maxShown = 15

// Show describes an incident as it is now, with the newest moments, for a reply.
func Show(f Facts, s Settings, now time.Time) string {
	at := func(t time.Time) string { return t.In(cmp.Or(s.Location, time.UTC)).Format("2 Jan 15:04 MST") }
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s since %s · %s · opened by %s", f.named(), title1(string(f.State())), at(f.since()), f.counted(), person(f.By))
	if to, ok := webex.SpaceLink(f.RoomID); ok && f.Reachable() {
		fmt.Fprintf(&b, " · [open its space](%s)", to)
	}
	b.WriteString("\n")
	for _, key := range f.Current() {
		p := f.Known[key]
		state := "resolved"
		if p.Open() {
			state = "open"
		}
		fmt.Fprintf(&b, "\n- %s: %s", about(key, p), state)
		if p.Owner.Email != "" {
			b.WriteString(", owner " + webex.EscapeMarkdown(text.Line(p.Owner.Label())))
		}
	}
	b.WriteString("\n")
	for _, role := range s.Roles {
		who := "nobody"
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
	timeline := f.Timeline()
	if n := len(timeline) - maxShown; n > 0 {
		fmt.Fprintf(&b, "\n\nThe last %d of %d moments; `review` has all:\n", maxShown, len(timeline))
		timeline = timeline[n:]
	} else {
		b.WriteString("\n\nSo far:\n")
	}
	for _, m := range timeline {
		m.What = text.Shorten(m.What, 300)
		b.WriteString("\n- " + f.momentLine(m, at))
	}
	return webex.CutMarkdown(b.String(), webex.MaxMessageBytes)
}
