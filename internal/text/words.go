package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Quoted returns untrusted text for a terminal, in at most n characters: unchanged if it consists of letters, digits and plain
// punctuation, else in quotes with escapes.
func Quoted(s string, n int) string {
	s = Shorten(s, n)
	plain := func(r rune) bool {
		return (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.:@=/+ …", r)) && !Dangerous(r)
	}
	if s != "" && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		quoted := strconv.Quote(string(r))
		if Dangerous(r) { // Quote escapes only characters that Unicode calls unprintable
			quoted = strconv.QuoteToASCII(string(r))
		}
		out.WriteString(quoted[1 : len(quoted)-1])
	}
	return `"` + out.String() + `"`
}

// Or returns "a, b or c".
func Or(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// And returns "a, b and c".
func And(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// Some returns "a, b and 3 more", with at most n words named.
func Some(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:n], ", "), len(words)-n)
}

// Names returns the name of each item.
func Names[T any](items []T, name func(T) string) []string {
	out := make([]string, 0, len(items))
	for _, item := range items {
		out = append(out, name(item))
	}
	return out
}

// Nearest returns the candidate that a misspelt word most likely means: the one with the fewest typing errors, ignoring case, or
// with another ending. It is "" if none is near, or if the word is a candidate.
func Nearest(word string, candidates []string) string {
	best, bestAt := "", maxTypos+1
	lower := strings.ToLower(word)
	for _, c := range candidates {
		if c == word {
			return ""
		}
		name := strings.ToLower(c)
		limit := min(typosIn(lower), typosIn(name))
		d := typos(lower, name, limit)
		if d > limit && begins(lower, name) {
			d = maxTypos
		} else if d > limit {
			continue
		}
		if d < bestAt || d == bestAt && c < best {
			best, bestAt = c, d
		}
	}
	return best
}

// DidYouMean returns the hint for an unknown word, or "".
func DidYouMean(word string, candidates []string) string {
	if c := Nearest(word, candidates); c != "" {
		return "did you mean " + c + "?"
	}
	return ""
}

const maxTypos = 3

// typosIn returns how many typing errors a word of this length may have.
func typosIn(word string) int {
	switch n := len(word); {
	case n < 5:
		return 1
	case n < 9:
		return 2
	}
	return maxTypos
}

// begins reports whether one word is the other with an ending ("warn" and "warning").
func begins(a, b string) bool {
	const shortest, ending = 4, 3
	d := len(a) - len(b)
	return min(len(a), len(b)) >= shortest && -ending <= d && d <= ending && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}

// typos counts the letters to insert, remove, replace or swap with their neighbour. Above limit the result is only a lower bound.
func typos(a, b string, limit int) int {
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
