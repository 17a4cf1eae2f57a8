package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nms-alert-relay/internal/fault"
	"nms-alert-relay/internal/text"
)

// Fault is one thing that is wrong with a configuration, or with a file that it refers to.
type Fault struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // 0 if unknown
	Key  string `json:"key,omitempty"`  // "webex.bots[0].listen"
	What string `json:"what"`
	Hint string `json:"hint,omitempty"` // what to do about it
}

// invalid returns the fault of a value whose key is not known yet.
func invalid(what, hint string) error { return fault.Fault{What: what, Hint: hint} }

// newFault makes a fault. Passwords in addresses that it quotes are left out.
func newFault(file string, line int, key, what, hint string) Fault {
	return Fault{File: file, Line: line, Key: key, What: text.RedactURLs(what), Hint: text.RedactURLs(hint)}
}

// Error writes the fault on one line: FILE:LINE: key: what (hint).
func (f Fault) Error() string {
	text := f.File
	if f.Line > 0 {
		text = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return text + ": " + fault.Fault{Field: f.Key, What: f.What, Hint: f.Hint}.Error()
}

// Faults are all faults of a configuration, by line.
type Faults []Fault

// Error writes one fault per line.
func (f Faults) Error() string {
	lines := make([]string, 0, len(f))
	for _, one := range f {
		lines = append(lines, one.Error())
	}
	return strings.Join(lines, "\n")
}

// sort orders faults as in the file.
func (f Faults) sort() {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(a.Line-b.Line, strings.Compare(a.Key, b.Key))
	})
}
