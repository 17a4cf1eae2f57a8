package render

import (
	"slices"
	"strings"

	"nms-alert-relay/internal/alert"
)

// DigestLine is a timeline entry of a problem that is posted in the thread of its digest: a nudge, or what people wrote.
type DigestLine struct {
	N     int // store.Line.N
	Item  DigestItem
	Nudge alert.Nudge
	Words string // by Lines; "" for a nudge
}

// labelsMost bounds how many problems a text in a digest's thread names.
const labelsMost = 10

// DigestLines returns the reply in a digest's thread with these lines. Each kind of nudge, and each text, is there once, whatever
// the number of problems. included is the number of lines that fit, at least one.
func (r *Renderer) DigestLines(lines []DigestLine, room Room) (markdown string, included int) {
	for included = len(lines); ; included /= 2 {
		markdown, fits := finish(r.digestLines(lines[:included], room))
		if fits || included == 1 {
			return markdown, included
		}
	}
}

func (r *Renderer) digestLines(lines []DigestLine, room Room) string {
	var nudges []alert.Nudge
	var texts []string
	about := map[string][]DigestItem{}
	for _, l := range lines {
		switch {
		case l.Words == "":
			nudges = append(nudges, l.Nudge)
			continue
		case about[l.Words] == nil:
			texts = append(texts, l.Words)
		}
		about[l.Words] = append(about[l.Words], l.Item)
	}
	var out strings.Builder
	out.WriteString(digestNudges(nudges, room))
	for _, text := range texts {
		items := about[text]
		var labels []string
		for _, i := range items[:min(len(items), labelsMost)] {
			labels = append(labels, r.itemLabel(i, 1))
		}
		if rest := len(items) - labelsMost; rest > 0 {
			labels = append(labels, "… and "+number(rest)+" more")
		}
		out.WriteString("\nAbout " + strings.Join(labels, ", ") + "\n" + text + "\n")
	}
	return out.String()
}

// digestNudges has one line per step, whatever the number of problems.
func digestNudges(nudges []alert.Nudge, room Room) string {
	type of struct {
		line string
		n    int
		m    Markdown
	}
	var lines []*of
	for _, n := range nudges {
		words := digestNudge(n, room.Name)
		i := slices.IndexFunc(lines, func(l *of) bool { return l.line == words })
		if i < 0 {
			lines = append(lines, &of{line: words, m: mentions(n)})
			i = len(lines) - 1
		}
		lines[i].n++
	}
	var out strings.Builder
	for _, l := range lines {
		them := "them"
		if l.n == 1 {
			them = "it"
		}
		out.WriteString(strings.NewReplacer("{n}", count(l.n, "problem"), "{them}", them).Replace(l.line))
		if l.m != "" {
			out.WriteString(" " + string(l.m))
		}
		out.WriteString("\n")
	}
	return out.String()
}

// digestNudge describes a nudge; {n} and {them} stand for the problems.
func digestNudge(n alert.Nudge, room string) string {
	if n.Kind == alert.EntryReminded {
		return "⏰ {n} still open, and nobody has acknowledged {them}"
	}
	why := "nobody acknowledged {them} for " + formatDuration(n.At.Add(-n.After), n.At)
	if step, rooms := escalated(n, room); step != "" {
		return "⏫ {n} " + step + limited(rooms, maxLabel).String() + ": " + why
	}
	return "⏫ {n} open, and " + why
}
