// Package command parses people's commands, checks their role, and executes each command in Zabbix at most once.
package command

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
)

// Limits of one command.
const (
	maxRefs   = 20   // problems
	maxDigits = 20   // of an event id: Zabbix's are 64 bits wide
	maxText   = 8000 // bytes; a Webex message has at most 7,439
)

// Request is a parsed command.
type Request struct {
	Verb     Verb            `json:"verb"`
	Refs     []alert.Key     `json:"refs,omitempty"` // Source is "" if only an event id was given
	Text     string          `json:"text,omitempty"` // the person's words
	Severity *alert.Severity `json:"severity,omitempty"`
	Cause    alert.Key       `json:"cause,omitzero"` // of symptom; its Source is "" if only an event id was given
	Filter   Filter          `json:"filter,omitzero"`
	Ack      bool            `json:"ack,omitempty"`      // of take
	Person   string          `json:"person,omitempty"`   // of assign, as written
	Owner    *alert.Owner    `json:"owner,omitempty"`    // of take and assign
	Route    string          `json:"route,omitempty"`    // of mute, as written
	Token    tokenStep       `json:"token,omitzero"`     // of token
	Page     int             `json:"page,omitempty"`     // of a list, from 0
	Number   int64           `json:"number,omitempty"`   // of unsubscribe and unbind: allOf, 0 for none
	Card     string          `json:"card,omitempty"`     // the command whose reply the pressed card is, of subscriptions
	Posted   bool            `json:"posted,omitempty"`   // of mine: what was posted to the person, too
	Report   *Appointment    `json:"report,omitempty"`   // of report: a schedule, or its end
	Confirms string          `json:"confirms,omitempty"` // the command whose question this confirms
	AskedAt  time.Time       `json:"asked_at,omitzero"`  // when that command was given: the question was about what there was then
	For      string          `json:"for,omitempty"`      // who asked for it, if a second person confirms it
	ForEmail string          `json:"for_email,omitempty"`
	Incident int64           `json:"incident,omitempty"` // its number, as given
	Role     string          `json:"role,omitempty"`     // of role
	Toggle   bool            `json:"toggle,omitempty"`   // of role: the button, which leaves a role that is the person's
	Task     *Task           `json:"task,omitempty"`     // of a verb that doesn't act on problems
	Length   Length          `json:"length,omitzero"`
	Until    time.Time       `json:"until,omitzero"`  // the end of Length; zero for none
	Topic    Verb            `json:"topic,omitempty"` // of help; "" for all
	// All is "ack all …", which means all problems in a digest's thread. Elsewhere "all" is one of the person's
	// words, so Text has it too. Yes is "ack all yes …", AllText the words after it.
	All     bool   `json:"all,omitempty"`
	Yes     bool   `json:"yes,omitempty"`
	AllText string `json:"-"`
	// Asking: All means those problems of the digest that wait for an answer to this question, and are acknowledged.
	Asking *alert.Asking `json:"-"`
	// Suspects are numbers in the person's words. If one is the id of a problem that the room knows, the reply
	// is a question.
	Suspects []string `json:"-"`
}

// Filter narrows the list of problems.
type Filter struct {
	Severity     map[alert.Severity]bool `json:"severity,omitempty"` // nil for all
	Acknowledged *bool                   `json:"acknowledged,omitempty"`
	Host         string                  `json:"host,omitempty"` // a glob, in lower case
	Text         string                  `json:"text,omitempty"`
	// Plain is Text with ASCII punctuation if that differs. It is searched for if Text isn't found.
	Plain string `json:"-"`
}

// misunderstanding is the reply to a command that isn't understood, in markdown, with the person's words escaped.
type misunderstanding struct {
	verb Verb // as far as it was understood
	said lang.Phrase
}

func (q *misunderstanding) Error() string { return q.said.In(lang.English) }

// misunderstood returns a misunderstanding. format is a text of the catalogue.
func misunderstood(v Verb, format lang.Key, args ...any) *misunderstanding {
	return &misunderstanding{verb: v, said: format.With(args...)}
}

