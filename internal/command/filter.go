package command

import (
	"regexp"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// colonFilter is a filter's name with a colon, as people write it for "=".
var colonFilter = regexp.MustCompile(`(?i)(^|[ \n])(severity|sev|host|text|name) ?:`)

func parseProblems(_ Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	return parseFilters(v.name, said, strings.TrimLeft(t.rest, ":,; "))
}

// parseFilters reads filters of a verb: a severity (high, >=high, high,disaster), acked or unacked, host=GLOB, and
// words of the problem's name. rest is the end of what was said.
func parseFilters(v Verb, said spoken, rest string) (Request, *misunderstanding) {
	r := Request{Verb: v}
	var texts, plains []string
	rest = colonFilter.ReplaceAllStringFunc(rest, func(name string) string { return name[:len(name)-1] + "=" })
	for rest = strings.TrimLeft(rest, " \n"); rest != ""; rest = strings.TrimLeft(rest, " \n") {
		if page, after, ok := cutPage(rest); ok {
			if page < 1 || page > maxPages {
				return Request{}, misunderstood(v, "There are pages 1 to %d. To search for the word: `%s text=page`.", maxPages, v)
			}
			r.Page, rest = page-1, after
			continue
		}
		f := nextFilter(rest)
		search := func() {
			texts = append(texts, unquote(said.part(rest, f.from, f.to)))
			plains = append(plains, unquote(rest[f.from:f.to]))
		}
		keyword := strings.ToLower(strings.TrimRight(strings.NewReplacer(`"`, "", "'", "", "`", "").Replace(f.word), ".,;!"))
		set, ok, fault := parseSeverities(v, keyword)
		switch {
		case f.name == "" && f.quoted:
			search()
		case fault != nil:
			return Request{}, fault
		case ok:
			r.Filter.Severity = set
		case f.name == "host":
			if r.Filter.Host = strings.ToLower(strings.Trim(unquote(rest[f.from:f.to]), "<>`")); r.Filter.Host == "" {
				return Request{}, misunderstood(v, "Which host? For example: `%s host=sw1*`.", v)
			}
		case f.name == "text" || f.name == "name":
			search()
		case f.name != "":
			if best := text.Nearest(f.name, []string{"host", "text", "severity"}); best != "" {
				return Request{}, misunderstood(v, "I don't know the filter `%s=`. Did you mean `%s=`?", echo(f.name), best)
			}
			return Request{}, misunderstood(v, "I don't know the filter `%s=`. There are a severity (`>=high`), `acked`, `unacked`, `host=sw1*` and `text=link`.", echo(f.name))
		case keyword == "acked" || keyword == "ack" || keyword == "acknowledged":
			r.Filter.Acknowledged = new(true)
		case keyword == "unacked" || keyword == "unack" || keyword == "unacknowledged":
			r.Filter.Acknowledged = new(false)
		case keyword == "all" || keyword == "open" || keyword == "and" || keyword == "":
		default:
			words := append(severityWords(), "acked", "unacked")
			if best := text.Nearest(keyword, words); best != "" {
				return Request{}, misunderstood(v, "I don't know the filter `%s`. Did you mean `%s`? To search for the word: `%[3]s text=%[1]s`.", echo(keyword), best, v)
			}
			search()
		}
		rest = rest[f.end:]
	}
	r.Filter.Text = strings.TrimSpace(strings.Join(texts, " "))
	if plain := strings.TrimSpace(strings.Join(plains, " ")); plain != r.Filter.Text {
		r.Filter.Plain = plain
	}
	return r, nil
}

// filterPart is the first filter of plain words, by offsets.
type filterPart struct {
	word     string // without spaces around its operator
	name     string // before a "=", in lower case
	quoted   bool   // the value, or the whole, is in quotes
	from, to int    // the value, quotes included
	end      int
}

// filterForm matches a word, or a name and its value, possibly with spaces around the operator.
var filterForm = regexp.MustCompile(`^(?:(?i:severity|sev|host|text|name) +[=<>] *)?(?:[^ \n]*[=<>] +)*[^ \n]*`)

// nextFilter finds the first filter of plain words: a word, a quotation, or a name and its value.
func nextFilter(rest string) filterPart {
	f := filterPart{end: len(filterForm.FindString(rest))}
	f.word, f.to = strings.ReplaceAll(rest[:f.end], " ", ""), f.end
	if name, _, isPair := strings.Cut(rest[:f.end], "="); isPair && strings.Trim(name, "<> ") != "" {
		f.name = strings.ToLower(strings.TrimSpace(name))
		f.from = len(name) + 1
		f.from += len(rest[f.from:]) - len(strings.TrimLeft(rest[f.from:], " "))
		f.from = min(f.from, f.end)
	}
	if f.from < f.end && strings.IndexByte("\"'", rest[f.from]) >= 0 {
		if i := strings.IndexByte(rest[f.from+1:], rest[f.from]); i >= 0 {
			f.to, f.quoted = f.from+i+2, true
			f.end = max(f.to, f.to+strings.IndexAny(rest[f.to:]+" ", " \n"))
			return f
		}
		f.from++ // an unclosed quote
	}
	f.to = max(f.from, len(strings.TrimRight(rest[:f.end], ",;\"")))
	return f
}

var severityFilter = regexp.MustCompile(`(?s)^(?:severity|sev)?(>=|<=|>|<|=)(.*)$`)

// parseSeverities reads "high", ">=high", "severity=high,disaster", "severity>=high". ok is false for a word
// that isn't about severity.
func parseSeverities(v Verb, word string) (set map[alert.Severity]bool, ok bool, fault *misunderstanding) {
	m := severityFilter.FindStringSubmatch(word)
	op, value, named := "=", word, m != nil
	if named {
		op, value = m[1], m[2]
	}
	var ranges []string
	for name := range strings.SplitSeq(value, ",") {
		name, orMore := strings.CutSuffix(name, "+")
		if _, err := alert.ParseSeverity(name); err != nil || (!named && len(name) == 1) { // a single digit is a word to search for
			if !named {
				return nil, false, nil
			}
			return nil, false, unknownSeverity(v, name)
		}
		if orMore && op == "=" {
			ranges = append(ranges, ">="+name)
		} else {
			ranges = append(ranges, op+name)
		}
	}
	match, err := config.ParseSeverityMatch(ranges...)
	if err != nil {
		return nil, false, misunderstood(v, "No severity is `%s`.", echo(word))
	}
	return match.Set, true, nil
}

// wanted returns the filter in words; "" for none.
func (f Filter) wanted(l lang.Lang) string {
	var parts []string
	if f.Severity != nil {
		var names []string
		for _, s := range alert.Severities {
			if f.Severity[s] {
				names = append(names, render.Word(l, s))
			}
		}
		parts = append(parts, l.T("severity %s", l.Or(names)))
	}
	if f.Acknowledged != nil {
		if *f.Acknowledged {
			parts = append(parts, l.C("state", "acknowledged"))
		} else {
			parts = append(parts, l.T("not acknowledged"))
		}
	}
	if f.Host != "" {
		parts = append(parts, l.T("host `%s`", echo(f.Host)))
	}
	if f.Text != "" {
		parts = append(parts, l.T("“%s” in the name", webex.EscapeMarkdown(text.Cut(f.Text, 100))))
	}
	return strings.Join(parts, ", ")
}
