package render

import (
	"fmt"
	"strings"
	"text/template"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// functions are the functions of templates, in addition to those of text/template. docs/templates.md describes them.
func functions(l lang.Lang) template.FuncMap {
	return template.FuncMap{
		"t":        func(words string, args ...any) Markdown { return Markdown(l.Written(words, args...)) },
		"emoji":    emojiOf,
		"word":     func(s alert.Severity) string { return wordOf(l, s) },
		"time":     func(t time.Time) string { return formatTime(l, t) },
		"clock":    func(t time.Time) string { return formatBy(l, "15:04", t) },
		"date":     func(t time.Time) string { return formatBy(l, "Mon 2 Jan", t) },
		"format":   func(layout string, t time.Time) string { return formatBy(l, layout, t) },
		"duration": func(from, to time.Time) string { return formatDuration(l, from, to) },
		"join":     join,
		"some":     func(n int, list any) (Markdown, error) { return some(l, n, list) },
		"limit":    func(runes int, t Text) Text { return Text(text.Shorten(string(t), max(runes, 1))) },
		"upper":    func(t Text) Text { return Text(strings.ToUpper(string(t))) },
		"lower":    func(t Text) Text { return Text(strings.ToLower(string(t))) },
		"code":     func(t Text) Markdown { return Markdown("`" + webex.EscapeCode(string(t)) + "`") },
		"link":     link,
		"said":     said,
		"quote":    func(t Text) Markdown { return quote(t, maxQuoteLines) },
	}
}

var severityEmoji = [...]string{"⬜", "🟦", "🟫", "🟨", "🟧", "🟥"}

var severityWord = [...]lang.Key{lang.Key("Not classified"), lang.Key("Information"), lang.Key("Warning"), lang.Key("Average"), lang.Key("High"), lang.Key("Disaster")}

func emojiOf(s alert.Severity) string {
	if !s.Valid() {
		s = alert.NotClassified
	}
	return severityEmoji[s]
}

func wordOf(l lang.Lang, s alert.Severity) string {
	if !s.Valid() {
		return s.String()
	}
	return l.Of(severityWord[s])
}

// Label is a severity as messages show it: colour and word.
func Label(l lang.Lang, s alert.Severity) string { return emojiOf(s) + " " + wordOf(l, s) }

// Word is a severity within a sentence. German nouns keep their capitals.
func Word(l lang.Lang, s alert.Severity) string {
	if l == lang.German {
		return wordOf(l, s)
	}
	return strings.ToLower(wordOf(l, s))
}

// join joins hosts, groups or tags, each escaped.
func join(separator string, list any) (Markdown, error) {
	return listed(lang.English, separator, list, 0)
}

// some returns the first n of a list and the number of the others: "a, b, +3 more".
func some(l lang.Lang, n int, list any) (Markdown, error) {
	return listed(l, ", ", list, max(n, 1))
}

func listed(l lang.Lang, separator string, list any, limit int) (Markdown, error) {
	var items []string
	switch list := list.(type) {
	case []Text:
		items = text.Names(list, Text.String)
	case []Tag:
		items = text.Names(list, Tag.String)
	default:
		return "", fmt.Errorf("expected a list (.Hosts, .Groups, .Tags), got %T", list)
	}
	if more := len(items) - limit; limit > 0 && more > 0 {
		items = append(items[:limit], l.T("+%d more", more))
	}
	return Markdown(strings.Join(items, separator)), nil
}

// link returns a link, or its label if there is no address.
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
		return "", fmt.Errorf("expected text as the link's label, got %T", label)
	}
	if to == "" {
		return Markdown(shown), nil
	}
	return Markdown("[" + shown + "](" + string(to) + ")"), nil
}

// The most lines that are quoted.
const (
	maxSaidLines  = 10
	maxQuoteLines = 30
)

// said returns a comment: one line after a colon, several as a quote below.
func said(t Text) Markdown {
	if !strings.ContainsAny(strings.TrimSpace(string(t)), "\r\n") {
		if shown := t.String(); shown != "" {
			return Markdown(": " + shown)
		}
		return ""
	}
	return "\n" + quote(t, maxSaidLines)
}

// quote returns a block quote without blank lines.
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
	return Markdown(out.String() + "\n") // the blank line ends the quote
}