// Parse parses a message to the bot, without the mention. An empty message asks for help.
func (n Names) Parse(words string) (Request, *misunderstanding) {
	said := unwrapped(speak(text.CutBytes(words, maxText)))
	word, _ := firstWord(said.plain)
	if word == "" || strings.Trim(word, "?") == "" {
		return Request{Verb: Help}, nil
	}
	v, rest, q := cutVerb(word, said)
	if q != nil {
		return Request{}, q
	}
	if asksHelp(rest) {
		return Request{Verb: Help, Topic: v.name}, nil
	}
	if option := optionIn(v, rest, !v.prose); option != "" {
		return Request{}, unknownOption(v, option)
	}
	if v.problems && v.answer != nil { // "why 4711?"
		n := len(rest) - len(strings.TrimRight(rest, "?! "))
		said, rest = said.trimmed(0, len(said.plain)-n), rest[:len(rest)-n]
	}
	if !v.problems || v.lasts || v.spans {
		return v.parse(n, v, said, named{rest: rest})
	}
	t := n.scanIDs(v, rest)
	switch {
	case !t.words && asksHelp(t.rest):
		return Request{Verb: Help, Topic: v.name}, nil
	case t.ambiguous != "":
		return Request{}, &misunderstanding{v.name, unsure(v, t.ambiguous, t.refs, said.words(t.rest))}
	case len(t.refs) > maxRefs:
		return Request{}, tooMany(v)
	}
	if option := optionIn(v, t.rest, false); v.prose && !t.words && option != "" {
		return Request{}, unknownOption(v, option)
	}
	return v.parse(n, v, said, t)
}

func unknownOption(v *verb, option string) *misunderstanding {
	said := lang.Say("I don't know the option `%s`, so I did nothing. `help %s` explains the command.", echo(option), v.name)
	if v.problems {
		said = said.And(lang.Say(" If it belongs to your words, put a colon before them: `%[2]s: %[1]s`.", echo(option), v.name))
	}
	return &misunderstanding{v.name, said}
}

func tooMany(v *verb) *misunderstanding {
	return misunderstood(v.name, "That is more than %d problems at once. Please split the command.", maxRefs)
}

// request returns a command about problems, with the person's own words.
func (n Names) request(v *verb, said spoken, t named) Request {
	return Request{Verb: v.name, Refs: t.refs, Text: said.words(t.rest), Suspects: n.suspectsAfter(v, t)}
}

// parseAct parses "[ids] [words]" and "all".
func parseAct(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	r := n.request(v, said, t)
	if len(t.refs) > 0 || t.words {
		return r, nil
	}
	all, yes, words := cutAll(said, t.rest)
	switch {
	case !all:
	case v.name == Ack:
		r.All, r.Yes, r.AllText = all, yes, words
	case yes || words == "":
		return Request{}, misunderstood(v.name, "Only `ack` works with `all`, in the thread of a digest. Nothing was done. Name the problems: `%s 4711 4712`.", v.name)
	}
	return r, nil
}

func parseComment(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	r := n.request(v, said, t)
	if r.Text == "" {
		return Request{}, misunderstood(v.name, "What should I write? For example: `%s`.", v.exampleWith("4711"))
	}
	return r, nil
}

func parseShow(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	r := n.request(v, said, t)
	if r.Text != "" {
		return Request{}, misunderstood(v.name, "`%[1]s` takes event ids and nothing else: `%[1]s 4711`. To search: `problems %[2]s`.", v.name, echo(r.Text))
	}
	return r, nil
}

// unwrapped removes punctuation before a command, and backticks around all of it, as in the examples of help.
func unwrapped(s spoken) spoken {
	from := len(s.plain) - len(strings.TrimLeft(s.plain, " \n,:;/!.*_~`-•"))
	to := len(s.plain)
	if from < to && strings.Contains(s.plain[:from], "`") && strings.Count(s.plain, "`")%2 == 0 {
		to = len(strings.TrimRight(s.plain, "`"))
	}
	return s.trimmed(from, max(from, to))
}

