package alert

import (
	"regexp"
	"strings"
)

// MarkPrefix begins the mark of the relay's own acts in their messages in Zabbix:
// "Alice Example <alice@example.com> (Webex #k3f9q2ab): on it".
const MarkPrefix = "(Webex #"

// marked finds the mark. It stands before anything that a person wrote: a name has
// no angle brackets, so that nobody can write a mark into theirs.
var marked = regexp.MustCompile(`^[^<>]{0,200}<[^<>]{0,300}> \(Webex #([0-9a-z]{4,16})\)`)

// SameMessage reports whether two messages are those of one update. Databases change a
// text: ? for a character of four bytes or nothing from there on, an end at their
// column's length, other line ends and spaces. The relay's own acts are known by their
// mark, everything else by its text without regard to white space.
func SameMessage(a, b string) bool { return a == b || messageKey(a) == messageKey(b) }

// isMarked reports whether a message has the mark of one of the relay's acts. Where it has, the two
// clocks may be any time apart: no other update has that mark.
func isMarked(message string) bool {
	return strings.Contains(message, MarkPrefix) && marked.MatchString(strings.TrimSpace(message))
}

// messageKey is the same for the messages of one update.
func messageKey(message string) string {
	if strings.Contains(message, MarkPrefix) {
		if m := marked.FindStringSubmatch(strings.TrimSpace(message)); m != nil {
			return MarkPrefix + m[1]
		}
	}
	if !strings.ContainsAny(message, "\t\r\n\v\f\u0085\u00a0") && !strings.Contains(message, "  ") && strings.TrimSpace(message) == message {
		return message
	}
	return strings.Join(strings.Fields(message), " ")
}
