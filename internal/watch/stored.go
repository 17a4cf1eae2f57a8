package watch

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Stored is a trouble that goes on, as the store has it.
type Stored struct {
	Source string // "" for a heartbeat
	Kind   Kind   // of a source's trouble
	Name   string // of a heartbeat
	Condition
}

// ReadStored returns the troubles that go on among values of the store. Values that it can't read are left out.
func ReadStored(values map[string]string) (list []Stored) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		var s Stored
		what, rest, _ := strings.Cut(name, "/")
		switch at := strings.LastIndexByte(rest, '/'); {
		case what == "heartbeat":
			var b Beat
			_ = json.Unmarshal([]byte(values[name]), &b)
			if s.Name = rest; b.Missing() {
				s.Condition = b.Silent
			}
		case what == "watch" && at > 0:
			_ = json.Unmarshal([]byte(values[name]), &s.Condition)
			s.Source, s.Kind = rest[:at], Kind(rest[at+1:])
		}
		if s.Open() {
			list = append(list, s)
		}
	}
	return list
}
