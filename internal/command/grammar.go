// Package command is what people can ask for in a room: its grammar, who may,
// and doing it in Zabbix at most once.
package command

import (
	"fmt"
	"slices"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/text"
)

// Verb is what a command does, by its full name.
type Verb string

// The verbs.
const (
	Ack      Verb = "ack"
	Unack    Verb = "unack"
	Comment  Verb = "comment"
	Close    Verb = "close"
	Severity Verb = "severity"
	Show     Verb = "show"
	Problems Verb = "problems"
	Help     Verb = "help"
)

// Verbs holds every verb, in the order in which help tells them.
var Verbs = [...]Verb{Ack, Unack, Comment, Close, Severity, Show, Problems, Help}

// aliases are other words for a verb. Each verb is its own alias too.
var aliases = map[string]Verb{
	"acknowledge": Ack, "unacknowledge": Unack, "note": Comment, "say": Comment, "resolve": Close,
	"sev": Severity, "status": Show, "list": Problems, "ls": Problems, "?": Help,
}

// Limits of one command.
const (
	maxRefs   = 20   // problems
	maxDigits = 20   // of an event id: Zabbix's are 64 bits wide
	maxText   = 8000 // bytes of what was said: a Webex message holds 7,439
)

// Acts says whether the verb changes something in Zabbix.
func (v Verb) Acts() bool {
	switch v {
	case Ack, Unack, Comment, Close, Severity:
		return true
	}
	return false
}

// Request is a command as it was understood.
type Request struct {
	Verb     Verb            `json:"verb"`
	Refs     []alert.Key     `json:"refs,omitempty"` // Source is "" where only an event id was said
	Text     string          `json:"text,omitempty"` // the person's words
	Severity *alert.Severity `json:"severity,omitempty"`
	Filter   Filter          `json:"filter,omitzero"`
	Topic    Verb            `json:"topic,omitempty"` // of help; "" for all
	// All is "ack all …": in a digest's thread, all of its problems. Text has the
	// word too, for elsewhere it is one of the person's own.
	All bool `json:"all,omitempty"`
}

// Filter is what the command problems was narrowed to.
type Filter struct {
	Severity     map[alert.Severity]bool `json:"severity,omitempty"` // nil for all
	Acknowledged *bool                   `json:"acknowledged,omitempty"`
	Host         string                  `json:"host,omitempty"` // a glob, in lower case
	Text         string                  `json:"text,omitempty"`
}

// Misspelt is a command that can't be understood. What is one sentence for the person,
// in markdown; words of theirs in it are harmless.
type Misspelt struct {
	Verb Verb // as far as it was understood
	What string
}

func (m *Misspelt) Error() string { return m.What }

func misspelt(v Verb, format string, args ...any) *Misspelt {
	return &Misspelt{Verb: v, What: fmt.Sprintf(format, args...)}
}

// Parse understands what somebody said to the bot, without the mention. It is
// pure. No words at all ask for help.
func Parse(said string) (Request, *Misspelt) {
	said = strings.TrimLeft(text.Block(text.CutBytes(said, maxText)), " \n,:;/!")
	word, rest := firstWord(said)
	if word == "" {
		return Request{Verb: Help}, nil
	}
	name, colon := strings.CutSuffix(strings.ToLower(word), ":")
	verb, ok := lookup(name)
	if !ok {
		return Request{}, unknownVerb(name)
	}
	if colon { // "ack: 5 minutes" says that no ids follow
		rest = ": " + rest
	}
	if r := strings.TrimSpace(rest); r == "?" || r == "--help" || r == "-h" {
		return Request{Verb: Help, Topic: verb}, nil
	}
	switch verb {
	case Help:
		return parseHelp(rest)
	case Problems:
		return parseProblems(strings.TrimPrefix(rest, ": "))
	case Severity:
		return parseSeverity(rest)
	}
	refs, text, fault := takeRefs(verb, rest)
	if fault != nil {
		return Request{}, fault
	}
	r := Request{Verb: verb, Refs: refs, Text: unquote(text)}
	if first, _ := firstWord(text); verb == Ack && len(refs) == 0 && strings.EqualFold(first, "all") && !strings.HasPrefix(strings.TrimSpace(rest), ":") {
		r.All = true
	}
	switch {
	case verb == Comment && r.Text == "":
		return Request{}, misspelt(verb, "What should I write? For example: `comment 4711 waiting for the vendor`.")
	case verb == Show && r.Text != "":
		return Request{}, misspelt(verb, "`show` takes event ids and nothing else: `show 4711`. To search: `problems %s`.", echo(r.Text))
	}
	return r, nil
}

func lookup(word string) (Verb, bool) {
	for _, v := range Verbs {
		if word == string(v) {
			return v, true
		}
	}
	v, ok := aliases[word]
	return v, ok
}

func unknownVerb(word string) *Misspelt {
	names := make([]string, 0, len(Verbs)+len(aliases))
	for _, v := range Verbs {
		names = append(names, string(v))
	}
	for alias := range aliases {
		names = append(names, alias)
	}
	if best := text.Nearest(word, names); best != "" {
		verb, _ := lookup(best)
		return misspelt("", "I don't know the command `%s`. Did you mean `%s`?", echo(word), verb)
	}
	if _, isRef := parseRef(word); isRef {
		return misspelt("", "What should I do with `%s`? For example: `ack %[1]s on it`, or `show %[1]s`.", echo(word))
	}
	return misspelt("", "I don't know the command `%s`. Say `help` for those that I know.", echo(word))
}

