package config

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a configuration, or with what it
// points to.
type Fault struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // 0 where it can't be told
	Key  string `json:"key,omitempty"`  // "webex.bots[0].listen"
	What string `json:"what"`
	Hint string `json:"hint,omitempty"` // what to do about it
}

// String is the fault on one line: FILE:LINE: key: what (hint).
func (f Fault) String() string {
	text := f.File
	if f.Line > 0 {
		text = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	if f.Key != "" {
		text += ": " + f.Key
	}
	text += ": " + f.What
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	return text
}

// Error is String.
func (f Fault) Error() string { return f.String() }

// Faults is every fault of a configuration, by line.
type Faults []Fault

// Error is one fault a line.
func (f Faults) Error() string {
	lines := make([]string, 0, len(f))
	for _, fault := range f {
		lines = append(lines, fault.String())
	}
	return strings.Join(lines, "\n")
}

// sort puts faults in the order of the file.
func (f Faults) sort() {
	slices.SortStableFunc(f, func(a, b Fault) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.Key, b.Key)
	})
}

// closest is the candidate that somebody who typed word most likely meant; ""
// where none is near.
func closest(word string, candidates []string) string {
	best, distance := "", 1+max(1, len(word)/3)
	for _, c := range candidates {
		if d := typos(strings.ToLower(word), strings.ToLower(c)); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// typos counts the single-letter changes (insert, remove, replace, swap of
// neighbours) between two words.
func typos(a, b string) int {
	before, last, row := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row = append(row[:0:0], make([]int, len(b)+1)...)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// didYouMean is the hint for an unknown word.
func didYouMean(word string, candidates []string) string {
	if c := closest(word, candidates); c != "" {
		return "did you mean " + c + "?"
	}
	return ""
}
