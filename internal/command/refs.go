package command

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"nms-alert-relay/internal/alert"
)

// This file finds the event ids in a command. An unambiguous id is read whatever its punctuation. A word that
// may be an id but isn't exactly one is a question, and nothing is done: it never counts as words for the
// thread's own problem.

// named is the result of scanning the beginning of a command's words for ids.
type named struct {
	refs []alert.Key
	rest string // the end of the scanned plain text, after the ids
	// ambiguous is a word that may be an id; "" for none.
	ambiguous string
	// words: a colon or "--" marks rest as the person's words. sure: it was "--", or a colon and quotes, which
	// nobody types by accident. (Phones turn "--" into a long dash.)
	words, sure bool
}

const (
	openers = "([{<\"'`*_~"
	closers = ")]}>\"'`*_~.,;!"
	// around is both.
	around = "([{<" + closers
)

// labels are words that may precede an id.
var labels = map[string]bool{
	"event": true, "events": true, "eventid": true, "eventids": true, "event-id": true, "event_id": true, "id": true, "ids": true,
	"problem": true, "problems": true, "alert": true, "alerts": true, "no": true, "nr": true, "number": true, "num": true,
	"the": true, "please": true, "pls": true, "both": true, "#": true,
}

// maxLabels is how many labels may precede an id: "please the event id 4711".
const maxLabels = 4

// joiners join two ids.
var joiners = map[string]bool{"and": true, "&": true, "+": true, "plus": true, "und": true, "et": true, "y": true}

// betweens may stand between two ids, but ambiguously: "4711 or 4712", "4711 to 4715".
var betweens = map[string]bool{
	"or": true, "oder": true, "to": true, "till": true, "until": true, "through": true, "thru": true, "bis": true, "also": true, "then": true, "without": true, "except": true, "but": true, "not": true,
}

// scanIDs parses the ids at the beginning of plain words.
func (n Names) scanIDs(v *verb, text string) named {
	t := named{rest: strings.TrimLeft(text, " \n")}
	for {
		if after, ok := strings.CutPrefix(t.rest, ":"); ok {
			t.rest, t.words = after, true
			break
		}
		word, after := firstWord(t.rest)
		if word == "--" {
			t.rest, t.words, t.sure = after, true, true
			break
		}
		keys, used, ends := n.readLabelled(t.rest, len(t.refs) > 0)
		if used == 0 && len(t.refs) > 0 && joiners[strings.ToLower(word)] {
			if keys, used, ends = n.readLabelled(after, true); used > 0 {
				used += len(t.rest) - len(after)
			}
		}
		if used == 0 {
			t.ambiguous = n.ambiguousIn(v, t.rest, len(t.refs) > 0)
			break
		}
		for _, key := range keys {
			if !slices.Contains(t.refs, key) {
				t.refs = append(t.refs, key)
			}
		}
		t.rest = strings.TrimLeft(t.rest[used:], " \n")
		if ends {
			t.words = true
			break
		}
	}
	scanned := text[:len(text)-len(t.rest)]
	t.rest = strings.TrimLeft(t.rest, " \n")
	t.sure = t.sure || t.words && len(t.rest) > 2 && t.rest[0] == '"' && strings.IndexByte(t.rest[1:], '"') == len(t.rest)-2
	if t.ambiguous == "" && len(t.refs) > 0 && unbalanced(scanned) { // `"4711 on it"` may be an id or a quotation
		t.ambiguous, _ = firstWord(strings.TrimLeft(text, " \n"))
	}
	if t.ambiguous == "" && t.words && t.rest != "" && n.onlyIDs(t.rest) {
		t.ambiguous, _ = firstWord(t.rest) // "ack: 4712" announces words, which are just an id
	}
	return t
}

// readLabelled parses one word of ids, possibly after labels. used is its length with them in bytes, 0 for no
// id. ends: it ended in a colon.
func (n Names) readLabelled(text string, more bool) (keys []alert.Key, used int, ends bool) {
	rest := text
	for labels := 0; ; labels++ {
		if keys, size, ends := n.read(rest, more); size > 0 {
			return keys, len(text) - len(rest) + size, ends
		}
		word, after := firstWord(rest)
		if labels == maxLabels || !isLabel(word) {
			return nil, 0, false
		}
		rest = strings.TrimLeft(after, " \n")
	}
}

