package receiver

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/text"
)

// harmless stands in place of a "<" that could begin a mention. It has no meaning in any markup, so nothing can be put
// together from what is left.
const harmless = "‹"

// withoutAll takes the power to mention everybody out of a text: a token that may write to a room isn't one that may wake
// all of it. Mentions of single people stay; whatever else looks like a mention, or like Webex's own element for one, loses
// its "<". It makes one pass, so the cost is linear whatever is sent.
func withoutAll(text string) string {
	safe, _ := filterMentions(text)
	return safe
}

// filterMentions also says how many bytes it looked at, for the test of its cost.
func filterMentions(text string) (safe string, steps int) {
	var out strings.Builder
	kept := 0
	for i := 0; i < len(text); i++ {
		steps++
		if text[i] != '<' {
			continue
		}
		mention, looked := startsMention(text[i+1:])
		steps += looked
		if mention {
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

// startsMention says whether a "<" before this text begins a mention other than that of one person, and how much of the
// text decided it. Space and characters that don't show count for nothing: how much of them Webex overlooks isn't documented.
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
