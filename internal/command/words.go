package command

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"nms-alert-relay/internal/webex"
)

// Clean makes a stranger's text fit to be kept, compared and sent on: valid
// UTF-8, "\n" as the only line end, and neither control characters nor those that turn
// the direction of writing. It keeps what emoji are made of.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\t", " ", "\u00a0", " ").Replace(s)
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\u200d': // 200D joins emoji
			return r
		case unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s))
}

// oneLine is Clean for a name: no line ends, single spaces.
func oneLine(s string) string { return strings.Join(strings.Fields(Clean(s)), " ") }

// firstWord splits off the first word; after keeps its line ends.
func firstWord(s string) (word, after string) {
	s = strings.TrimLeft(s, " \n")
	i := strings.IndexAny(s, " \n")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// unquote takes quotes off that surround the whole text.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	for _, q := range [...][2]string{{`"`, `"`}, {"'", "'"}, {"“", "”"}, {"„", "“"}, {"«", "»"}} {
		if inside, ok := strings.CutPrefix(s, q[0]); ok {
			if inside, ok = strings.CutSuffix(inside, q[1]); ok && !strings.Contains(inside, q[0]) {
				return strings.TrimSpace(inside)
			}
		}
	}
	return s
}

// cut shortens to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// cutRunes shortens to at most n characters.
func cutRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// echo is a stranger's word as it may stand between backticks.
func echo(s string) string {
	short := cutRunes(s, 40)
	if len(short) < len(s) {
		short += "…"
	}
	return webex.EscapeCode(short)
}

// nearest is the name that the word is most likely a slip of: at most two
// letters away, one for short words.
func nearest(word string, names []string) (string, bool) {
	best, bestAt := "", 3
	for _, name := range names {
		limit := 2
		if utf8.RuneCountInString(word) <= 4 || len(name) <= 3 {
			limit = 1
		}
		if len(name) < 3 {
			continue
		}
		if d := distance(word, name, limit); d <= limit && (d < bestAt || d == bestAt && name < best) {
			best, bestAt = name, d
		}
	}
	return best, best != "" && best != word
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour (Damerau and Levenshtein); above limit it is only known to be more.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if d := len(x) - len(y); d > limit || -d > limit {
		return limit + 1
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range y {
		rows[0][j+1] = j + 1
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}
