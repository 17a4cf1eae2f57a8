package webex

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	goldhtml "github.com/yuin/goldmark/renderer/html"
	goldtext "github.com/yuin/goldmark/text"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/text"
)

// parser knows more markup than Webex: text that it shows as plain is plain in Webex too.
var parser = goldmark.New(
	goldmark.WithExtensions(extension.GFM, extension.DefinitionList, extension.Footnote, extension.Typographer),
	goldmark.WithRendererOptions(goldhtml.WithUnsafe(), renderer.WithNodeRenderers()),
)

func parse(md string) ast.Node { return parser.Parser().Parse(goldtext.NewReader([]byte(md))) }

// allowed are the nodes of a plain line of text, bold text and a list item.
func kinds(n ast.Node) map[ast.NodeKind]int {
	found := map[ast.NodeKind]int{}
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			found[n.Kind()]++
		}
		return ast.WalkContinue, nil
	})
	return found
}

func htmlOf(t require.TestingT, md string) string {
	var out bytes.Buffer
	require.NoError(t, goldmark.New(goldmark.WithRendererOptions(goldhtml.WithUnsafe())).Convert([]byte(md), &out))
	return out.String()
}

// nasty are starts of markup, the most harmful first.
var nasty = []string{
	"<@all>", "<@personEmail:a@example.com|A>", "<", "@all>", "<\u200b@all>", "<\u0000@all>", "&lt;@all>", "&#60;@all>", "\\<@all>",
	"[x](http://evil.example)", "![x](http://evil.example/i.png)", "http://evil.example", "HTTPS://evil.example/?a=b", "ftp://evil.example", "http:\u0000//evil.example", "www.evil.example", "WWW.evil.example", "a@evil.example", "mailto:a@evil.example",
	"<a href=\"http://evil.example\">x</a>", "<http://evil.example>", "<script>", "<!-- x -->", "<spark-mention data-object-type=\"groupMention\" data-group-type=\"all\">All</spark-mention>", "&amp;", "&copy;", "&#x3c;",
	"**b**", "__b__", "_i_", "*i*", "~~s~~", "~s~", "`c`", "``` x", "```", "~~~", "\\", "\\\\", "\\*", "|a|b|", "|-|-|", ":--", "***", "---", "- - -", "===", "=", "# h", "#", "## h ##", "- x", "+ x", "* x", "1. x", "12) x", "> q", "    code", "\tcode", "[x]: http://evil.example", "[^1]", "[^1]: x", ": d", "a\nb", "a\r\n\r\n# b", "a\u2028b", "a\u0085b", "  ", "\u202eabc", "\u2066abc", "\x1b[31m", "\xff\xfe", "\u200bx", "\ufeffx", "👨‍👩‍👧", "e\u0301", "Ω\u0301\u0302\u0303\u0304\u0305\u0306", "db_01_x", "C:\\temp\\", "100% (5m avg) > 90", "sw1.example.com", "- # 1. > x", "1", "1.", "2026. A year", "-", "--",
}

// shows returns how EscapeMarkdown promises to show s.
func shows(s string) string {
	return strings.ReplaceAll(text.LineWith(s, lineBreakSign), "://", ":\u200b//")
}

func checkEscaped(t require.TestingT, in string) {
	out := EscapeMarkdown(in)
	require.True(t, utf8.ValidString(out))
	require.NotContains(t, out, "<")
	require.NotContains(t, out, "@")
	require.NotContains(t, out, "\n")
	for _, r := range out {
		require.False(t, text.Dangerous(r) && r != '\u200B', "%q", out) // "://" gets U+200B
	}
	// Anywhere in a line, it is plain text and unchanged.
	if out == "" {
		require.Empty(t, text.Line(in))
		return
	}
	for frame, want := range map[string]map[ast.NodeKind]int{
		"%s":            {ast.KindParagraph: 1},
		"x %s":          {ast.KindParagraph: 1},
		"x%sx":          {ast.KindParagraph: 1},
		"para\n%s":      {ast.KindParagraph: 1},
		"para  \n%s":    {ast.KindParagraph: 1},
		"- %s":          {ast.KindList: 1, ast.KindListItem: 1, ast.KindTextBlock: 1},
		"**x %s y**":    {ast.KindParagraph: 1, ast.KindEmphasis: 1},
		"> %s":          {ast.KindBlockquote: 1, ast.KindParagraph: 1},
		"%[1]s %[1]s":   {ast.KindParagraph: 1},
		"%[1]s\n%[1]s":  {ast.KindParagraph: 1},
		"%[1]s%[1]s":    {ast.KindParagraph: 1},
		"x ([y](z)) %s": {ast.KindParagraph: 1, ast.KindLink: 1},
	} {
		md := fmt.Sprintf(frame, out)
		found := kinds(parse(md))
		delete(found, ast.KindDocument)
		delete(found, ast.KindText)
		delete(found, ast.KindString) // the typographer's quotes and dashes
		require.Equal(t, want, found, "%q in %q", in, md)
	}
	page := htmlOf(t, out)
	require.Equal(t, shows(in), strings.TrimSuffix(strings.TrimPrefix(html.UnescapeString(page), "<p>"), "</p>\n"), "%q", out)
}

