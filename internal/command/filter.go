package command

import (
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/text"
)

// parseProblems reads what narrows a list: a severity (high, >=high,
// high,disaster), acked or unacked, host=GLOB, and words that the problem's name holds.
func parseProblems(rest string) (Request, *Misspelt) {
	r := Request{Verb: Problems}
	var words []string
	for word, after := firstWord(rest); word != ""; word, after = firstWord(after) {
		name, value, isPair := strings.Cut(word, "=")
		lower := strings.ToLower(word)
		if set, ok, fault := parseSeverities(lower); fault != nil {
			return Request{}, fault
		} else if ok {
			r.Filter.Severity = set
			continue
		}
		if isPair {
			value, after = quotedValue(value, after)
			switch strings.ToLower(name) {
			case "host":
				if value == "" {
					return Request{}, misspelt(Problems, "Which host? For example: `problems host=sw1*`.")
				}
				r.Filter.Host = strings.ToLower(value)
			case "text", "name":
				words = append(words, value)
			default:
				names := []string{"host", "text", "severity"}
				if best := text.Nearest(strings.ToLower(name), names); best != "" {
					return Request{}, misspelt(Problems, "I don't know the filter `%s=`. Did you mean `%s=`?", echo(name), best)
				}
				return Request{}, misspelt(Problems, "I don't know the filter `%s=`. There are a severity (`>=high`), `acked`, `unacked`, `host=sw1*` and `text=link`.", echo(name))
			}
			continue
		}
		switch lower {
		case "acked", "ack", "acknowledged":
			r.Filter.Acknowledged = new(true)
		case "unacked", "unack", "unacknowledged":
			r.Filter.Acknowledged = new(false)
		case "all", "open", "and":
		default:
			if best := text.Nearest(lower, append(severityWords(), "acked", "unacked")); best != "" {
				return Request{}, misspelt(Problems, "I don't know the filter `%s`. Did you mean `%s`? To search for the word: `problems text=%[1]s`.", echo(word), best)
			}
			words = append(words, unquote(word))
		}
	}
	r.Filter.Text = strings.TrimSpace(strings.Join(words, " "))
	return r, nil
}

// parseSeverities reads "high", ">=high", "severity=high,disaster",
// "severity>=high". ok is false for a word that isn't about severity.
func parseSeverities(word string) (set map[alert.Severity]bool, ok bool, fault *Misspelt) {
	value, named := word, false
	for _, prefix := range []string{"severity", "sev"} {
		if after, found := strings.CutPrefix(word, prefix); found && strings.IndexAny(after, "=<>") == 0 {
			value, named = after, true
			break
		}
	}
	op := "="
	for _, o := range []string{">=", "<=", ">", "<", "="} {
		if after, found := strings.CutPrefix(value, o); found {
			op, value, named = o, after, true
			break
		}
	}
	set = make(map[alert.Severity]bool)
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSuffix(name, "+")
		s, err := alert.ParseSeverity(name)
		if err != nil || (!named && len(name) == 1) { // a lone digit is a word to search for
			if !named {
				return nil, false, nil
			}
			if best := text.Nearest(name, severityWords()); best != "" {
				return nil, false, misspelt(Problems, "I don't know the severity `%s`. Did you mean `%s`?", echo(name), best)
			}
			return nil, false, misspelt(Problems, "I don't know the severity `%s`. It is one of %s.", echo(name), severityList())
		}
		for _, other := range alert.Severities {
			if op == "=" && other == s && !strings.HasSuffix(value, "+") || op == ">" && other > s || op == "<" && other < s || op == "<=" && other <= s ||
				(op == ">=" || op == "=" && strings.HasSuffix(value, "+")) && other >= s {
				set[other] = true
			}
		}
	}
	if len(set) == 0 {
		return nil, false, misspelt(Problems, "No severity is `%s`.", echo(word))
	}
	return set, true, nil
}

// quotedValue takes the rest of a value that begins with a quote: text="link down".
func quotedValue(value, after string) (string, string) {
	if value == "" || value[0] != '"' {
		return value, after
	}
	all := value[1:] + " " + after
	if inside, rest, ok := strings.Cut(all, `"`); ok {
		return strings.TrimSpace(inside), rest
	}
	return strings.Trim(value, `"`), after
}
