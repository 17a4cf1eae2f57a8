package render

import (
	"fmt"
	"strings"
	"text/template"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// functions are what templates can call, besides those of text/template:
// docs/templates.md.
var functions = template.FuncMap{
	"emoji":    emojiOf,
	"word":     wordOf,
	"time":     formatTime,
	"clock":    func(t time.Time) string { return formatBy("15:04", t) },
	"date":     func(t time.Time) string { return formatBy("Mon 2 Jan", t) },
	"format":   formatBy,
	"duration": formatDuration,
	"join":     join,
	"some":     some,
	"limit":    func(runes int, t Text) Text { return Text(text.Shorten(string(t), max(runes, 1))) },
	"upper":    func(t Text) Text { return Text(strings.ToUpper(string(t))) },
	"lower":    func(t Text) Text { return Text(strings.ToLower(string(t))) },
	"code":     func(t Text) Markdown { return Markdown("`" + webex.EscapeCode(string(t)) + "`") },
	"link":     link,
	"said":     said,
	"quote":    func(t Text) Markdown { return quote(t, maxQuoteLines) },
}

var severityEmoji = [...]string{"⬜", "🟦", "🟫", "🟨", "🟧", "🟥"}

var severityWord = [...]string{"Not classified", "Information", "Warning", "Average", "High", "Disaster"}

func emojiOf(s alert.Severity) string {
	if !s.Valid() {
		s = alert.NotClassified
	}
	return severityEmoji[s]
}

func wordOf(s alert.Severity) string {
	if !s.Valid() {
		return s.String()
	}
	return severityWord[s]
}

// formatTime is a moment with its date and zone: "24 Nov 14:51:52 CET". Webex
// shows the year of a message by itself.
func formatTime(t time.Time) string { return formatBy("2 Jan 15:04:05 MST", t) }

func formatBy(layout string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(layout)
}

// formatDuration is how long it was from one moment to another, in its two
// largest units: "10m 19s", "2d 4h"; "" where either isn't known, or they are
// the wrong way round (local times that Zabbix told without their zone can be).
func formatDuration(from, to time.Time) string {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return ""
	}
	d := to.Sub(from).Round(time.Second)
	days, hours := int(d/(24*time.Hour)), int(d/time.Hour)%24
	minutes, seconds := int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case days > 0:
		return units(days, "d", hours, "h")
	case hours > 0:
		return units(hours, "h", minutes, "m")
	case minutes > 0:
		return units(minutes, "m", seconds, "s")
	case seconds > 0:
		return units(seconds, "s", 0, "")
	}
	return "under 1s"
}

func units(large int, unit string, small int, smallUnit string) string {
	if small == 0 {
		return fmt.Sprintf("%d%s", large, unit)
	}
	return fmt.Sprintf("%d%s %d%s", large, unit, small, smallUnit)
}

// formatPeriod is since when, or from when until when and how long, or when it was.
func formatPeriod(open bool, from, to time.Time) string {
	switch {
	case from.IsZero() && to.IsZero():
		return ""
	case to.IsZero() && open:
		return "since " + formatTime(from)
	case to.IsZero():
		return formatTime(from)
	case from.IsZero():
		return "until " + formatTime(to)
	}
	start := from.Format("2 Jan 15:04:05")
	end := formatTime(to)
	if sameDay(from, to) {
		end = to.Format("15:04:05 MST")
	}
	if d := formatDuration(from, to); d != "" {
		end += " (" + d + ")"
	}
	return start + " – " + end
}

func sameDay(a, b time.Time) bool {
	return a.YearDay() == b.YearDay() && a.Year() == b.Year()
}

// join joins hosts, groups or tags, each escaped.
func join(separator string, list any) (Markdown, error) {
	return listed(separator, list, 0)
}

// some is the first n of a list and how many there are besides: "a, b, +3 more".
func some(n int, list any) (Markdown, error) {
	return listed(", ", list, max(n, 1))
}

func listed(separator string, list any, limit int) (Markdown, error) {
	switch l := list.(type) {
	case []Text:
		return listedOf(separator, l, limit), nil
	case []Tag:
		return listedOf(separator, l, limit), nil
	}
	return "", fmt.Errorf("want a list (.Hosts, .Groups, .Tags), not %T", list)
}

func listedOf[T fmt.Stringer](separator string, list []T, limit int) Markdown {
	var out strings.Builder
	for i, item := range list {
		if i > 0 {
			out.WriteString(separator)
		}
		if limit > 0 && i == limit {
			fmt.Fprintf(&out, "+%d more", len(list)-limit)
			break
		}
		out.WriteString(item.String())
	}
	return Markdown(out.String())
}

// link is a link, or its label alone where there is no address.
func link(label any, to URL) (Markdown, error) {
	var shown string
	switch l := label.(type) {
	case Text:
		shown = l.String()
	case Markdown:
		shown = string(l)
	case string:
		shown = webex.EscapeMarkdown(l)
	default:
		return "", fmt.Errorf("want a text as the link's label, not %T", label)
	}
	if to == "" {
		return Markdown(shown), nil
	}
	return Markdown("[" + shown + "](" + string(to) + ")"), nil
}

// The most lines of a text that a quote shows.
const (
	maxSaidLines  = 10
	maxQuoteLines = 30
)

// said is what somebody wrote: after a colon where it is one line, else as a
// quote below.
func said(t Text) Markdown {
	if !strings.ContainsAny(strings.TrimSpace(string(t)), "\r\n") {
		if shown := t.String(); shown != "" {
			return Markdown(": " + shown)
		}
		return ""
	}
	return "\n" + quote(t, maxSaidLines)
}

// quote is a text of several lines as a block quote, blank lines left out.
func quote(t Text, maxLines int) Markdown {
	var out strings.Builder
	n := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(t), "\r", "\n"), "\n") {
		shown := Text(line).String()
		if shown == "" {
			continue
		}
		if n++; n > maxLines {
			out.WriteString("> …\n")
			break
		}
		out.WriteString("> " + shown + "\n")
	}
	if out.Len() == 0 {
		return ""
	}
	return Markdown(out.String() + "\n") // a blank line, or what follows would be of the quote
}