// cutVerb splits off the verb, whatever punctuation follows it. A colon stays: it means that no ids follow.
func cutVerb(word string, said spoken) (*verb, string, *misunderstanding) {
	end := strings.IndexFunc(word, func(r rune) bool { return r >= 0x80 || !isLetter(byte(r)) })
	if end < 0 {
		end = len(word)
	}
	name, behind := strings.ToLower(word[:end]), word[end:]
	v := lookup(name)
	if v == nil {
		const around = ".,:;!?*_~`"
		written := said.part(said.plain, 0, len(word))
		return nil, "", unknownVerb(strings.ToLower(cmp.Or(strings.Trim(word, around), word)), strings.ToLower(cmp.Or(strings.Trim(written, around), written)))
	}
	trimmed := strings.TrimLeft(behind, ".!,;*_~`'\")?")
	switch {
	case strings.Contains(behind[:len(behind)-len(trimmed)], "?"): // "close?"
		return v, "?", nil
	case trimmed == "" || trimmed[0] == ':' || strings.HasPrefix(behind, ","), strings.HasPrefix(behind, ";"):
		return v, said.plain[len(word)-len(trimmed):], nil
	}
	return nil, "", misunderstood("", "I don't know the command `%s`. Did you mean `%s %s`?", echo(word), v.name, echo(strings.TrimLeft(trimmed, "-#/=.")))
}

// asksHelp reports whether the words after a verb ask what it does: "?", one word with a question mark
// ("close how?"), "--help" first or last, or "help" alone. "ack help is on the way" doesn't.
func asksHelp(rest string) bool {
	words := strings.Fields(strings.ToLower(strings.TrimLeft(rest, ":,; ")))
	if len(words) > 1 && strings.Trim(words[0], "-") == "" { // "close — help"
		words = words[1:]
	}
	if len(words) == 0 {
		return false
	}
	if strings.Trim(words[0], "?!.") == "" && strings.Contains(words[0], "?") {
		return true
	}
	if len(words) == 1 && strings.HasSuffix(words[0], "?") && !strings.ContainsFunc(words[0], unicode.IsNumber) {
		return true
	}
	switch bare := strings.Trim(words[0], ".,!?:;\"'`()"); bare {
	case "help":
		if len(words) == 1 || len(words) == 2 && slices.Contains([]string{"me", "please", "pls", "plz"}, strings.Trim(words[1], ".,!?")) {
			return true
		}
	case "-h", "--h", "-help", "--help", "/help", "/h", "-", "/":
		return strings.TrimLeft(bare, "-/") != "" || strings.Contains(words[0], "?")
	}
	last := words[len(words)-1]
	return last == "--help" || last == "-help"
}

// option matches a word that looks like a command-line option. Phones turn two dashes into one.
var option = regexp.MustCompile(`^--?[A-Za-z]`)

// optionIn returns the first word after a verb that looks like an option, or with all of them any word; "" for none. Words behind a
// colon, "--" or a quote are the person's own.
func optionIn(v *verb, rest string, all bool) string {
	if !v.problems {
		rest = strings.TrimLeft(rest, ":,; \n")
	}
	for {
		word, after := firstWord(rest)
		switch {
		case option.MatchString(word):
			return word
		case !all, word == "", word == "--", strings.ContainsAny(word[:1], ":\"'`"), strings.HasSuffix(word, ":"):
			return ""
		}
		rest = after
	}
}

// allWords matches "all" or "everything", and perhaps "yes", as words with any punctuation around them.
var allWords = regexp.MustCompile("(?i)^" + before + "(?:all|everything)" + behind + "(" + before + "yes" + behind + ")?")

const (
	before = "[- \n.,:;!*_~`'\"()]*"
	behind = "[-.!*_~`'\"()]*(?:[ \n,:;]|$)"
)