func TestEscapeMarkdownShowsTextLiterally(t *testing.T) {
	for _, s := range nasty {
		checkEscaped(t, s)
	}
	rapid.Check(t, func(t *rapid.T) {
		checkEscaped(t, strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(nasty), rapid.StringMatching(`[ -~]{0,4}`)), 0, 6).Draw(t, "text"), ""))
	})
}

func FuzzEscapeMarkdown(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkEscaped(t, s) })
}

func TestEscapeMarkdownExamples(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		"db1.example.com":                 "db1.example.com",
		"CPU > 90% (5m avg)":              `CPU &gt; 90% \(5m avg\)`,
		"sda_1 is full\nuse df\r\n":       `sda\_1 is full ⏎ use df`,
		"<@all>":                          "&lt;&#64;all&gt;",
		"see http://x.example/a_b":        "see http:\u200b//x.example/a\\_b",
		"www.x.example":                   "www&#46;x.example",
		"- item":                          `\- item`,
		"1. item":                         `1\. item`,
		"10.0.0.1":                        `10\.0.0.1`,
		"#5 \u202egnp.exe":                `\#5 gnp.exe`,
		"a" + strings.Repeat("\u0301", 9): "a" + strings.Repeat("\u0301", 4),
		"bad\xffbyte":                     "bad\uFFFDbyte",
	} {
		require.Equal(t, want, EscapeMarkdown(in))
	}
}

func checkCode(t require.TestingT, in string) {
	code := EscapeCode(in)
	require.True(t, utf8.ValidString(code))
	require.NotContains(t, code, "<@")
	require.NotContains(t, strings.ToLower(code), "<spark-")
	for _, frame := range []string{"`%s`", "x `%s` y", "- `%s`", "`%[1]s` `%[1]s`", "**`%s`**"} {
		md := fmt.Sprintf(frame, code)
		found := kinds(parse(md))
		require.Zero(t, found[ast.KindLink]+found[ast.KindAutoLink]+found[ast.KindImage]+found[ast.KindRawHTML]+found[ast.KindHTMLBlock], "%q", md)
		require.Equal(t, strings.Count(frame, "%"), found[ast.KindCodeSpan], "%q", md)
	}
}

func TestEscapedCodeStaysInItsSpan(t *testing.T) {
	for _, s := range nasty {
		checkCode(t, s)
	}
	require.Equal(t, "SELECT 'x' < 5 ⏎ C:\\", EscapeCode("SELECT `x` < 5\nC:\\"))
	require.Equal(t, "–", EscapeCode(" \n"))
}

func FuzzEscapeCode(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkCode(t, s) })
}

func TestMention(t *testing.T) {
	require.Equal(t, "<@personEmail:alice@example.com|Alice O'Hara>", Mention(" alice@example.com", "Alice O'Hara"))
	require.Equal(t, "<@personEmail:alice@example.com>", Mention("alice@example.com", "<>"))
	require.Equal(t, "<@personEmail:a@b.example|all personEmail:x y>", Mention("a@b.example", "**<@all>|@personEmail:x>\ny"))
	for _, email := range []string{"", "all", "a@b|c@d.example", "a@b> <@all", "a b@c.example", "a@b\n.example", "<@all>"} {
		require.NotContains(t, Mention(email, "<@all>"), "<")
		require.NotContains(t, Mention(email, ""), "<@")
	}
}

func FuzzMention(f *testing.F) {
	for _, s := range nasty {
		f.Add(s, "Alice")
		f.Add("alice@example.com", s)
	}
	f.Fuzz(func(t *testing.T, email, name string) {
		out := Mention(email, name)
		require.True(t, utf8.ValidString(out))
		require.LessOrEqual(t, strings.Count(out, "<"), 1)
		require.LessOrEqual(t, strings.Count(out, ">"), 1)
		require.NotContains(t, out, "\n")
	})
}
