package webex

import (
	"regexp"
	"strconv"
	"strings"

	"nms-alert-relay/internal/text"
)

// Untrusted text (alert texts, chat texts) goes through EscapeMarkdown or EscapeCode before it gets into a message. The choices:
//
//   - The characters that the original Markdown could escape get a backslash; < > & @ ~ | become HTML entities, which every dialect
//     understands. Webex doesn't document its dialect. "<@" is a mention wherever Webex finds it, and a backslash may not help: as
//     entities it is gone.
//   - "://" gets a zero-width space after the colon: servers and apps turn anything with a scheme into a link, and an app sees what an
//     entity hides from the server.
//   - "www." and "@" get an entity, which hides them from a linkifier that reads the markdown. Bare names (example.com) stay: their
//     link shows where it leads, and breaking them up would break every host name for people who copy or search it.
//   - Line breaks become " ⏎ ": the text stays in one line and loses no words.

const (
	zeroWidthSpace = "\u200B"
	lineBreakSign  = " ⏎ "
)

var (
	wwwPattern   = regexp.MustCompile(`(?i)\bwww\.`)
	mentionStart = regexp.MustCompile(`(?i)<(@|/?spark-)`)
	// The start of a numbered list.
	numberedPattern = regexp.MustCompile(`^[0-9]+[.)]`)
)

var inlineEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `(`, `\(`, `)`, `\)`, `!`, `\!`,
	`<`, `&lt;`, `>`, `&gt;`, `&`, `&amp;`, `@`, `&#64;`, `~`, `&#126;`, `|`, `&#124;`,
)

// EscapeMarkdown makes untrusted text part of a line of markdown that shows literally: without markup, mention, link or HTML, anywhere
// in the line.
func EscapeMarkdown(s string) string {
	s = strings.ReplaceAll(text.LineWith(s, lineBreakSign), "://", ":"+zeroWidthSpace+"//")
	if s == "" {
		return ""
	}
	var out strings.Builder
	switch number := numberedPattern.FindString(s); {
	case number != "":
		out.WriteString(number[:len(number)-1] + `\` + number[len(number)-1:])
		s = s[len(number):]
	case strings.ContainsRune("#+-", rune(s[0])):
		out.WriteString(`\` + s[:1])
		s = s[1:]
	case s[0] == '=' || s[0] == ':': // would underline the line above or make a table of it; not every dialect has \= and \:
		out.WriteString("&#" + strconv.Itoa(int(s[0])) + ";")
		s = s[1:]
	}
	last := 0
	for _, at := range wwwPattern.FindAllStringIndex(s, -1) {
		out.WriteString(inlineEscapes.Replace(s[last : at[1]-1]))
		out.WriteString("&#46;")
		last = at[1]
	}
	out.WriteString(inlineEscapes.Replace(s[last:]))
	return out.String()
}

// EscapeCode makes untrusted text the inside of an inline code span (`…`), which knows no escapes: a backtick becomes ', and "<@" and
// Webex's own element for mentions are broken up by a zero-width space. The empty text becomes "–", since an empty span isn't one.
func EscapeCode(s string) string {
	s = mentionStart.ReplaceAllString(strings.ReplaceAll(text.LineWith(s, lineBreakSign), "`", "'"), "<"+zeroWidthSpace+"$1")
	if s == "" {
		return "–"
	}
	return s
}

var emailPattern = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$`)

// Mention returns markdown that mentions a person and shows the name. If email isn't an address, it returns the escaped name (or
// address), which mentions nobody.
func Mention(email, name string) string {
	email = strings.TrimSpace(email)
	if !emailPattern.MatchString(email) {
		if strings.TrimSpace(name) == "" {
			name = email
		}
		return EscapeMarkdown(name)
	}
	// A mention knows no escapes: characters that could end it or be markup are dropped.
	name = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if strings.ContainsRune("<>|&*_`[]()~\\@!#⏎", r) {
			return ' '
		}
		return r
	}, text.LineWith(name, lineBreakSign))), " ")
	if name == "" {
		return "<@personEmail:" + email + ">"
	}
	return "<@personEmail:" + email + "|" + name + ">"
}
