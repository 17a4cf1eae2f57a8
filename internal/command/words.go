package command

import (
	"strings"

	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// firstWord splits off the first word; after keeps its line ends.
func firstWord(s string) (word, after string) {
	s = strings.TrimLeft(s, " \n")
	i := strings.IndexAny(s, " \n")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// quotations are pairs of quotes.
var quotations = [...][2]string{
	{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"„", "“"}, {"„", "”"}, {"”", "”"}, {"«", "»"}, {"»", "«"}, {"‘", "’"}, {"‚", "‘"}, {"’", "’"}, {"‹", "›"}, {"›", "‹"}, {"「", "」"}, {"『", "』"},
}

// unquote removes quotes around the whole text.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	for _, q := range quotations {
		if inside, ok := strings.CutPrefix(s, q[0]); ok {
			if inside, ok = strings.CutSuffix(inside, q[1]); ok && !strings.Contains(inside, q[0]) && !strings.Contains(inside, q[1]) {
				return strings.TrimSpace(inside)
			}
		}
	}
	return s
}

// echo is untrusted text for use between backticks.
func echo(s string) string { return webex.EscapeCode(text.Shorten(s, 40)) }
