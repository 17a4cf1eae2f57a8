// Package langtest finds texts for rooms that didn't come from the catalogue. A test makes its messages in lang.Marked, in which each
// text of the catalogue is in brackets: what is left are the test's own data, or a fault.
package langtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	code   = regexp.MustCompile("`[^`]*`")
	link   = regexp.MustCompile(`https?://[^\s)]+`)
	entity = regexp.MustCompile(`&[a-z]+;`)
	words  = regexp.MustCompile(`\p{L}{2,}`)
)

// Outside returns the words of a message that come neither from the catalogue nor from data, which is any text with the test's own
// names. Code in backticks and links are the same in every language.
func Outside(message, data string) (found []string) {
	message = unmarked(code.ReplaceAllString(message, " "))
	known := map[string]bool{}
	for _, w := range words.FindAllString(strings.ToLower(data), -1) {
		known[w] = true
	}
	for _, noise := range []*regexp.Regexp{link, entity} {
		message = noise.ReplaceAllString(message, " ")
	}
	for _, w := range words.FindAllString(message, -1) {
		if !known[strings.ToLower(w)] {
			found = append(found, w)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// unmarked removes the texts of the catalogue, and leaves what is outside of them or an argument.
func unmarked(message string) string {
	var out strings.Builder
	inside := []bool{false}
	for _, r := range message {
		switch r {
		case '⟦', '⟨':
			inside = append(inside, r == '⟦')
			out.WriteByte(' ')
		case '⟧', '⟩':
			inside = inside[:max(len(inside)-1, 1)] // a text that was cut may lack its beginning
			out.WriteByte(' ')
		default:
			if !inside[len(inside)-1] {
				out.WriteRune(r)
			}
		}
	}
	return out.String()
}

// CardWords are the texts of a card that people read, one a line. The card is a value for JSON, or JSON already.
func CardWords(card any) string {
	raw, isRaw := card.(json.RawMessage)
	if !isRaw {
		var err error
		if raw, err = json.Marshal(card); err != nil {
			panic(fmt.Errorf("a card that isn't JSON: %w", err))
		}
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(fmt.Errorf("a card that isn't JSON: %w", err))
	}
	var texts []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for _, key := range []string{"text", "title", "label", "placeholder"} {
				if s, ok := v[key].(string); ok {
					texts = append(texts, s)
				}
			}
			for _, key := range []string{"body", "inlines", "choices", "actions", "card", "items", "columns"} {
				walk(v[key])
			}
		}
	}
	walk(v)
	return strings.Join(texts, "\n")
}
