package receiver

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/text"
)

// harmless replaces a "<" that could begin a mention. It has no meaning in any markup, so the rest can't form another mention.
const harmless = "‹"

// withoutAll removes mentions of everybody: a token that may write to a room may not notify all of it. Mentions of single people stay;
// anything else that looks like a mention, or like Webex's own element for one, loses its "<". It makes one pass, so that the cost is
// linear.
func withoutAll(text string) string {
	safe, _ := filterMentions(text, false)
	return safe
}

// withAll is withoutAll, except that <@all> stays.
func withAll(text string) string {
	safe, _ := filterMentions(text, true)
	return safe
}

// filterMentions also returns how many bytes it looked at, for the test of its cost.
func filterMentions(text string, all bool) (safe string, steps int) {
	var out strings.Builder
	kept := 0
	for i := 0; i < len(text); i++ {
		steps++
		if text[i] != '<' {
			continue
		}
		mention, looked := startsMention(text[i+1:])
		steps += looked
		if mention && !(all && strings.HasPrefix(text[i:], "<@all>")) {
			out.WriteString(text[kept:i])
			out.WriteString(harmless)
			kept = i + 1
		}
	}
	if kept == 0 {
		return text, steps
	}
	out.WriteString(text[kept:])
	return out.String(), steps
}

// startsMention reports whether a "<" before this text begins a mention of more than one person, and how much of the text decided it.
// White space and invisible characters are skipped: which of them Webex skips isn't documented.
func startsMention(s string) (mention bool, looked int) {
	for looked < len(s) {
		rest := s[looked:]
		if rest[0] == '@' {
			return !hasPrefixFold(rest, "@personEmail:") && !hasPrefixFold(rest, "@personId:"), looked
		}
		if hasPrefixFold(rest, "spark-") {
			return true, looked
		}
		r, size := utf8.DecodeRuneInString(rest)
		if r != '/' && !text.Blank(r) && !unicode.Is(unicode.M, r) {
			break
		}
		looked += size
	}
	return false, looked
}

func hasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}
