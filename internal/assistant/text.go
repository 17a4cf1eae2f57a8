package assistant

import (
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// How much of each list is in a report's message, which is read on a phone, and in its file.
const (
	mostInMessage = 5
	mostInFile    = 1000
)

// Words are how a report is written.
type Words struct {
	Title string // in markdown
	Room  render.Room
	Item  func(p alert.Problem) string // a problem in one line of markdown
}

// Message returns the report in markdown, and the file with what doesn't fit; "" for none.
func (r Report) Message(w Words) (message, file string) {
	short := w.write(r, mostInMessage)
	if r.OpenCount > mostInMessage || len(r.Noisy) > mostInMessage || len(r.Ending) > mostInMessage {
		file = w.write(r, mostInFile)
		short += "\n\n" + w.Room.Lang.T("The whole lists are in the attached file.")
	}
	return webex.CutMarkdown(short, webex.MaxMessageBytes), file
}

func (w Words) write(r Report, most int) string {
	l, moment := w.Room.Lang, func(t time.Time) string { return w.Room.Moment(t, r.Now) }
	paragraphs := []string{fmt.Sprintf("📊 **%s** · %s – %s", w.Title, moment(r.From), w.Room.Moment(r.To, r.From))}
	figures := []string{l.T("🔔 **%d opened** (before: %d) · ✅ **%d resolved** (before: %d) · 🔴 **%d still open**",
		r.During.Opened, r.Before.Opened, r.During.Resolved, r.Before.Resolved, r.OpenCount)}
	if t := r.During.Ack; t.N > 0 {
		figures = append(figures, l.T("✋ Acknowledged after %s", times(l, t, r.Before.Ack)))
	}
	if t := r.During.Resolve; t.N > 0 {
		figures = append(figures, l.T("⏱️ Resolved after %s", times(l, t, r.Before.Resolve)))
	}
	if r.Incomplete {
		figures = append(figures, l.T("⚠️ There were more problems than I count for a report: the figures are of the newest."))
	}
	paragraphs = append(paragraphs, list(l, figures, len(figures), 0))
	if r.OpenCount == 0 {
		paragraphs = append(paragraphs, l.T("Nothing is open. 🎉"))
	} else {
		paragraphs = append(paragraphs, l.T("**Still open**, the worst first:"), list(l, each(r.Open, w.Item), most, r.OpenCount), "👤 "+owners(l, r.Owners))
		if r.Unattended != nil {
			paragraphs = append(paragraphs, l.T("⌛ Not acknowledged for longest: %s", w.Item(*r.Unattended)))
		}
	}
	if len(r.Noisy) > 0 {
		paragraphs = append(paragraphs, l.T("**Noisiest triggers:**"), list(l, each(r.Noisy, noisy), most, 0))
	}
	if len(r.Ending) > 0 {
		paragraphs = append(paragraphs, l.T("**Suppressions and maintenances that end within 24 hours:**"), list(l, each(r.Ending, func(p alert.Problem) string {
			return l.T("until %s", moment(p.SuppressedUntil)) + ": " + w.Item(p)
		}), most, 0))
	}
	return strings.Join(paragraphs, "\n\n")
}

func each[T any](all []T, line func(T) string) []string {
	lines := make([]string, len(all))
	for i, one := range all {
		lines[i] = line(one)
	}
	return lines
}

// list writes the first lines, and how many more there are, of total if that is more.
func list(l lang.Lang, lines []string, most, total int) string {
	more := max(total, len(lines)) - min(most, len(lines))
	lines = lines[:min(most, len(lines)):min(most, len(lines))]
	if more > 0 {
		lines = append(lines, l.T("… and %d more", more))
	}
	return "- " + strings.Join(lines, "\n- ")
}

func noisy(n Noisy) string {
	said := fmt.Sprintf("%d× %s", n.N, shown(n.Name, 80))
	if n.Host != "" {
		said += " · " + shown(n.Host, 40)
	}
	return said
}

func shown(s string, most int) string { return webex.EscapeMarkdown(text.Shorten(text.Line(s), most)) }

func times(l lang.Lang, t, before Times) string {
	if before.N == 0 {
		return l.T("%s (median of %d; mean %s)", render.Duration(l, t.Median), t.N, render.Duration(l, t.Mean))
	}
	return l.T("%s (median of %d; mean %s; before: %s)", render.Duration(l, t.Median), t.N, render.Duration(l, t.Mean), render.Duration(l, before.Median))
}

func owners(l lang.Lang, all []Owned) string {
	var said []string
	for i, o := range all {
		if i == mostInMessage {
			said = append(said, l.T("%d more people", len(all)-i))
			break
		}
		name := l.C("owner", "nobody")
		if o.Owner.Email != "" {
			name = shown(o.Owner.Label(), 60)
		}
		said = append(said, fmt.Sprintf("%s: %d", name, o.N))
	}
	return l.T("Owned by %s", strings.Join(said, ", "))
}
