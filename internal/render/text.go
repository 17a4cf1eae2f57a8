package render

import (
	"fmt"
	"net/url"
	"strings"

	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// Text is untrusted text from Zabbix, a host or a person. However a template prints it, it comes out escaped and on one line. eq
// and len see the original text.
type Text string

// String returns the text as markdown, escaped.
func (t Text) String() string { return webex.EscapeMarkdown(string(t)) }

// Format makes every verb of printf print the escaped text, %#v and %x too.
func (t Text) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte(t.String())) // fmt ignores it too
}

// Markdown is markdown that a template function made.
type Markdown string

// URL is an http or https address that is safe in a markdown link.
type URL string

const alphanumerics = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// maxURL is the longest address of a runbook that is shown, in bytes.
const maxURL = 1000

// safeURL makes a link target, and its host, of an address that came with an alert; "" unless it is plainly a web page's.
func safeURL(address string) (target URL, host string) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", ""
	}
	// Non-ASCII letters can look like another host's; such a host must be in its xn-- form.
	if strings.Trim(u.Host, alphanumerics+".-:[]") != "" {
		return "", ""
	}
	safe := linkTarget(u.String())
	if len(safe) > maxURL {
		return "", ""
	}
	return URL(safe), u.Host
}

// Link returns a link target and its host for an address from outside; "" unless it is plainly a web page's.
func Link(address string) (target, host string) {
	to, host := safeURL(address)
	return string(to), host
}

// absoluteURL joins a page of the frontend ("zabbix.php?action=…", "/zabbix/…") to its base URL, and leaves other text as it is.
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

// linkTarget percent-encodes characters that would end a markdown link or be markup in it.
func linkTarget(address string) string {
	const safe = alphanumerics + "-._~:/?#[]%&=+,!$'"
	var out strings.Builder
	out.Grow(len(address))
	for i := 0; i < len(address); i++ {
		if c := address[i]; strings.IndexByte(safe, c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

// limited returns a Text of at most limit characters; "" if none of them is visible.
func limited(s string, limit int) Text {
	s = text.Shorten(s, limit)
	if text.Visible(s) {
		return Text(s)
	}
	return ""
}

// finish makes a message from a template's output: line breaks kept, no blank lines at either end, no control characters, at
// most webex.MaxMessageBytes. fits reports that nothing was cut.
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

// zeroWidthSpace is inserted into addresses by webex.EscapeMarkdown.
const zeroWidthSpace = '\u200B'

// tidy splits text into lines, without dangerous characters, trailing spaces, repeated blank lines and blank lines at the ends.
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
