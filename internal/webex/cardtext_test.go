package webex

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/internal/text"
)

func TestRuns(t *testing.T) {
	plain := func(s string) []Run { return []Run{{Text: s}} }
	for line, want := range map[string][]Run{
		"":                                       nil,
		"plain":                                  plain("plain"),
		"a **b** c":                              {{Text: "a "}, {Text: "b", Bold: true}, {Text: " c"}},
		"🟧 **\\(x\\)** · 4711":                   {{Text: "🟧 "}, {Text: "(x)", Bold: true}, {Text: " · 4711"}},
		"*a* _b_ __c__ ***d***":                  {{Text: "a", Italic: true}, {Text: " "}, {Text: "b", Italic: true}, {Text: " "}, {Text: "c", Bold: true}, {Text: " "}, {Text: "d", Bold: true, Italic: true}},
		"**a *b* c**":                            {{Text: "a ", Bold: true}, {Text: "b", Bold: true, Italic: true}, {Text: " c", Bold: true}},
		"2 * 3 * 4":                              plain("2 * 3 * 4"),
		"a ** b":                                 plain("a ** b"),
		"**open":                                 plain("**open"),
		"closed**":                               plain("closed**"),
		"**a *b** c*":                            {{Text: "a b c", Italic: true}}, // as in CommonMark
		"snake_case_name":                        plain("snake_case_name"),
		`\*\*a\*\* \_b\_ \\`:                     plain(`**a** _b_ \`),
		"&lt;b&gt; &amp;amp; &#64; &nosuch; & x": plain("<b> &amp; @ &nosuch; & x"),
		"`code *x* &lt;` y":                      {{Text: "code *x* &lt;", Code: true}, {Text: " y"}},
		"` alone":                                plain("` alone"),
		"`` a ` ``` b `` c":                      {{Text: " a ` ``` b ", Code: true}, {Text: " c"}},
		"[`]` x](https://x.example)":             {{Text: "]", Code: true, URL: "https://x.example"}, {Text: " x", URL: "https://x.example"}},
		"[a [b] c](https://x.example)":           {{Text: "a [b] c", URL: "https://x.example"}},
		strings.Repeat("[", 20):                  plain(strings.Repeat("[", 20)),
		"[a **b**](https://x.example/y)":         {{Text: "a ", URL: "https://x.example/y"}, {Text: "b", Bold: true, URL: "https://x.example/y"}},
		"**[b](https://x.example) c**":           {{Text: "b", Bold: true, URL: "https://x.example"}, {Text: " c", Bold: true}},
		`[a \[b\]](https://x.example)`:           {{Text: "a [b]", URL: "https://x.example"}},
		"[a](javascript:alert)":                  plain("a"),
		"[a](data:text/html,x)":                  plain("a"),
		"[a](javascript://x.example/%0aalert)":   plain("a"),
		"[a](ftp://x.example/y)":                 plain("a"),
		"[a](/relative)":                         plain("a"),
		"[a] (b)":                                plain("[a] (b)"),
		"[a":                                     plain("[a"),
		"<@all> <@personEmail:a@x.example|Ann> <@personEmail:b@x.example>": plain("@all Ann b@x.example"),
		"http:\u200b//x.example": plain("http://x.example"),
		"{{DATE(2026-01-01T00:00:00Z, SHORT)}} {{TIME(2026-01-01T00:00:00Z)}}": plain("{\u200b{DATE(2026-01-01T00:00:00Z, SHORT)}} {\u200b{TIME(2026-01-01T00:00:00Z)}}"),
		"\ufffd**\ufffda**": {{Text: "\ufffd"}, {Text: "\ufffda", Bold: true}},
	} {
		require.Equal(t, want, Runs(line), "%q", line)
	}
}

// checkRuns checks that a card shows untrusted text literally wherever a template puts it: without escapes, styles and links.
func checkRuns(t require.TestingT, in string) {
	want := keepDates(text.LineWith(in, lineBreakSign))
	escaped := EscapeMarkdown(in)
	if want == "" {
		return
	}
	for _, frame := range []struct{ before, after string }{{"", ""}, {"x ", " y"}, {"🟧 **", "** · 4711"}, {"a: *", "*"}, {"[", "](https://x.example)"}, {"**", "** _y_"}, {"✋ **", " (via Webex)** did"}} {
		runs := Runs(frame.before + escaped + frame.after)
		found := false
		for _, r := range runs {
			found = found || strings.Contains(r.Text, want)
			require.False(t, r.Code, "%q", in)
			require.True(t, r.URL == "" || frame.before == "[", "%q", in)
		}
		require.True(t, found, "%q in %q: %q", in, frame, runs)
		require.Equal(t, strings.Contains(frame.before, "**"), strings.Contains(styles(runs), "b"), "%q in %q", in, frame)
	}
	code := text.LineWith(in, lineBreakSign)
	require.Equal(t, []Run{{Text: keepDates(strings.ReplaceAll(code, "`", "'")), Code: true}}, Runs("`"+EscapeCode(in)+"`"), "%q", in)
}

func styles(runs []Run) string {
	s := ""
	for _, r := range runs {
		if r.Bold {
			s += "b"
		}
	}
	return s
}

func TestCardsShowUntrustedTextLiterally(t *testing.T) {
	for _, s := range nasty {
		checkRuns(t, s)
	}
	for _, s := range testdata.Names {
		checkRuns(t, s)
	}
	rapid.Check(t, func(t *rapid.T) {
		checkRuns(t, strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(nasty), rapid.StringMatching(`[ -~]{0,4}`)), 0, 6).Draw(t, "text"), ""))
	})
}

func FuzzRuns(f *testing.F) {
	for _, s := range append(nasty, testdata.Names...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 4000 { // a card holds no more
			return
		}
		checkRuns(t, s)
		for _, r := range Runs(s) { // whatever a custom template prints
			require.NotEmpty(t, r.Text)
			require.True(t, r.URL == "" || strings.HasPrefix(strings.ToLower(r.URL), "http"), r.URL)
			for _, c := range r.Text {
				require.False(t, text.Dangerous(c) && c != '\u200B', "%U", c)
			}
		}
	})
}

// A line that is longer than any message is cut first, since looking for the ends of links takes quadratic time.
func TestRunsOfALongLine(t *testing.T) {
	for _, unit := range []string{"[", "[a](", "[a](http://b", "[[a](http://b)", "`", "`a``", "*a ", "a_ *b ", "<@", "<@a|", "&", "\\*", "{{DATE("} {
		size := 0
		for _, run := range Runs(strings.Repeat(unit, 1<<20/len(unit))) {
			size += len(run.Text)
		}
		require.LessOrEqual(t, size, 2*MaxMessageBytes, "%q", unit) // {{DATE( grows by a character
	}
}
