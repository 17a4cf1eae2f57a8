package lang

import (
	"errors"
	"strings"
	"time"
)

// Phrase is a text before the language of its reader is known, such as a reason that is shown in a room and logged. Its zero value is
// none. In logs, answers of the API and on the command line it is English.
type Phrase struct{ parts []part }

// part is a text of the catalogue with its arguments, or data as it is.
type part struct {
	text string
	args []any
	data bool
}

// Say is T for a reader to come. An argument that has a method In, such as another phrase, is written in the reader's language too.
func Say(text string, args ...any) Phrase { return Phrase{[]part{{text: text, args: args}}} }

// Data is a text that is the same in every language, such as a name.
func Data(text string) Phrase { return Phrase{[]part{{text: text, data: true}}} }

// With is Say of a text that a table holds.
func (k Key) With(args ...any) Phrase { return Say(string(k), args...) }

// And returns the phrase with another one after it, without a space between them.
func (p Phrase) And(more Phrase) Phrase {
	return Phrase{append(p.parts[:len(p.parts):len(p.parts)], more.parts...)}
}

// Join returns phrases with a separator between them, which is the same in every language.
func Join(phrases []Phrase, separator string) (joined Phrase) {
	for i, p := range phrases {
		if i > 0 {
			joined = joined.And(Data(separator))
		}
		joined = joined.And(p)
	}
	return joined
}

// IsZero reports whether the phrase is none.
func (p Phrase) IsZero() bool { return len(p.parts) == 0 }

// In returns the phrase in a language; "" for none.
func (p Phrase) In(l Lang) string {
	var out strings.Builder
	for _, part := range p.parts {
		if part.data {
			out.WriteString(part.text)
			continue
		}
		args := make([]any, len(part.args))
		for i, a := range part.args {
			if inner, ok := a.(interface{ In(l Lang) string }); ok {
				a = inner.In(l)
			}
			args[i] = a
		}
		out.WriteString(l.format(part.text, args))
	}
	return out.String()
}

// String returns the phrase in English.
func (p Phrase) String() string { return p.In(English) }

// MarshalText returns the phrase in English, for JSON and logs.
func (p Phrase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Either is an argument of a phrase: words of which one is meant.
type Either []string

// In returns "a, b or c".
func (e Either) In(l Lang) string { return l.Or(e) }

// All is an argument of a phrase: a list of words.
type All []string

// In returns "a, b and c".
func (a All) In(l Lang) string { return l.And(a) }

// AnyOf is an argument of a phrase: phrases of which one is meant.
type AnyOf []Phrase

// In returns "a, b or c".
func (a AnyOf) In(l Lang) string {
	words := make([]string, len(a))
	for i, p := range a {
		words[i] = p.In(l)
	}
	return l.Or(words)
}

// Few is an argument of a phrase: a list, of which at most Max words are named.
type Few struct {
	Words []string
	Max   int
}

// In returns "a, b and 3 more".
func (f Few) In(l Lang) string { return l.Some(f.Words, f.Max) }

// Moment is an argument of a phrase: a time with its layout.
type Moment struct {
	At     time.Time
	Layout string
}

// In writes the time as Lang.Time does.
func (m Moment) In(l Lang) string { return l.Time(m.At, m.Layout) }

// fault is an error for people in rooms, and for logs.
type fault struct{ Phrase }

func (f *fault) Error() string { return f.String() }

// Errorf returns an error with a text of the catalogue.
func Errorf(text string, args ...any) error { return &fault{Say(text, args...)} }

// Error returns what an error says, in the language if it was made by Errorf.
func (l Lang) Error(err error) string {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.In(l)
	}
	return err.Error()
}
