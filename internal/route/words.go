package route

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Explanations go to terminals: what comes from Zabbix is shown without control
// characters, and not at any length.
const (
	maxShown = 60 // characters of one text
	maxItems = 8  // of one list
)

// quoted is a stranger's text for people: as it is where it is plain, else in
// quotes with escapes.
func quoted(text string) string {
	if utf8.RuneCountInString(text) > maxShown {
		text = string([]rune(text)[:maxShown]) + "…"
	}
	for _, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.:@=/+ …", r) {
			return strconv.Quote(text)
		}
	}
	if text == "" || strings.TrimSpace(text) != text {
		return strconv.Quote(text)
	}
	return text
}

func quotedAll(texts []string) []string {
	out := make([]string, 0, len(texts))
	for _, t := range texts {
		out = append(out, quoted(t))
	}
	return out
}

// oneOf is "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// shortList is "a, b and 3 more".
func shortList(items []string) string {
	if len(items) <= maxItems {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:maxItems], ", "), len(items)-maxItems)
}
