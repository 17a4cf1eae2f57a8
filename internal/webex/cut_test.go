package webex

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark/ast"
	"pgregory.net/rapid"
)

// document is markdown like that of the templates.
func document() *rapid.Generator[string] {
	word := rapid.Map(rapid.OneOf(rapid.SampledFrom(nasty), rapid.StringMatching(`[a-z*_<>\[\]()]{1,9}`)), EscapeMarkdown)
	link := rapid.Map(word, func(s string) string { return "[to " + s + "](" + problemURL + ")" })
	inline := rapid.OneOf(
		word, word, link,
		rapid.Map(word, func(s string) string { return "**x" + s + "**" }),
		rapid.Map(word, func(s string) string { return "*x" + s + " y*" }),
		rapid.Map(rapid.SampledFrom(nasty), func(s string) string { return "`" + EscapeCode(s) + "`" }),
		rapid.Just(Mention("alice@example.com", "Alice Archer")),
		rapid.Just("🔴"),
	)
	line := rapid.Map(rapid.SliceOfN(inline, 1, 6), func(parts []string) string { return strings.Join(parts, " ") })
	block := rapid.OneOf(
		rapid.Map(line, func(s string) string { return s + "  " }),
		rapid.Map(line, func(s string) string { return "- " + s }),
		rapid.Map(line, func(s string) string { return "> " + s }),
		rapid.Just(""),
		rapid.SampledFrom([]string{"```\nhost\tport\n\n- x\n```", "```text\n<no markup> **here**\n```", "~~~~\n```\n~~~~"}),
	)
	return rapid.Map(rapid.SliceOfN(block, 1, 8), func(lines []string) string { return strings.Join(lines, "\n") })
}

const problemURL = "https://zabbix.example/tr.php?a=1&b=2"

func checkCut(t require.TestingT, md string, size int) string {
	cut := CutMarkdown(md, size)
	require.LessOrEqual(t, len(cut), max(size, 0), "%q", md)
	require.True(t, utf8.ValidString(cut))
	return cut
}

// Wherever it is cut, the result is the beginning of the text with whole links and mentions, and everything open is closed.
func TestCutMarkdownKeepsMarkupWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		md := document().Draw(t, "document")
		size := rapid.IntRange(0, len(md)+5).Draw(t, "size")
		cut := checkCut(t, md, size)
		if size >= len(md) {
			require.Equal(t, md, cut)
			return
		}
		if size >= len("…") {
			require.True(t, strings.HasSuffix(cut, "…"), "%q", cut)
		}
		whole := plain(t, md)
		left := strings.TrimSpace(strings.TrimSuffix(plain(t, cut), "…"))
		require.True(t, strings.HasPrefix(whole, left), "%q\nof %q\nfrom %q\nof %q", left, whole, cut, md)
		require.Equal(t, strings.Count(cut, "<@"), strings.Count(cut, Mention("alice@example.com", "Alice Archer")), "%q", cut)
		links := 0
		_ = ast.Walk(parse(cut), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			if link, ok := n.(*ast.Link); ok && entering {
				require.Equal(t, problemURL, string(link.Destination))
				links++
			}
			return ast.WalkContinue, nil
		})
		require.Equal(t, strings.Count(cut, problemURL), links, "%q", cut)
	})
}

// plain returns the visible text; mentions, which only Webex knows, count as text.
func plain(t require.TestingT, md string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(htmlOf(t, strings.ReplaceAll(md, "<@", "@")), "")), " ")
}

var tags = regexp.MustCompile(`<[^>]*>`)

func TestCutMarkdownExamples(t *testing.T) {
	for _, tc := range []struct {
		md   string
		size int
		want string
	}{
		{"short", 5, "short"},
		{"one\ntwo\nthree", 12, "one\ntwo\n\n…"},
		{"one\ntwo\nthree", 11, "one\n\n…"},
		{"**bold words here** and more", 18, "**bold words** …"},
		{"see [the problem](https://zabbix.example/x) now", 40, "see …"},
		{"[the problem](https://zabbix.example/x) now", 30, "…"},
		{"hi <@personEmail:alice@example.com|Alice> there", 30, "hi …"},
		{"```\none\ntwo\nthree\n```", 19, "```\none\n```\n\n…"},
		{"a &lt;&#64;all&gt; b", 10, "a &lt; …"},
		{"a `code span` b", 12, "a …"},
		{"a ``code ` ``` span`` b", 20, "a …"},
		{"see [the `]` problem](https://zabbix.example/x) now", 40, "see …"},
		{"ääää", 7, "ä …"},
		{"abc", 2, ""},
		{"abcd", 3, "…"},
	} {
		require.Equal(t, tc.want, CutMarkdown(tc.md, tc.size), "%q at %d", tc.md, tc.size)
	}
}

// Cutting a digest of thousands of lines is fast.
func TestCutMarkdownOfALongText(t *testing.T) {
	var md strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&md, "- **db%d**: disk full\n", i)
	}
	cut := CutMarkdown(md.String(), MaxMessageBytes)
	require.LessOrEqual(t, len(cut), MaxMessageBytes)
	require.Greater(t, len(cut), MaxMessageBytes-50)
	require.LessOrEqual(t, len(CutMarkdown(strings.Repeat("x", 1<<20), MaxMessageBytes)), MaxMessageBytes)
}

func FuzzCutMarkdown(f *testing.F) {
	for _, s := range nasty {
		f.Add("**x** "+s+" [x](y) `z`\n```\n"+s+"\n```\nend", 20)
	}
	f.Fuzz(func(t *testing.T, md string, size int) {
		cut := checkCut(t, md, size%20000)
		if cut != md && strings.Contains(cut, "…") {
			// Cutting the result again to the same size changes nothing.
			require.Equal(t, cut, CutMarkdown(cut, len(cut)))
		}
	})
}

// The cost of a cut depends on the limit, not on the length of the text: it looks at little more than four times the limit, and
// nested emphasis is bounded.
func TestCutMarkdownIsBounded(t *testing.T) {
	const limit = 200
	for _, part := range []string{"<", "[", "[a](", "`", "``` ", "*a ", "_a *b ", "**a __b ", "&", "\\", "\u200d", "\xff", "www.", "~~a "} {
		text := strings.Repeat(part, 100_000)
		require.LessOrEqual(t, len(window(text, limit)), 4*limit+2048)
		got := CutMarkdown(text, limit)
		require.LessOrEqual(t, len(got), limit, part)
		require.True(t, strings.HasSuffix(got, ellipsis), part)
	}
	scan := scanner{}
	scan.inline(strings.Repeat("*a _b ", 1000), 6000, func(int) {})
	require.Len(t, strings.Fields(scan.emphasis), maxEmphasis)
}

// The cost of a cut grows linearly with the limit: it doesn't copy the text at each possible cut.
func TestCutMarkdownCopiesLittle(t *testing.T) {
	for _, unit := range []string{"a, ", "_a ", "*a ", "\r\n", "a\n", "**a _b ", "<p><i>", "`a``b", "[a](b) ", "\\*", "é"} {
		text := strings.Repeat(unit, 2*MaxMessageBytes)
		var cut string
		allocations := testing.AllocsPerRun(1, func() { cut = CutMarkdown(text, MaxMessageBytes) })
		require.LessOrEqual(t, len(cut), MaxMessageBytes)
		require.Less(t, allocations, 0.75*MaxMessageBytes, "%q: a copy is an allocation", unit)
	}
}
