package receiver

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The filter removes mentions of everybody, in any disguise, and keeps the rest.
func TestMentionsOfEverybodyAreRemoved(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"plain":                  {"<@all> look", "‹@all> look"},
		"named":                  {"<@all|everybody>", "‹@all|everybody>"},
		"capitals":               {"<@ALL>", "‹@ALL>"},
		"nested":                 {"<<@all>@all>", "<‹@all>@all>"},
		"deeply nested":          {strings.Repeat("<", 50) + "@all" + strings.Repeat(">", 50), strings.Repeat("<", 49) + "‹@all" + strings.Repeat(">", 50)},
		"spaces":                 {"< \t@ all >", "‹ \t@ all >"},
		"a line break":           {"<\n@all>", "‹\n@all>"},
		"a zero-width space":     {"<\u200b@all>", "‹\u200b@all>"},
		"an invisible letter":    {"<\u3164@all>", "‹\u3164@all>"},
		"a combining mark":       {"<\u0301@all>", "‹\u0301@all>"},
		"never closed":           {"<@all", "‹@all"},
		"at the very end":        {"x <", "x <"},
		"a group":                {"<@group:5>", "‹@group:5>"},
		"inside a person":        {"<@personEmail:a@example.com|<@all>>", "<@personEmail:a@example.com|‹@all>>"},
		"the element":            {`<spark-mention data-group-type="all">All</spark-mention>`, `‹spark-mention data-group-type="all">All‹/spark-mention>`},
		"the element, nested":    {"<<spark-mention>spark-mention>", "<‹spark-mention>spark-mention>"},
		"the element, spaced":    {"< / SPARK-mention >", "‹ / SPARK-mention >"},
		"a person":               {"<@personEmail:a@example.com|Alice> look", "<@personEmail:a@example.com|Alice> look"},
		"a person by id":         {"<@personId:Y2lz>", "<@personId:Y2lz>"},
		"a person, in capitals":  {"<@PERSONEMAIL:a@example.com>", "<@PERSONEMAIL:a@example.com>"},
		"an address":             {"mail <alice@example.com>", "mail <alice@example.com>"},
		"a comparison":           {"a < b @ all", "a < b @ all"},
		"markup":                 {"<b>@all</b>", "<b>@all</b>"},
		"nothing":                {"", ""},
		"bytes that aren't text": {"<\xff@all>", "<\xff@all>"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, withoutAll(c.text))
			require.Equal(t, c.want, withoutAll(c.want), "a second pass finds nothing")
		})
	}
}

var mentionsAll = regexp.MustCompile(`(?i)<\s*@\s*all\b|<\s*/?\s*spark-mention`)

// The filter leaves no mention of everybody in any text, and forms no new one.
func FuzzMentionsOfEverybodyAreRemoved(f *testing.F) {
	for _, seed := range []string{"<@all>", "<<@all>@all>", "<spark-<spark-mention>mention>", "<\u200b@all", "</spark-mention", "<@personId:<@all>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, steps := filterMentions(text, false)
		require.LessOrEqual(t, steps, 2*len(text))
		require.NotRegexp(t, mentionsAll, got)
		require.Equal(t, got, withoutAll(got))
		require.LessOrEqual(t, len(got), 3*len(text))
	})
}

// The cost is linear in the worst texts too: at most two looks per byte. A notify token can't keep a core busy.
func TestTheMentionFilterIsLinear(t *testing.T) {
	for name, part := range map[string][2]string{
		"nested mentions":  {"<", "@all>"},
		"nested elements":  {"<spark-", "mention>"},
		"angle brackets":   {"<", ""},
		"brackets, spaces": {"< ", ""},
		"one long gap":     {" ", "@all>"},
		"slashes":          {"</", "@all"},
		"joiners":          {"\u200d", "<"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1000, 2000, 64000} {
				text := "<" + strings.Repeat(part[0], n) + strings.Repeat(part[1], n)
				_, steps := filterMentions(text, false)
				require.LessOrEqual(t, steps, 2*len(text))
			}
		})
	}
}
