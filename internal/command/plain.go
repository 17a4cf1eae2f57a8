package command

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/text"
)

// spoken is a person's text and its plain form. The plain form is parsed; the words that are kept come from the
// original, with its typography.
type spoken struct {
	said  string
	plain string
	at    []int // for each byte of plain its offset in said, and one more for the end
}

// speak makes the plain form: ASCII quotes, dashes, spaces, digits and punctuation, and nothing invisible.
// Phones, input methods and word processors produce the other forms.
func speak(said string) spoken {
	said = text.Block(said)
	s := spoken{said: said}
	var b strings.Builder
	for i, r := range said {
		p := plainOf(r)
		b.WriteString(p)
		for range len(p) {
			s.at = append(s.at, i)
		}
	}
	s.at = append(s.at, len(said))
	s.plain = b.String()
	return s.trimmed(0, len(s.plain))
}

// trimmed returns a slice of it by offsets in plain, without surrounding spaces.
func (s spoken) trimmed(from, to int) spoken {
	for from < to && (s.plain[from] == ' ' || s.plain[from] == '\n') {
		from++
	}
	for from < to && (s.plain[to-1] == ' ' || s.plain[to-1] == '\n') {
		to--
	}
	return spoken{said: s.said[:s.at[to]], plain: s.plain[from:to], at: s.at[from : to+1]}
}

// written returns the original for rest, the end of the plain form.
func (s spoken) written(rest string) string {
	return strings.TrimSpace(s.said[s.at[len(s.plain)-len(rest)]:])
}

// part returns the original for a piece of rest, the end of the plain form.
func (s spoken) part(rest string, from, to int) string {
	start := len(s.plain) - len(rest)
	return strings.TrimSpace(s.said[s.at[start+from]:s.at[start+to]])
}

// alike maps characters that people or their devices write instead of ASCII. Spaces, dashes, digits and
// full-width forms are found by their Unicode class.
var alike = map[string]string{
	"“”„‟″‶〝〞〟«»《》「」『』｢｣❝❞": `"`,
	"‘’‚‛′‵´ʼʹ‹›❛❜":         "'",
	"−⁃˗➖":                  "-",
	"。․":                    ".",
	"…⋯":                    "...",
	"‥":                     "..",
	"、،﹐﹑":                  ",",
	"؛﹔":                    ";",
	"﹕∶":                    ":",
	"？؟❓❔":                  "?",
	"！❗❕":                   "!",
	"‼":                     "!!",
	"⁄∕":                    "/",
	"【〔〖":                   "[",
	"】〕〗":                   "]",
	"〈⟨":                    "<",
	"〉⟩":                    ">",
	"№":                     "No.",
	"≥":                     ">=",
	"≤":                     "<=",
	"→⇒➡":                   "->",
	"\u20e3":                "", // the box around a keycap digit
}

var plainForms = func() map[rune]string {
	forms := make(map[rune]string)
	for from, to := range alike {
		for _, r := range from {
			forms[r] = to
		}
	}
	return forms
}()

func plainOf(r rune) string {
	if r < utf8.RuneSelf {
		return string(r)
	}
	if form, ok := plainForms[r]; ok {
		return form
	}
	switch {
	case 0xff01 <= r && r <= 0xff5e: // full-width ASCII
		return string(r - 0xff01 + '!')
	case unicode.Is(unicode.Zs, r):
		return " "
	case unicode.Is(unicode.Pd, r):
		return "-"
	case unicode.Is(unicode.Nd, r):
		return string('0' + digitOf(r))
	case unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r):
		return ""
	}
	return string(r)
}

// digitOf returns the value of a decimal digit. Each script has its ten in a row.
func digitOf(r rune) rune {
	first := r
	for unicode.Is(unicode.Nd, first-1) {
		first--
	}
	return (r - first) % 10
}

// firstWord splits off the first word; after keeps its line ends.
func firstWord(s string) (word, after string) {
	s = strings.TrimLeft(s, " \n")
	i := strings.IndexAny(s, " \n")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// quotations are pairs of quotes.
var quotations = [...][2]string{
	{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"„", "“"}, {"„", "”"}, {"”", "”"}, {"«", "»"}, {"»", "«"}, {"‘", "’"}, {"‚", "‘"}, {"’", "’"}, {"‹", "›"}, {"›", "‹"}, {"「", "」"}, {"『", "』"},
}

// unquote removes quotes around the whole text.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	for _, q := range quotations {
		if inside, ok := strings.CutPrefix(s, q[0]); ok {
			if inside, ok = strings.CutSuffix(inside, q[1]); ok && !strings.Contains(inside, q[0]) && !strings.Contains(inside, q[1]) {
				return strings.TrimSpace(inside)
			}
		}
	}
	return s
}
