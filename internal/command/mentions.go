package command

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/text"
)

// A mention reaches a command as the name that the message shows, among the other words. Webex says who it is, but two people may
// be shown by the same name, and the name may be typed too: then nobody is meant for sure.

// NamesPerson reports whether a message's verb takes a person, so that its mentions matter.
func NamesPerson(words string) bool {
	said := unwrapped(speak(text.CutBytes(words, maxText)))
	word, _ := firstWord(said.plain)
	v, _, q := cutVerb(word, said)
	return q == nil && (v.name == Assign || v.name == Handover || v.name == Role)
}

// naming returns the names, with those of the mentioned people.
func (s scope) naming() Names {
	n := s.Names
	for _, m := range s.Mentions {
		n.people = append(n.people, speak(m.Written).plain)
	}
	return n
}

// cutPerson splits off the longest name of a mentioned person, with or without an @.
func (n Names) cutPerson(rest string) (name, after string) {
	rest = strings.TrimLeft(rest, " \n@\"'`(<[")
	for _, p := range n.people {
		if size := foldedWords(rest, p); size > len(name) {
			name, after = rest[:size], rest[size:]
		}
	}
	return name, strings.TrimLeft(after, ".!,;*_~`'\")]>")
}

// foldedWords returns the length of the words at the beginning of a text if they are these; 0 if not.
func foldedWords(s, words string) int {
	if words == "" || len(s) < len(words) || !strings.EqualFold(s[:len(words)], words) {
		return 0
	}
	next, _ := utf8.DecodeRuneInString(s[len(words):])
	if unicode.IsLetter(next) || unicode.IsNumber(next) || strings.ContainsRune("-_@'", next) && len(s) > len(words) {
		return 0
	}
	return len(words)
}

// mention returns the mentioned person of a name; nil if the name isn't a mention. unsure: it is, but not only of one person.
func (s scope) mention(name string) (found *Person, unsure bool) {
	written := 0
	for _, m := range s.Mentions {
		if !strings.EqualFold(speak(m.Written).plain, name) {
			continue
		}
		unsure = unsure || found != nil && found.ID != m.Person.ID
		found = &m.Person
		written++
	}
	if found == nil {
		return nil, false
	}
	said, previous := speak(s.Text).plain, ' '
	for i, r := range said {
		if !unicode.IsLetter(previous) && !unicode.IsNumber(previous) && foldedWords(said[i:], name) > 0 {
			written--
		}
		previous = r
	}
	return found, unsure || written != 0
}
