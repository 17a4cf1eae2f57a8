package webex

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

const ellipsis = "…"

// CutMarkdown shortens s to maxBytes bytes: its beginning and a paragraph "…". It cuts after a whole line, or within the first line
// if that is too long, but never inside a link, mention, code span, escape or entity. Open emphasis and code fences are closed.
func CutMarkdown(s string, maxBytes int) string {
	long := len(s) > maxBytes
	if maxBytes < len(ellipsis) && long {
		return ""
	}
	s = strings.ToValidUTF8(window(s, maxBytes), "\uFFFD")
	if len(s) <= maxBytes && !long {
		return s
	}
	var best place
	whole := false
	scan := scanner{}
	fits := func(end int, tail string) bool {
		// closed copies the text: it is called only close to the limit.
		return end+scan.closing()+len(tail) <= maxBytes || len(closed(s[:end], scan.emphasis))+len(tail) <= maxBytes
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
					best.set(start+offset, scan.emphasis, tail)
				}
			})
		}
		if tail := scan.fenceEnd() + "\n\n" + ellipsis; fits(end, tail) {
			if scan.safe() && strings.TrimSpace(line) != "" {
				best.set(end, scan.emphasis, tail)
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
	emphasis []string // open there
	tail     string   // to append
}

func (p *place) set(end int, emphasis []string, tail string) {
	p.end, p.emphasis, p.tail = end, append(p.emphasis[:0], emphasis...), tail
}

// window returns the part of a text that decides where it is cut: a link that ends beyond it doesn't fit anyway. So the cost of a cut
// depends on maxBytes only.
func window(s string, maxBytes int) string { return s[:min(len(s), 4*maxBytes+2048)] }

// maxEmphasis bounds nested emphasis: deeper marks are treated as text.
const maxEmphasis = 50

// scanner understands as much of markdown as cutting needs.
type scanner struct {
	fenced   string   // the fence that closes the open code block; "" outside one
	emphasis []string // open emphasis of the paragraph, the innermost last
	code     string   // the backticks of an open code span
	depth    int      // open square brackets, and the parentheses of a link
	angle    bool     // within <…>
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

func (c *scanner) safe() bool { return c.code == "" && c.depth == 0 && !c.angle }

func (c *scanner) fenceEnd() string {
	if c.fenced == "" {
		return ""
	}
	return "\n" + c.fenced
}

// closing returns how many bytes closed adds at most.
func (c *scanner) closing() (n int) {
	for _, mark := range c.emphasis {
		n += len(mark)
	}
	return n
}

// closed closes the open emphasis of a text. Emphasis without text is removed instead.
func closed(text string, emphasis []string) string {
	b := bytes.TrimRight([]byte(text), " \t\r")
	for _, mark := range slices.Backward(emphasis) {
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
		n := c.step(line, i)
		i += n
		if c.safe() && i < len(line) && !strings.ContainsAny(line[i:i+1], "([") {
			cut(i)
		}
	}
}

// step scans what begins at i and returns its length: a character, or a sequence that belongs together.
func (c *scanner) step(line string, i int) int {
	if c.code != "" {
		run := leading(line[i:], '`')
		if run == c.code {
			c.code = ""
		}
		return max(len(run), runeLen(line[i:]))
	}
	switch b := line[i]; b {
	case '\\':
		return 1 + runeLen(line[i+1:])
	case '&':
		if semicolon := strings.IndexByte(line[i:min(len(line), i+12)], ';'); semicolon > 0 {
			return semicolon + 1
		}
	case '`':
		run := leading(line[i:], '`')
		if strings.Contains(line[i+len(run):], run) {
			c.code = run
		}
		return len(run)
	case '<':
		c.angle = strings.IndexByte(line[i:], '>') > 0
	case '>':
		c.angle = false
	case '[':
		if strings.IndexByte(line[i:], ']') > 0 {
			c.depth++
		}
	case ']':
		if c.depth > 0 {
			c.depth--
			if strings.HasPrefix(line[i:], "](") && strings.IndexByte(line[i:], ')') > 0 {
				c.depth++ // until the link's closing parenthesis
				return 2
			}
		}
	case ')':
		c.depth = max(0, c.depth-1)
	case '*', '_', '~':
		run := leading(line[i:], b)
		c.delimiter(run, line[:i], line[i+len(run):])
		return len(run)
	}
	return runeLen(line[i:])
}

// delimiter opens or closes emphasis, depending on the text before and after the run.
func (c *scanner) delimiter(run, before, after string) {
	spaceBefore := before == "" || strings.HasSuffix(before, " ")
	spaceAfter := after == "" || strings.HasPrefix(after, " ")
	if n := len(c.emphasis); n > 0 && c.emphasis[n-1] == run && !spaceBefore {
		c.emphasis = c.emphasis[:n-1]
		return
	}
	if spaceAfter || (run[0] == '_' && !spaceBefore) || (run[0] == '~' && len(run) != 2) || c.angle || c.depth > 0 || len(c.emphasis) >= maxEmphasis {
		return
	}
	c.emphasis = append(c.emphasis, run)
}

func runeLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}
