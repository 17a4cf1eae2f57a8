package webexsim

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
	xhtml "golang.org/x/net/html"
)

// A mention counts anywhere in a text: after a backslash, in code, in a link. Webex doesn't document this, so a client mustn't
// rely on the contrary. Webex's own element in raw HTML counts too.
var (
	mentionPattern = regexp.MustCompile(`<@(all|personEmail:[^|>\s]+|personId:[^|>\s]+)(?:\|([^>]*))?>`)
	elementPattern = regexp.MustCompile(`(?s)<spark-mention\b([^>]*)>(.*?)</spark-mention>`)
	objectID       = regexp.MustCompile(`data-object-id="([^"]*)"`)
	groupType      = regexp.MustCompile(`data-group-type="all"`)
	placeholder    = regexp.MustCompile("\uE000([0-9]+)\uE001")
)

// markdown renders what Webex documents: no tables, no images; bare addresses become links; raw HTML is shown as text.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Linkify),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(rawAsText{}, 1))),
)

var policy = func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "strong", "em", "code", "pre", "blockquote", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6")
	p.AllowAttrs("class").Matching(regexp.MustCompile(`^language-[A-Za-z0-9_+-]+$`)).OnElements("code")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto", "tel", "webexteams")
	p.RequireParseableURLs(true)
	return p
}()

// render makes the content of a message from its markdown. People outside the room are shown by name and not mentioned (Webex doesn't
// document this).
func (s *Server) render(md string, r *room) content {
	out := content{md: md}
	var marks []string // html of each mention
	keep := func(html string) string {
		marks = append(marks, html)
		return fmt.Sprintf("\uE000%d\uE001", len(marks)-1)
	}
	person := func(p *person, name, otherwise string) string {
		if p == nil || r.member(p) == nil {
			return keep(html.EscapeString(otherwise))
		}
		if name == "" {
			name = p.name
		}
		if !slices.Contains(out.mentions, p.id) {
			out.mentions = append(out.mentions, p.id)
		}
		return keep(sparkMention(p.id, name))
	}
	everybody := func() string {
		if !slices.Contains(out.groups, "all") {
			out.groups = append(out.groups, "all")
		}
		return keep(`<spark-mention data-object-type="groupMention" data-group-type="all">All</spark-mention>`)
	}
	md = strings.NewReplacer("\uE000", "", "\uE001", "").Replace(md) // placeholders are ours
	md = elementPattern.ReplaceAllStringFunc(md, func(found string) string {
		parts := elementPattern.FindStringSubmatch(found)
		if groupType.MatchString(parts[1]) {
			return everybody()
		}
		id := objectID.FindStringSubmatch(parts[1])
		if id == nil {
			return keep(html.EscapeString(parts[2]))
		}
		return person(s.people[id[1]], parts[2], parts[2])
	})
	md = mentionPattern.ReplaceAllStringFunc(md, func(found string) string {
		parts := mentionPattern.FindStringSubmatch(found)
		kind, value, _ := strings.Cut(parts[1], ":")
		switch kind {
		case "all":
			return everybody()
		case "personId":
			return person(s.people[value], parts[2], parts[2])
		}
		otherwise := parts[2]
		if otherwise == "" {
			otherwise = value
		}
		return person(s.byEmail(value), parts[2], otherwise)
	})
	out.html = placeholder.ReplaceAllStringFunc(Document([]byte(md)), func(found string) string {
		i, err := strconv.Atoi(placeholder.FindStringSubmatch(found)[1])
		if err != nil || i >= len(marks) {
			return ""
		}
		return marks[i]
	})
	out.text = plainText(out.html)
	return out
}

// Document renders markdown as sanitised HTML, without mentions.
func Document(md []byte) string {
	var page bytes.Buffer
	if err := markdown.Convert(md, &page); err != nil {
		page.Reset()
		page.WriteString("<p>" + html.EscapeString(string(md)) + "</p>")
	}
	return strings.TrimSpace(policy.Sanitize(page.String()))
}

func sparkMention(id, name string) string {
	return `<spark-mention data-object-type="person" data-object-id="` + id + `">` + html.EscapeString(name) + `</spark-mention>`
}

// rawAsText shows raw HTML as text instead of dropping it, so that people and tests see it.
type rawAsText struct{}

func (rawAsText) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(ast.KindRawHTML, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			segments := n.(*ast.RawHTML).Segments
			for i := range segments.Len() {
				at := segments.At(i)
				_, _ = w.WriteString(html.EscapeString(string(at.Value(source))))
			}
		}
		return ast.WalkSkipChildren, nil
	})
	reg.Register(ast.KindHTMLBlock, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		block := n.(*ast.HTMLBlock)
		if !entering {
			return ast.WalkContinue, nil
		}
		var text strings.Builder
		lines := block.Lines()
		for i := range lines.Len() {
			at := lines.At(i)
			text.Write(at.Value(source))
		}
		if block.HasClosure() {
			text.Write(block.ClosureLine.Value(source))
		}
		_, _ = w.WriteString("<p>" + html.EscapeString(strings.TrimSpace(text.String())) + "</p>\n")
		return ast.WalkContinue, nil
	})
}

var blockEnds = map[string]bool{
	"p": true, "li": true, "pre": true, "blockquote": true, "ul": true, "ol": true,
	"h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true,
}

// plainText is what a notification shows of html.
func plainText(page string) string {
	var text strings.Builder
	newline := func() {
		if n := text.Len(); n > 0 && !strings.HasSuffix(text.String(), "\n") {
			text.WriteByte('\n')
		}
	}
	tokens := xhtml.NewTokenizer(strings.NewReader(page))
	for pre, broken := false, false; ; {
		afterBreak := broken // goldmark writes a newline after <br>
		broken = false
		switch tokens.Next() {
		case xhtml.ErrorToken:
			return strings.TrimSpace(text.String())
		case xhtml.TextToken:
			words := string(tokens.Raw())
			if !pre && strings.TrimSpace(words) == "" && strings.Contains(words, "\n") {
				continue // between blocks
			}
			if afterBreak {
				words = strings.TrimPrefix(words, "\n")
			}
			text.WriteString(html.UnescapeString(words))
		case xhtml.StartTagToken, xhtml.SelfClosingTagToken:
			name, _ := tokens.TagName()
			switch string(name) {
			case "br":
				text.WriteByte('\n')
				broken = true
			case "pre":
				pre = true
			case "li":
				newline()
				text.WriteString("- ")
			}
		case xhtml.EndTagToken:
			name, _ := tokens.TagName()
			if string(name) == "pre" {
				pre = false
			}
			if blockEnds[string(name)] {
				newline()
			}
		}
	}
}
