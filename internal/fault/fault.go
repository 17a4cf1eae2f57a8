// Package fault describes what is wrong with a configuration, a payload or a request, and what to do about it.
package fault

import "strings"

// Fault is one mistake in an input of the relay. Its JSON form is part of the public API.
type Fault struct {
	Field string `json:"field"` // the key, macro or parameter: "event.id"; "" if the input as a whole is meant
	What  string `json:"what"`  // "missing"
	Hint  string `json:"hint,omitempty"`
}

// Error returns the fault in one line: field: what (hint).
func (f Fault) Error() string {
	s := f.What
	if f.Field != "" {
		s = f.Field + ": " + s
	}
	if f.Hint != "" {
		s += " (" + f.Hint + ")"
	}
	return s
}

// Faults are all the mistakes in one input.
type Faults []Fault

// Error returns the faults in one line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "; ")
}
