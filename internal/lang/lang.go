// Package lang holds the texts that people read in rooms, in each language. The English text stands in the code and is the key of
// its translations: l.T("Couldn't acknowledge %s", id). The other languages are the files beside this one, de.yaml and so on.
//
// A text is a format of package fmt. A number among its arguments is written as the language writes numbers, so an id must be a
// string. Tests hold that each text has its translations with the same verbs, and that no prose stands outside of the catalogue.
//
// What isn't for a room stays English: logs, errors of configuration and command line, metrics, the admin API, what is written into
// Zabbix, and the words that people type in commands.
package lang

import (
	"embed"
	"fmt"
	"sync"

	"gopkg.in/yaml.v3"
)

// Lang is a language. The zero value is English.
type Lang string

// The languages.
const (
	English Lang = "en"
	German  Lang = "de"

	// Marked is for tests: English, with each text of the catalogue in ⟦brackets⟧, and each of its arguments in ⟨others⟩.
	Marked Lang = "marked"
)

// Languages are those that a room can have.
var Languages = []Lang{English, German}

// Key is a text of the catalogue that a table holds: lang.Key("the message"). Of translates it.
type Key string

//go:embed *.yaml
var files embed.FS

// catalogues are the translations by language, read when one is needed.
var catalogues = sync.OnceValue(func() map[Lang]map[string]string {
	all := make(map[Lang]map[string]string)
	for _, l := range Languages {
		if l == English {
			continue
		}
		raw, err := files.ReadFile(string(l) + ".yaml")
		if err != nil {
			panic(err)
		}
		texts := make(map[string]string)
		if err := yaml.Unmarshal(raw, &texts); err != nil {
			panic(fmt.Errorf("%s.yaml: %w", l, err)) // a test reads it
		}
		all[l] = texts
	}
	return all
})

// Catalogue returns the translations of a language.
func Catalogue(l Lang) map[string]string {
	if l.english() || l == Marked {
		return nil
	}
	return catalogues()[l]
}

// String returns the language's code: "en".
func (l Lang) String() string {
	if l == "" {
		return string(English)
	}
	return string(l)
}

// english reports whether texts are as the code has them.
func (l Lang) english() bool { return l == "" || l == English }

// T returns a text with its arguments. The text is a constant.
func (l Lang) T(text string, args ...any) string {
	if l.english() && !numbered(args) {
		return fmt.Sprintf(text, args...) // go vet learns from this call what the arguments are
	}
	return l.format(text, args)
}

// N is T of the first text for one, of the second for any other number. The number is the first argument of both; a text may leave
// it out.
func (l Lang) N(n int, one, many string, args ...any) string {
	text := many
	if n == 1 {
		text = one
	}
	return l.format(text, append([]any{n}, args...))
}

// Of is T of a text that a table holds.
func (l Lang) Of(text Key, args ...any) string { return l.format(string(text), args) }

// C is T of a text without arguments that another language says differently by its context. The catalogue has it as "text [context]".
func (l Lang) C(context, text string) string {
	if known, ok := Catalogue(l)[text+" ["+context+"]"]; ok {
		text = known
	}
	return l.marked(text)
}

// Written is T of a text that a template holds. One that isn't in the catalogue, such as a user's own, stays as it is.
func (l Lang) Written(text string, args ...any) string { return l.format(text, args) }

// format translates a text and inserts its arguments. Those that it doesn't name are left out.
func (l Lang) format(text string, args []any) string {
	shown, known := Catalogue(l)[text]
	if !known {
		shown = text
	}
	var values []any
	for _, a := range args {
		if n, ok := a.(int); ok {
			a = number{n, l}
		} else if l == Marked {
			a = datum{a}
		}
		values = append(values, a)
	}
	// The last verb prints nothing: with a position in the format, fmt doesn't complain about arguments without a verb.
	return l.marked(fmt.Sprintf(shown+fmt.Sprintf("%%[%d]s", len(args)+1), append(values, "")...))
}

func (l Lang) marked(text string) string {
	if l == Marked {
		return "⟦" + text + "⟧"
	}
	return text
}

func numbered(args []any) bool {
	for _, a := range args {
		if _, ok := a.(int); ok {
			return true
		}
	}
	return false
}
