package webex

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

const ellipsis = "…"

// CutMarkdown shortens s to maxBytes bytes: its beginning and a paragraph "…". It cuts after a whole line, or within the first
// line if that is too long, but never inside a link, mention, code span, escape or entity. It closes emphasis and fences.
func CutMarkdown(s string, maxBytes int) string {
	valid := strings.ToValidUTF8(window(s, maxBytes), "\uFFFD")
	switch {
	case max(len(s), len(valid)) <= maxBytes:
		return valid
	case maxBytes < len(ellipsis):
		return ""
	}
	s = valid
	var best place
	whole := false
	scan := scanner{}
	fits := func(end int, tail string) bool {
		// closed copies the text: it is called only close to the limit.
		marks := len(scan.emphasis) - strings.Count(scan.emphasis, " ")
		return end+marks+len(tail) <= maxBytes || len(closed(s[:end], scan.emphasis))+len(tail) <= maxBytes
	}
	for start := 0; start < len(s); {
		end := len(s)
		if i := strings.IndexByte(s[start:], '\n'); i >= 0 {
			end = start + i
		}
		line := s[start:end]
		fence := scan.fence(line)
		if !fence && scan.fenced == "" {
			scan.inline(line, maxBytes-start, func(offset int) {
				if tail := " " + ellipsis; !whole && fits(start+offset, tail) {
					best = place{start + offset, scan.emphasis, tail}
				}
			})
		}
		if tail := scan.fenceEnd() + "\n\n" + ellipsis; fits(end, tail) {
			if strings.TrimSpace(line) != "" {
				best = place{end, scan.emphasis, tail}
				whole = true
			}
		} else if end > maxBytes {
			break
		}
		start = end + 1
	}
	if best.tail == "" {
		return ellipsis
	}
	return closed(s[:best.end], best.emphasis) + best.tail
}

// place is a position where the text can be cut.
type place struct {
	end      int
	emphasis string // open there
	tail     string // to append
}

// window returns the part of a text that decides where it is cut, so that the cost depends on maxBytes only: a link that ends
// beyond it doesn't fit anyway.
func window(s string, maxBytes int) string { return s[:min(len(s), 4*max(maxBytes, 0)+2048)] }

// maxEmphasis bounds nested emphasis: deeper marks are treated as text.
const maxEmphasis = 50

// scanner knows what is open at a position between lines or tokens.
type scanner struct {
	fenced   string // the fence that closes the open code block; "" outside one
	emphasis string // the open marks of the paragraph, each after a space, the innermost last
}

// fence reports whether a line opens or closes a fenced code block, and notes it.
func (c *scanner) fence(line string) bool {
	trimmed := strings.TrimLeft(line, " >\t")
	run := leading(trimmed, '`')
	if run == "" {
		run = leading(trimmed, '~')
	}
	if c.fenced != "" {
		if len(run) >= len(c.fenced) && run[0] == c.fenced[0] && strings.TrimSpace(trimmed[len(run):]) == "" {
			c.fenced = ""
			return true
		}
		return false
	}
	if len(run) >= 3 && !(run[0] == '`' && strings.Contains(trimmed[len(run):], "`")) {
		*c = scanner{fenced: run}
		return true
	}
	return false
}

func leading(s string, b byte) string {
	n := 0
	for n < len(s) && s[n] == b {
		n++
	}
	return s[:n]
}

func (c *scanner) fenceEnd() string {
	if c.fenced == "" {
		return ""
	}
	return "\n" + c.fenced
}

// closed closes the open emphasis of a text. Emphasis without text is removed instead.
func closed(text, emphasis string) string {
	b := bytes.TrimRight([]byte(text), " \t\r")
	for _, mark := range slices.Backward(strings.Fields(emphasis)) {
		if rest, ok := bytes.CutSuffix(b, []byte(mark)); ok && !bytes.HasSuffix(rest, []byte(`\`)) {
			b = bytes.TrimRight(rest, " \t\r")
		} else {
			b = append(b, mark...)
		}
	}
	return string(b)
}

// inline scans a line outside of code blocks, up to limit, and calls cut for each offset where it could be cut.
func (c *scanner) inline(line string, limit int, cut func(offset int)) {
	if strings.TrimSpace(line) == "" { // a paragraph ends: open marks were text
		*c = scanner{}
		return
	}
	for i := 0; i < len(line) && i <= limit; {
		rest := line[i:]
		if b := rest[0]; b == '*' || b == '_' || b == '~' {
			run := leading(rest, b)
			c.delimiter(run, line[:i], rest[len(run):])
			i += len(run)
		} else {
			i += tokenLength(rest)
		}
		if i < len(line) {
			cut(i)
		}
	}
}

// tokenLength returns the length of the first token of s: an escape, an entity, a code span, a link, mention, tag or character.
func tokenLength(s string) int {
	switch s[0] {
	case '\\':
		return 1 + runeLen(s[1:])
	case '&':
		if semicolon := strings.IndexByte(s[:min(len(s), 12)], ';'); semicolon > 0 {
			return semicolon + 1
		}
	case '`':
		if _, rest, ok := codeSpan(s); ok {
			return len(s) - len(rest)
		}
		return len(leading(s, '`'))
	case '<':
		return max(strings.IndexByte(s, '>'), 0) + 1
	case '[':
		if _, _, rest, ok := splitLink(s); ok {
			return len(s) - len(rest)
		}
	}
	return runeLen(s)
}

// delimiter opens or closes emphasis, depending on the text before and after the run.
func (c *scanner) delimiter(run, before, after string) {
	spaceBefore := before == "" || strings.HasSuffix(before, " ")
	spaceAfter := after == "" || strings.HasPrefix(after, " ")
	if outer, ok := strings.CutSuffix(c.emphasis, " "+run); ok && !spaceBefore {
		c.emphasis = outer
		return
	}
	if spaceAfter || (run[0] == '_' && !spaceBefore) || (run[0] == '~' && len(run) != 2) || strings.Count(c.emphasis, " ") >= maxEmphasis {
		return
	}
	c.emphasis += " " + run
}

func runeLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}