var labelled = regexp.MustCompile(`^(?i:events?|event[-_]?ids?|ids?|problems?|alerts?|no|nr|num|number)[.:=#]+(#?[0-9])`)

// thousands matches one number with separators or several ids, which is ambiguous.
var thousands = regexp.MustCompile(`^[0-9]{1,3}(,[0-9]{3})+$`)

// read parses the first word, or link, as ids. more: ids precede it.
func (n Names) read(text string, more bool) (keys []alert.Key, used int, ends bool) {
	if target, size := linkIn(text); size > 0 {
		key, ok := n.follow(target)
		if label, _, _ := strings.Cut(strings.TrimPrefix(text[:size], "["), "]("); ok && text[0] == '[' {
			// "[4712](…eventid=4713)" is ambiguous.
			if keys, _, _ := n.readLabelled(label, false); len(keys) > 0 && (len(keys) > 1 || keys[0].EventID != key.EventID) {
				ok = false
			}
		}
		if !ok {
			return nil, 0, false
		}
		return []alert.Key{key}, size, strings.HasSuffix(text[:size], ":")
	}
	word, _ := firstWord(text)
	used = len(word)
	core := strings.TrimLeft(word, openers)
	if m := labelled.FindStringSubmatchIndex(core); m != nil {
		core = core[m[2]:]
	}
	// "4711:on it"
	if i := strings.IndexByte(core, ':'); i >= 0 && i+1 < len(core) && isLetter(core[i+1]) {
		used -= len(core) - i - 1
		core = core[:i+1]
	}
	trimmed := strings.TrimRight(core, closers+":")
	ends = strings.Contains(core[len(trimmed):], ":")
	if core = trimmed; thousands.MatchString(core) {
		return nil, 0, false
	}
	if more {
		core = strings.TrimLeft(core, ",;&+")
	}
	for part := range strings.FieldsFuncSeq(core, func(r rune) bool { return r == ',' || r == ';' || r == '&' || r == '+' }) {
		key, ok := n.parseRef(strings.Trim(part, around))
		if !ok {
			return nil, 0, false
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 || strings.ContainsAny(core[:1], ",;&+") {
		return nil, 0, false
	}
	return keys, used, ends
}

// parseRef parses "4711", "#4711" and "main/4711".
func (n Names) parseRef(word string) (alert.Key, bool) {
	source, id, ok := strings.Cut(word, "/")
	if !ok {
		source, id = "", word
	}
	id = strings.TrimPrefix(id, "#")
	if id == "" || len(id) > maxDigits || strings.Trim(id, digits) != "" || ok && !n.validSource(source) {
		return alert.Key{}, false
	}
	return alert.Key{Source: source, EventID: id}, true
}

const digits = "0123456789"

// validSource reports whether s can be a source's name. Digits alone must be the name of a source, since
// "4711/4712" may be two ids.
func (n Names) validSource(s string) bool {
	for _, c := range s {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return s != "" && len(s) <= 64 && (strings.ContainsFunc(s, func(r rune) bool { return isLetter(byte(r)) }) || n.isSource(s))
}

func (n Names) isSource(s string) bool {
	for name := range n.Sources {
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// ambiguousIn returns the word at the beginning of text that may be an id; "" for none. more: ids precede it.
func (n Names) ambiguousIn(v *verb, text string, more bool) string {
	start, skipped := skip(text, func(word string) bool { return isLabel(word) || joiners[word] || isPunctuation(word) })
	if target, size := linkIn(start); size > 0 {
		// A link to no problem of ours is ambiguous, in a comment only if it has an event id.
		if !v.prose || NamesEvent(target) {
			return start[:size]
		}
		return ""
	}
	word, after := firstWord(start)
	if _, size, _ := n.read(start, false); n.almost(word) || skipped && size > 0 {
		return word
	}
	next, _ := firstWord(after)
	_, size, _ := n.readLabelled(strings.TrimLeft(after, " \n"), false)
	between := more && betweens[strings.ToLower(word)] && (v.name != Severity || !strings.EqualFold(word, "to"))
	if (between || n.isSource(word)) && (size > 0 || n.almost(next)) {
		return next
	}
	return ""
}

// skip skips a few leading words of a sort.
func skip(text string, sort func(lower string) bool) (rest string, skipped bool) {
	rest = strings.TrimLeft(text, " \n")
	for range maxLabels + 2 {
		word, after := firstWord(rest)
		if word == "" || !sort(strings.ToLower(word)) {
			break
		}
		rest, skipped = strings.TrimLeft(after, " \n"), true
	}
	return rest, skipped
}

func isLabel(word string) bool {
	return labels[strings.ToLower(strings.TrimRight(word, ".:=#,"))] || word == "#"
}

// longRun is how many digits a word must begin with to look like an id with a suffix.
const longRun = 4

// almost reports whether a word looks like an id but isn't one.
func (n Names) almost(word string) bool {
	if !strings.ContainsFunc(word, unicode.IsNumber) { // ④ and ⁴ are numbers, too
		return false
	}
	letters := strings.ContainsFunc(word, func(r rune) bool { return r >= 0x80 && !unicode.IsNumber(r) || r < 0x80 && isLetter(byte(r)) })
	if !letters { // digits and punctuation: a range, a date, a number with separators
		return true
	}
	if len(word)-len(strings.TrimLeft(word, digits)) >= longRun {
		return true
	}
	if source, id, ok := strings.Cut(word, ":"); ok && n.isSource(source) && id != "" && strings.ContainsAny(id[:1], digits) {
		return true
	}
	_, looks := lookingLikeDigits(word)
	return looks
}

// lookingLikeDigits replaces characters that look like digits: 47l2, 47O1, 47². looks reports whether the result
// has only digits and punctuation.
func lookingLikeDigits(word string) (folded string, looks bool) {
	folded = strings.Trim(lookalike.Replace(word), around+":#")
	return folded, len(folded) >= 3 && strings.Trim(folded, digits+".,;:/-") == ""
}

var lookalike = strings.NewReplacer("l", "1", "I", "1", "i", "1", "O", "0", "o", "0", "B", "8", "S", "5", "Z", "2",
	"⁰", "0", "¹", "1", "²", "2", "³", "3", "⁴", "4", "⁵", "5", "⁶", "6", "⁷", "7", "⁸", "8", "⁹", "9")

func isPunctuation(word string) bool {
	return word != "" && !strings.ContainsFunc(word, func(r rune) bool { return r >= 0x80 || isLetter(byte(r)) || '0' <= r && r <= '9' })
}

// onlyIDs reports whether text consists of ids.
func (n Names) onlyIDs(text string) bool {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimLeft(text, " \n") {
		_, used, _ := n.readLabelled(text, true)
		if used == 0 {
			word, _ := firstWord(text)
			if !joiners[strings.ToLower(word)] {
				return false
			}
			used = len(word)
		}
		text = text[used:]
	}
	return true
}

// suspects returns the numbers in a person's words that could be ids: those in the first word, one by one and
// joined, and with all also those in the other words.
func (n Names) suspects(text string, all bool) []string {
	var found []string
	add := func(id string) {
		if id != "" && len(id) <= maxDigits && len(found) < maxSuspects && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	text, _ = skip(text, func(word string) bool {
		return isLabel(word) || joiners[word] || betweens[word] || isPunctuation(word)
	})
	word, after := firstWord(text)
	if _, size := linkIn(text); size > 0 {
		word, after = text[:size], text[size:]
	}
	addRuns := func(word string) {
		runs := strings.FieldsFunc(word, func(r rune) bool { return r < '0' || r > '9' })
		for _, run := range runs {
			add(run)
		}
		add(strings.Join(runs, ""))
	}
	addRuns(word)
	if !all {
		return found
	}
	for after = strings.TrimLeft(after, " \n"); after != ""; after = strings.TrimLeft(after, " \n") {
		keys, used, _ := n.read(after, true)
		if used == 0 {
			word, _ := firstWord(after)
			used = len(word)
			addRuns(word)
		}
		for _, key := range keys {
			add(key.EventID)
		}
		after = after[used:]
	}
	return found
}

// maxSuspects bounds the lookups of one command.
const maxSuspects = 50

// unbalanced reports whether a bracket or a quote is still open at the end of s.
func unbalanced(s string) bool {
	opened, closed := 0, 0
	for _, pair := range [...]string{"()", "[]", "{}", "<>"} {
		opened += strings.Count(s, pair[:1])
		closed += strings.Count(s, pair[1:])
	}
	return opened > closed || strings.Count(s, `"`)%2+strings.Count(s, "'")%2+strings.Count(s, "`")%2 > 0
}