// cutAll parses "all" and "all, yes: on it". words are the rest.
func cutAll(said spoken, rest string) (all, yes bool, words string) {
	m := allWords.FindStringSubmatchIndex(rest)
	if m == nil {
		return false, false, ""
	}
	return true, m[2] >= 0, said.words(strings.TrimLeft(rest[m[1]:], "- \n.,:;!*_~`'\"()"))
}

// suspectsAfter returns the numbers in the words, except the ids that the command names.
func (n Names) suspectsAfter(v *verb, t named) []string {
	if t.sure && len(t.refs) == 0 {
		return nil
	}
	found := n.suspects(t.rest, !t.words && v.act != nil && !v.prose)
	return slices.DeleteFunc(found, func(id string) bool {
		return slices.ContainsFunc(t.refs, func(k alert.Key) bool { return k.EventID == id })
	})
}

// words returns the person's words for the rest of the plain form, as written, without the punctuation that
// separates them from the command.
func (s spoken) words(rest string) string {
	rest = strings.TrimLeft(rest, " \n")
	for {
		word, after := firstWord(rest)
		if word == "" || strings.Trim(word, "-,;:") != "" {
			break
		}
		rest = strings.TrimLeft(after, " \n")
	}
	return unquote(s.written(rest))
}

// unknownVerb asks about a word that isn't a verb. written is how the person wrote it.
func unknownVerb(word, written string) *misunderstanding {
	if best := text.Nearest(word, verbNames()); best != "" {
		return misunderstood("", "I don't know the command `%s`. Did you mean `%s`?", echo(written), lookup(best).name)
	}
	if keys, used, _ := (Names{}).read(word, false); used == len(word) && len(keys) == 1 {
		return misunderstood("", "What should I do with `%s`? For example: `ack %[1]s on it`, or `show %[1]s`.", echo(idOf(keys[0])))
	}
	return misunderstood("", "I don't know the command `%s`. `help` lists the commands.", echo(written))
}

func parseHelp(_ Names, _ *verb, _ spoken, t named) (Request, *misunderstanding) {
	word, _ := firstWord(strings.TrimLeft(t.rest, ": "))
	if word = strings.Trim(word, ".,!?:;\"'`()"); word == "" {
		return Request{Verb: Help}, nil
	}
	topic := lookup(strings.ToLower(word))
	if topic == nil {
		return Request{}, unknownVerb(strings.ToLower(word), strings.ToLower(word))
	}
	return Request{Verb: Help, Topic: topic.name}, nil
}

// parseSeverity parses "[ids] SEVERITY [words]". A single digit is the severity if there is no other.
func parseSeverity(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	refs, r := t.refs, Request{Verb: Severity}
	words := strings.TrimLeft(t.rest, ":=>- ")
	if first, after := firstWord(words); strings.EqualFold(first, "to") {
		words = after
	}
	s, after, ok := cutSeverity(words)
	switch {
	case ok:
		r.Severity, r.Refs = &s, refs
	case len(refs) > 0 && refs[len(refs)-1].Source == "" && len(refs[len(refs)-1].EventID) == 1:
		s, err := alert.ParseSeverity(refs[len(refs)-1].EventID)
		if err != nil {
			return Request{}, misunderstood(Severity, "A severity is 0 to 5, or a name: %s.", severityList())
		}
		r.Severity, r.Refs, after = &s, refs[:len(refs)-1], t.rest
		if t.words {
			r.Text = said.words(after)
			return r, nil
		}
	default:
		word, _ := firstWord(words)
		if word == "" {
			return Request{}, misunderstood(Severity, "Which severity? One of %s. For example: `severity 4711 high`, or in a problem's thread `severity high`.", severityList())
		}
		return Request{}, unknownSeverity(Severity, word)
	}
	return n.behind(v, said, r, after, hyphened(*r.Severity))
}

