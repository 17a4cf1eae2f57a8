package render

import (
	"fmt"
	"net/url"
	"strings"

	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// Text is text that somebody else wrote: Zabbix, a host, a person. However a
// template prints it, it comes out escaped, in one line. Comparing it (eq) and
// its length (len) go by the text as it came.
type Text string

// String is the text as markdown that shows it as it is.
func (t Text) String() string {
	if plain(string(t)) {
		return string(t)
	}
	return webex.EscapeMarkdown(string(t))
}

// Format makes every verb of printf print the escaped text, %#v and %x too.
func (t Text) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte(t.String())) // as fmt itself does, which has nowhere to put the error
}

// plain says that a text needs no escaping: most names don't, and looking is
// ten times as fast as escaping. It knows fewer texts than EscapeMarkdown leaves alone.
func plain(s string) bool {
	if s == "" {
		return true
	}
	if c := s[0] | 0x20; c < 'a' || c > 'z' {
		return false
	}
	previous := byte('a')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == ',', c == '%', c == '-', c == '/':
		case c == ' ' && previous != ' ':
		case c == '.' && previous|0x20 != 'w':
		default:
			return false
		}
		previous = c
	}
	return previous != ' '
}

// Markdown is markdown that a template function made.
type Markdown string

// URL is an address that can stand in a link as it is: http or https, with
// nothing in it that ends the link or is markup.
type URL string

// maxURL is how long a runbook's address may be, in bytes: a longer one isn't shown.
const maxURL = 1000

// safeURL takes an address that came with an alert and gives it as a link's
// target, with the host that it leads to; "" where it isn't plainly one of a web
// page.
func safeURL(address string) (target URL, host string) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", ""
	}
	for i := 0; i < len(u.Host); i++ {
		// A host in other letters can look like any other host: it is to be written in its xn-- form.
		if c := u.Host[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(".-:[]", c) >= 0) {
			return "", ""
		}
	}
	safe := linkTarget(u.String())
	if len(safe) > maxURL {
		return "", ""
	}
	return URL(safe), u.Host
}

// absoluteURL joins a page of the frontend ("zabbix.php?action=…", "/zabbix/…") to the
// frontend's base URL. Everything else is given as it is.
func absoluteURL(text, base string) string {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err != nil || base == "" || u.IsAbs() || u.Host != "" || u.Opaque != "" || strings.ContainsAny(text, " \\") ||
		!strings.HasPrefix(u.Path, "/") && !strings.HasSuffix(u.Path, ".php") {
		return text
	}
	frontend, err := url.Parse(strings.TrimRight(base, "/") + "/")
	if err != nil {
		return text
	}
	return frontend.ResolveReference(u).String()
}

// linkTarget percent-encodes what would end a markdown link or be markup in it.
func linkTarget(address string) string {
	const safe = "-._~:/?#[]%&=+,!$'"
	var out strings.Builder
	out.Grow(len(address))
	for i := 0; i < len(address); i++ {
		c := address[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(safe, c) >= 0 {
			out.WriteByte(c)
			continue
		}
		fmt.Fprintf(&out, "%%%02X", c)
	}
	return out.String()
}

// limited is a Text of at most limit characters, or "" if nothing of it would show.
func limited(s string, limit int) Text {
	s = text.Shorten(s, limit)
	if text.Visible(s) {
		return Text(s)
	}
	return ""
}

// finish makes a message of what a template gave: each line a line of its own,
// no blank ones at its ends, nothing but text and newlines, at most
// webex.MaxMessageBytes. It says whether all of it fitted.
func finish(s string) (markdown string, fits bool) {
	lines := tidy(s)
	var out strings.Builder
	out.Grow(len(s) + 2*len(lines))
	for i, line := range lines {
		if i > 0 {
			if line != "" && lines[i-1] != "" {
				out.WriteString("  ") // a line break within a paragraph
			}
			out.WriteByte('\n')
		}
		out.WriteString(line)
	}
	return webex.CutMarkdown(out.String(), webex.MaxMessageBytes), out.Len() <= webex.MaxMessageBytes
}

// zeroWidthSpace is what webex.EscapeMarkdown puts into addresses.
const zeroWidthSpace = '\u200B'

// tidy splits into lines: without dangerous characters, without trailing spaces, with no two blank ones in a
// row, none at either end.
func tidy(s string) []string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r != '\n' && r != zeroWidthSpace && text.Dangerous(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	lines := make([]string, 0, 1+strings.Count(s, "\n"))
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimRight(line, " ")
		if line == "" && (len(lines) == 0 || lines[len(lines)-1] == "") {
			continue
		}
		lines = append(lines, line)
	}
	if n := len(lines); n > 0 && lines[n-1] == "" {
		lines = lines[:n-1]
	}
	return lines
}
