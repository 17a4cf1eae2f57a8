package webex

import (
	"regexp"
	"strconv"
	"strings"

	"nms-alert-relay/internal/text"
)

// What strangers write (alert texts, chat texts) goes through EscapeMarkdown or
// EscapeCode before it gets into a message. The choices:
//
//   - The characters that the first Markdown knew how to escape get a backslash;
//     < > & @ ~ | become HTML entities, which every dialect passes through. Webex
//     doesn't say which dialect it speaks. "<@" is a mention wherever Webex finds
//     it, and a backslash before it isn't known to help: with entities it is gone.
//   - "://" gets a zero-width space after the colon: servers and apps make links of
//     whatever has a scheme, and what an entity hides from the server the app sees
//     again.
//   - "www." and "@" get an entity, which hides them from a linkifier that reads
//     the markdown. An app that makes links of bare names (example.com) shows the
//     target in so many words; breaking those up would break every host's name for
//     whoever copies or searches it.
//   - Line breaks become " ⏎ ": the text stays in its line and loses no words.

const (
	zeroWidthSpace = "\u200B"
	lineBreakSign  = " ⏎ "
)

var (
	wwwPattern   = regexp.MustCompile(`(?i)\bwww\.`)
	mentionStart = regexp.MustCompile(`(?i)<(@|/?spark-)`)
	// What makes a heading, list, underline or rule of a line, at its start.
	numberedPattern = regexp.MustCompile(`^[0-9]+[.)]`)
)

var inlineEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `(`, `\(`, `)`, `\)`, `!`, `\!`,
	`<`, `&lt;`, `>`, `&gt;`, `&`, `&amp;`, `@`, `&#64;`, `~`, `&#126;`, `|`, `&#124;`,
)

// EscapeMarkdown makes untrusted text a piece of one line of markdown that
// shows as it is: no markup, mention, link or HTML comes of it, wherever in the
// line it stands.
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

// EscapeCode makes untrusted text the inside of an inline code span (`…`),
// where nothing can be escaped: a backtick becomes ', and "<@" and Webex's own
// element for mentions are parted by a zero-width space. It is never empty (an empty span is no span): "–" stands for
// nothing.
func EscapeCode(s string) string {
	s = mentionStart.ReplaceAllString(strings.ReplaceAll(text.LineWith(s, lineBreakSign), "`", "'"), "<"+zeroWidthSpace+"$1")
	if s == "" {
		return "–"
	}
	return s
}

var emailPattern = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$`)

// Mention is the markdown that mentions a person; name is what is shown. Where
// email isn't an address it is the escaped name (or address) and mentions nobody.
func Mention(email, name string) string {
	email = strings.TrimSpace(email)
	if !emailPattern.MatchString(email) {
		if strings.TrimSpace(name) == "" {
			name = email
		}
		return EscapeMarkdown(name)
	}
	// Within the mention nothing can be escaped: what could end it or be markup is left out.
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