// behind reads the person's words after what a command about problems needs besides them, which is object. An id there is a
// question if none was given: "severity high 4711" would change the thread's problem instead of 4711.
func (n Names) behind(v *verb, said spoken, r Request, after, object string) (Request, *misunderstanding) {
	t := n.scanIDs(v, after)
	switch {
	case t.ambiguous != "":
		return Request{}, &misunderstanding{v.name, unsure(v, t.ambiguous, r.Refs, said.words(t.rest))}
	case len(r.Refs) == 0 && len(t.refs) > 0:
		return Request{}, misunderstood(v.name, "Put the event id first: `%s %s %s`. If it belongs to your words: `%[1]s %[3]s: %[2]s …`.", v.name, echo(idOf(t.refs[0])), echo(object))
	}
	r.Text = said.words(strings.TrimLeft(after, ": "))
	if len(t.refs) > 0 { // "severity 4711 high 3 customers"
		t = named{rest: after}
	}
	t.refs = r.Refs
	r.Suspects = n.suspectsAfter(v, t)
	return r, nil
}

// parseSymptom parses "[ids] of ID [words]".
func parseSymptom(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	first, after := firstWord(strings.TrimLeft(t.rest, ":,- "))
	if !strings.EqualFold(first, "of") {
		return Request{}, misunderstood(Symptom, "Of which problem? For example: `symptom 4712 of 4711`, or in the symptom's thread `symptom of 4711`.")
	}
	cause := n.scanIDs(v, after)
	switch {
	case cause.ambiguous != "":
		return Request{}, misunderstood(Symptom, "I'm not sure which problem `%s` is, so I did nothing. Write the event id of the cause alone: `symptom 4712 of 4711`.", echo(cause.ambiguous))
	case len(cause.refs) != 1:
		return Request{}, misunderstood(Symptom, "A symptom has exactly one cause: `symptom 4712 of 4711`.")
	}
	r := Request{Verb: Symptom, Refs: t.refs, Cause: cause.refs[0], Text: said.words(cause.rest)}
	r.Suspects = n.suspectsAfter(v, cause)
	return r, nil
}

// parseCause parses "[ids]". Words would turn a remark ("cause was the switch") into an act.
func parseCause(n Names, v *verb, said spoken, t named) (Request, *misunderstanding) {
	r := n.request(v, said, t)
	if r.Text != "" {
		return Request{}, misunderstood(Cause, "`cause` takes event ids and nothing else: `cause 4712`. It makes a symptom a problem of its own again. To write a remark: `comment %s`.", echo(r.Text))
	}
	return r, nil
}

// cutSeverity splits off a severity: a digit, or a name of one or two words. The colon after it stays: it means that
// no ids follow.
func cutSeverity(words string) (s alert.Severity, after string, ok bool) {
	first, afterFirst := firstWord(words)
	second, afterSecond := firstWord(afterFirst)
	for _, c := range [...]struct{ name, after string }{{first + " " + second, afterSecond}, {first, afterFirst}} {
		s, err := alert.ParseSeverity(strings.Trim(c.name, ".,:;!*_~`'\"()[]"))
		if err != nil {
			continue
		}
		if strings.HasSuffix(c.name, ":") {
			c.after = ": " + c.after
		}
		return s, c.after, true
	}
	return 0, words, false
}

// unknownSeverity asks about a word that isn't a severity.
func unknownSeverity(v Verb, word string) *misunderstanding {
	if best := text.Nearest(strings.ToLower(word), severityWords()); best != "" {
		return misunderstood(v, "I don't know the severity `%s`. Did you mean `%s`?", echo(word), best)
	}
	return misunderstood(v, "I don't know the severity `%s`. It is one of %s.", echo(word), severityList())
}

func severityWords() []string {
	words := make([]string, 0, len(alert.Severities))
	for _, s := range alert.Severities {
		words = append(words, hyphened(s))
	}
	return words
}

// hyphened returns the severity as one word.
func hyphened(s alert.Severity) string { return strings.ReplaceAll(s.String(), " ", "-") }

func severityList() string { return "`" + strings.Join(severityWords(), "`, `") + "`" }
