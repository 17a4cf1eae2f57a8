package alert

import (
	"regexp"
	"strings"
)

// MarkPrefix begins the mark of the relay's actions in Zabbix's messages, as in
// "Alice Example <alice@example.com> (Webex #k3f9q2ab): on it".
const MarkPrefix = "(Webex #"

// OwnMarkPrefix begins the mark of an action that Zabbix records under the person's own user, as in "(via Webex #k3f9q2ab): on it".
const OwnMarkPrefix = "(via Webex #"

// marked matches a mark. It precedes the person's text, and names have no angle brackets, so nobody can forge one.
var marked = regexp.MustCompile(`^(?:[^<>]{0,200}<[^<>]{0,300}> (\(Webex)|(\(via Webex)) #([0-9a-z]{4,16})\)`)

// SameMessage reports whether two messages can be of one update. Databases change texts: four-byte characters become
// "?" or end the text, long texts are truncated, line ends and spaces differ. The relay's actions are recognised by
// their mark, all others by their text without regard to white space.
func SameMessage(a, b string) bool { return a == b || messageKey(a) == messageKey(b) }

// isMarked reports whether a message has a mark. Marks are unique, so the times of two reports don't matter then.
func isMarked(message string) bool {
	return strings.Contains(message, "Webex #") && marked.MatchString(strings.TrimSpace(message))
}

// messageKey is equal for messages of one update.
func messageKey(message string) string {
	if strings.Contains(message, "Webex #") {
		if m := marked.FindStringSubmatch(strings.TrimSpace(message)); m != nil {
			return m[1] + m[2] + " #" + m[3]
		}
	}
	if !strings.ContainsAny(message, "\t\r\n\v\f\u0085\u00a0") && !strings.Contains(message, "  ") && strings.TrimSpace(message) == message {
		return message
	}
	return strings.Join(strings.Fields(message), " ")
}
