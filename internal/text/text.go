// Package text handles untrusted text: alert texts, chat texts, names, error pages. It decides for the whole program which
// characters are dropped, where text may be cut, and which name a misspelt word means.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks bounds combining marks in a row. No script needs more; hundreds of them paint over the lines above.
const maxMarks = 4

// dangerous are the characters that no output contains: they reverse, hide or join text, or carry invisible text.
var dangerous = []*unicode.RangeTable{
	unicode.Cc,                      // controls: terminal escapes, NUL, backspace
	unicode.Cf,                      // formats: bidi overrides and isolates, zero-width space, BOM, soft hyphen, interlinear annotations, tag characters
	unicode.Zl,                      // U+2028 LINE SEPARATOR
	unicode.Zp,                      // U+2029 PARAGRAPH SEPARATOR
	unicode.Co,                      // private use: a logo in one font, another text in the next
	unicode.Cs,                      // surrogates, which valid UTF-8 can't contain
	unicode.Noncharacter_Code_Point, // U+FFFE, U+FDD0 …
	unicode.Other_Default_Ignorable_Code_Point, // invisible letters and marks: Hangul fillers, grapheme joiner, and code points reserved for such
	invisible,
}

// invisible are characters that no font shows, though Unicode doesn't class them as ignorable.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x2800, Hi: 0x2800, Stride: 1}, // BRAILLE PATTERN BLANK
		{Lo: 0xFFFC, Hi: 0xFFFC, Stride: 1}, // OBJECT REPLACEMENT CHARACTER: phones put it where a picture or a dictation was
	},
}

// Dangerous reports whether a character is dropped from untrusted text. Dangerous white space and line ends (a tab, U+2028)
// become a space or a line break in Line and Block.
func Dangerous(r rune) bool {
	switch {
	case r >= ' ' && r < 0x7F:
		return false
	case r == '\u200C' || r == '\u200D': // the zero-width non-joiner and joiner: Persian, Indic scripts and emoji need them
		return false
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r): // visible, in spite of their class: Arabic number signs
		return false
	}
	return unicode.In(r, dangerous...)
}

// lineEnd reports whether some renderer breaks the line at r.
func lineEnd(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}

// Line returns s as one line of valid UTF-8 without dangerous characters; white space and line ends become single spaces.
func Line(s string) string { return LineWith(s, " ") }

// LineWith is Line with sep instead of line ends, so that a reader sees where they were.
func LineWith(s, sep string) string {
	if isPlainLine(s) {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	const none, space, line = 0, 1, 2
	gap, above := none, marks{}
	for _, r := range s {
		switch {
		case lineEnd(r):
			gap = line
			continue
		case unicode.IsSpace(r):
			gap = max(gap, space)
			continue
		case Dangerous(r) || above.tooMany(r):
			continue
		}
		if out.Len() > 0 && gap == line {
			out.WriteString(sep)
		} else if out.Len() > 0 && gap == space {
			out.WriteByte(' ')
		}
		gap = none
		out.WriteRune(r) // invalid UTF-8 came out of the loop as U+FFFD
	}
	return out.String()
}

// isPlainLine reports whether Line leaves s unchanged, which is true for most names and faster than copying.
func isPlainLine(s string) bool {
	previous := byte(' ')
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c >= 0x7F || c == ' ' && previous == ' ' {
			return false
		}
		previous = c
	}
	return s == "" || previous != ' '
}

// Block returns s as lines of valid UTF-8 without dangerous characters, with "\n" and " " as the only white space, and none at
// either end.
func Block(s string) string {
	above := marks{}
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case lineEnd(r):
			return '\n'
		case unicode.IsSpace(r):
			return ' '
		case Dangerous(r) || above.tooMany(r):
			return -1
		}
		return r
	}, strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")), " \n")
}

// marks counts combining marks in a row.
type marks struct{ n int }

func (m *marks) tooMany(r rune) bool {
	if r < 0x300 || !unicode.Is(unicode.M, r) {
		m.n = 0
		return false
	}
	m.n++
	return m.n > maxMarks
}

// Visible reports whether anything of s is visible after cleaning.
func Visible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return !Blank(r) && !unicode.Is(unicode.M, r) })
}

// Blank reports whether a character is invisible by itself: white space, a dangerous character, or another format character such
// as the zero-width joiner.
func Blank(r rune) bool { return unicode.IsSpace(r) || Dangerous(r) || unicode.Is(unicode.Cf, r) }

// Cut returns the first n characters of s, or a few less to keep together what people see as one (an emoji of several, a letter
// and its accent).
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n <= 0 {
			return s[:clusterStart(s, i)]
		}
		n--
	}
	return s
}

// CutBytes is Cut to n bytes.
func CutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n = max(n, 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:clusterStart(s, n)]
}

const ellipsis = "…"

// Shorten returns s if it has at most n characters, else its beginning and "…" in n characters.
func Shorten(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	return strings.TrimRightFunc(Cut(s, n-1), unicode.IsSpace) + ellipsis
}

// ShortenBytes is Shorten to n bytes.
func ShortenBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.TrimRightFunc(CutBytes(s, n-len(ellipsis)), unicode.IsSpace) + ellipsis
}

// clusterStart returns the last position at or before i where s can be cut. It looks back over the longest emoji only: text that
// imitates one endless character is cut at i.
func clusterStart(s string, i int) int {
	const farthest = 64 // bytes
	at := i
	for at > 0 && i-at < farthest {
		next, _ := utf8.DecodeRuneInString(s[at:])
		before, size := utf8.DecodeLastRuneInString(s[:at])
		if !joined(before, next, s[:at]) {
			return at
		}
		at -= size
	}
	if at == 0 {
		return 0
	}
	return i
}

func joined(before, next rune, head string) bool {
	switch {
	case next == '\u200D' || before == '\u200D', unicode.Is(unicode.M, next), next >= 0x1F3FB && next <= 0x1F3FF: // skin tones
		return true
	case regional(before) && regional(next): // a flag is two letters
		odd := false
		for head != "" {
			r, size := utf8.DecodeLastRuneInString(head)
			if !regional(r) {
				break
			}
			odd, head = !odd, head[:len(head)-size]
		}
		return odd
	}
	return false
}

func regional(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }
