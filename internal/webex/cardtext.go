package webex

import (
	"html"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/text"
)

// Run is a piece of a card's text with its style.
type Run struct {
	Text               string
	Bold, Italic, Code bool
	URL                string // of a link; "" for none
}

// Runs translates a line of a message's markdown into the inlines of a RichTextBlock.
//
// A card must not contain a message's markdown: Webex's clients render cards with at least three programs, which know different
// escapes (phones know none). All of them show a TextRun literally, so untrusted text needs no escapes there. Text that went through
// EscapeMarkdown or EscapeCode comes out as it was. Bold, italic, code spans, links and mentions (by their name) are translated; any
// other markup stays as it is.
func Runs(line string) []Run {
	p := runParser{}
	// Looking ahead (for the end of a link, for the closing mark) costs the square of the length: bound it.
	line = CutMarkdown(line, MaxMessageBytes)
	for line != "" {
		line = p.next(line)
	}
	return p.finish()
}

type piece struct {
	Run
	mark     byte // '*' or '_', if the piece is a delimiter: n of them
	n        int
	opens    bool
	closes   bool
	on, off  []int // strengths of the emphasis that begins and ends after it
	consumed int
}

type runParser struct {
	pieces []piece
	before rune // the character before the rest of the line
	url    string
}

// next reads one piece and returns the rest of the line.
func (p *runParser) next(s string) string {
	switch c := s[0]; {
	case c == '\\' && len(s) > 1 && isPunctuation(s[1]):
		p.text(s[1:2])
		return s[2:]
	case c == '&':
		if end := strings.IndexByte(s[:min(len(s), 40)], ';'); end > 0 {
			if decoded := html.UnescapeString(s[:end+1]); decoded != s[:end+1] {
				p.text(decoded)
				return s[end+1:]
			}
		}
	case c == '`':
		if inside, rest, ok := codeSpan(s); ok {
			p.add(Run{Text: inside, Code: true})
			return rest
		}
		mark := leading(s, '`')
		p.text(mark)
		return s[len(mark):]
	case c == '[' && p.url == "":
		if label, target, rest, ok := splitLink(s); ok {
			p.url = target
			for label != "" {
				label = p.next(label)
			}
			p.url = ""
			return rest
		}
	case strings.HasPrefix(s, "<@"):
		if end := strings.IndexByte(s, '>'); end > 0 {
			p.text(mentioned(s[2:end]))
			return s[end+1:]
		}
	case c == '*' || c == '_':
		n := 1
		for n < len(s) && n < 3 && s[n] == c {
			n++
		}
		p.delimiter(s, n)
		return s[n:]
	}
	_, size := utf8.DecodeRuneInString(s)
	if more := strings.IndexAny(s[size:], "\\&`[<*_"); more >= 0 {
		size += more
	} else {
		size = len(s)
	}
	p.text(s[:size])
	return s[size:]
}

func (p *runParser) text(s string) { p.add(Run{Text: s}) }

func (p *runParser) add(r Run) {
	r.URL = p.url
	p.pieces = append(p.pieces, piece{Run: r})
	if r.Text != "" {
		p.before, _ = utf8.DecodeLastRuneInString(r.Text)
	}
}

// delimiter reads n emphasis marks. They open emphasis before a word and close it after one; an underscore within a word does neither.
func (p *runParser) delimiter(s string, n int) {
	after, _ := utf8.DecodeRuneInString(s[n:])
	isWord := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	isSpace := func(r rune) bool { return r == 0 || unicode.IsSpace(r) }
	d := piece{Run: Run{Text: s[:n], URL: p.url}, mark: s[0], n: n, opens: n < len(s) && !isSpace(after), closes: !isSpace(p.before)}
	if d.mark == '_' {
		d.opens, d.closes = d.opens && !isWord(p.before), d.closes && !isWord(after)
	}
	p.pieces = append(p.pieces, d)
	p.before = rune(s[0])
}