func parseHelp(rest string) (Request, *Misspelt) {
	word, _ := firstWord(strings.TrimPrefix(rest, ": "))
	if word == "" {
		return Request{Verb: Help}, nil
	}
	topic, ok := lookup(strings.ToLower(word))
	if !ok {
		return Request{}, unknownVerb(strings.ToLower(word))
	}
	return Request{Verb: Help, Topic: topic}, nil
}

// parseSeverity reads "[ids] SEVERITY [text]". A lone digit is the severity,
// where nothing else could be.
func parseSeverity(rest string) (Request, *Misspelt) {
	const usage = "For example: `severity 4711 high`, or in a problem's thread `severity high`."
	refs, rest, fault := takeRefs(Severity, rest)
	if fault != nil {
		return Request{}, fault
	}
	r := Request{Verb: Severity}
	words := strings.TrimLeft(rest, ":= ")
	if first, after := firstWord(words); strings.EqualFold(first, "to") {
		words = after
	}
	s, after, ok := takeSeverity(words)
	switch {
	case ok:
		r.Severity, r.Refs = &s, refs
	case len(refs) > 0 && refs[len(refs)-1].Source == "" && len(refs[len(refs)-1].EventID) == 1:
		s, err := alert.ParseSeverity(refs[len(refs)-1].EventID)
		if err != nil {
			return Request{}, misspelt(Severity, "A severity is 0 to 5, or a name: %s.", severityList())
		}
		r.Severity, r.Refs, after = &s, refs[:len(refs)-1], rest
	default:
		word, _ := firstWord(words)
		if word == "" {
			return Request{}, misspelt(Severity, "Which severity? One of %s. %s", severityList(), usage)
		}
		if best := text.Nearest(strings.ToLower(word), severityWords()); best != "" {
			return Request{}, misspelt(Severity, "I don't know the severity `%s`. Did you mean `%s`?", echo(word), best)
		}
		return Request{}, misspelt(Severity, "I don't know the severity `%s`. It is one of %s. %s", echo(word), severityList(), usage)
	}
	after = strings.TrimLeft(after, " ")
	if first, _ := firstWord(after); len(refs) == 0 && first != "" {
		// "severity high 4711" would change the thread's problem, and not 4711.
		if _, isRef := parseRef(first); isRef {
			return Request{}, misspelt(Severity, "Put the event id first: `severity %s %s`. If it belongs to your words: `severity %[2]s: %[1]s …`.", echo(first), hyphened(*r.Severity))
		}
	}
	r.Text = unquote(strings.TrimLeft(after, ": "))
	return r, nil
}

// takeSeverity takes a severity's name (of one word or two) or digit off the words.
func takeSeverity(words string) (alert.Severity, string, bool) {
	first, after := firstWord(words)
	second, afterSecond := firstWord(after)
	if s, err := alert.ParseSeverity(strings.TrimRight(first+" "+second, ":,")); err == nil && second != "" {
		return s, tail(second, afterSecond), true
	}
	if s, err := alert.ParseSeverity(strings.TrimRight(first, ":,")); err == nil && first != "" {
		return s, tail(first, after), true
	}
	return 0, words, false
}

// tail keeps the colon that a word ended in: it says that no ids follow.
func tail(word, after string) string {
	if strings.HasSuffix(word, ":") {
		return ": " + after
	}
	return after
}

// takeRefs takes event ids off the beginning: "4711", "main/4711", "#4711",
// with commas or without. A colon ends them.
func takeRefs(verb Verb, rest string) (refs []alert.Key, text string, fault *Misspelt) {
	text = strings.TrimLeft(rest, " \n")
	for {
		if after, ok := strings.CutPrefix(text, ":"); ok {
			return refs, strings.TrimSpace(after), nil
		}
		word, after := firstWord(text)
		key, ok := parseRef(strings.TrimRight(word, ",;:"))
		if !ok {
			return refs, strings.TrimSpace(text), nil
		}
		if !slices.Contains(refs, key) {
			refs = append(refs, key)
		}
		if len(refs) > maxRefs {
			return nil, "", misspelt(verb, "That is more than %d problems at once: say it in parts.", maxRefs)
		}
		text = strings.TrimLeft(after, " \n")
		if strings.HasSuffix(word, ":") {
			return refs, strings.TrimSpace(text), nil
		}
	}
}

// parseRef reads "4711", "#4711" and "main/4711".
func parseRef(word string) (alert.Key, bool) {
	source, id, ok := strings.Cut(word, "/")
	if !ok {
		source, id = "", word
	}
	id = strings.TrimPrefix(id, "#")
	if id == "" || len(id) > maxDigits || strings.Trim(id, "0123456789") != "" || (ok && !validSource(source)) {
		return alert.Key{}, false
	}
	return alert.Key{Source: source, EventID: id}, true
}

// validSource says whether the text can be a source's configured name.
func validSource(s string) bool {
	for _, c := range s {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func severityWords() []string {
	words := make([]string, 0, len(alert.Severities))
	for _, s := range alert.Severities {
		words = append(words, hyphened(s))
	}
	return words
}

// hyphened is the severity as one word.
func hyphened(s alert.Severity) string { return strings.ReplaceAll(s.String(), " ", "-") }

func severityList() string { return "`" + strings.Join(severityWords(), "`, `") + "`" }