// finish pairs the emphasis marks and returns the runs. Unpaired marks are text.
func (p *runParser) finish() []Run {
	var open []int // pieces with unpaired marks
	for i := range p.pieces {
		closer := &p.pieces[i]
		for closer.closes && closer.consumed < closer.n {
			at := -1
			for j := len(open) - 1; j >= 0 && at < 0; j-- {
				if p.pieces[open[j]].mark == closer.mark {
					at = j
				}
			}
			if at < 0 {
				break
			}
			opener := &p.pieces[open[at]]
			strength := min(2, opener.n-opener.consumed, closer.n-closer.consumed)
			opener.on, closer.off = append(opener.on, strength), append(closer.off, strength)
			opener.consumed += strength
			closer.consumed += strength
			open = open[:at+1] // unpaired marks in between are text
			if opener.consumed == opener.n {
				open = open[:at]
			}
		}
		if closer.mark != 0 && closer.opens && closer.consumed == 0 {
			open = append(open, i)
		}
	}
	var runs []Run
	var style [3]int // the number of open emphases of each strength
	for _, piece := range p.pieces {
		for _, strength := range piece.off {
			style[strength]--
		}
		r := piece.Run
		r.Text = shown(r.Text[piece.consumed:])
		r.Italic, r.Bold = style[1] > 0, style[2] > 0
		if n := len(runs) - 1; n >= 0 && sameStyle(runs[n], r) {
			runs[n].Text += r.Text
		} else if r.Text != "" {
			runs = append(runs, r)
		}
		for _, strength := range piece.on {
			style[strength]++
		}
	}
	for i := range runs {
		runs[i].Text = keepDates(runs[i].Text)
	}
	return runs
}

func sameStyle(a, b Run) bool {
	return a.Bold == b.Bold && a.Italic == b.Italic && a.Code == b.Code && a.URL == b.URL
}

// shown drops dangerous characters, among them the zero-width spaces that the escapes of messages insert.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if text.Dangerous(r) {
			return -1
		}
		return r
	}, s)
}

// keepDates breaks up {{DATE(…)}} and {{TIME(…)}}, which every renderer of cards would replace by a date.
func keepDates(s string) string {
	for _, name := range []string{"DATE", "TIME"} {
		s = strings.ReplaceAll(s, "{{"+name+"(", "{"+zeroWidthSpace+"{"+name+"(")
	}
	return s
}

func isPunctuation(c byte) bool {
	return c < utf8.RuneSelf && c > ' ' && (unicode.IsPunct(rune(c)) || unicode.IsSymbol(rune(c)))
}

// codeSpan reads a code span: backticks, the inside, and as many backticks.
func codeSpan(s string) (inside, rest string, ok bool) {
	mark := leading(s, '`')
	for at := len(mark); at < len(s); {
		run := leading(s[at:], '`')
		if run == mark {
			return s[len(mark):at], s[at+len(run):], true
		}
		at += max(len(run), 1)
	}
	return "", "", false
}

// maxBrackets bounds the brackets in a link's label, and so the cost of looking for a link at each of many brackets.
const maxBrackets = 10

// splitLink reads "[label](target)". The target is "" if it is not the address of a web page.
func splitLink(s string) (label, target, rest string, ok bool) {
	depth := 0
	for i := 0; i < len(s) && depth <= maxBrackets; i++ {
		switch s[i] {
		case '\\':
			i++
		case '`':
			i += tokenLength(s[i:]) - 1
		case '[':
			depth++
		case ']':
			if depth--; depth > 0 {
				continue
			}
			inside, ok := strings.CutPrefix(s[i+1:], "(")
			target, rest, closed := strings.Cut(inside, ")")
			if !ok || !closed {
				return "", "", "", false
			}
			if u, err := url.Parse(target); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
				target = ""
			}
			return s[1:i], target, rest, true
		}
	}
	return "", "", "", false
}

// mentioned returns the name in a mention: cards can't mention anybody.
func mentioned(inside string) string {
	if _, name, ok := strings.Cut(inside, "|"); ok {
		return name
	}
	if _, id, ok := strings.Cut(inside, ":"); ok {
		return id
	}
	return "@" + inside
}
