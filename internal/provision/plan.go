package provision

import (
	"slices"
)

// Action is what a step does.
type Action string

// The actions.
const (
	Create  Action = "create"
	Update  Action = "update"
	Keep    Action = "keep"    // as wanted already
	Refuse  Action = "refuse"  // somebody else's object has our name
	Remove  Action = "remove"  // of --remove
	Foreign Action = "foreign" // of --remove: it has our name but not our mark, and stays
)

// Change is one property that differs. Values of secrets are empty, with Secret set.
type Change struct {
	Field   string `json:"field"`
	From    string `json:"from"`
	To      string `json:"to"`
	Secret  bool   `json:"secret,omitempty"`
	routine bool
	new     bool // not found so far
}

// Step is what happens to one object.
type Step struct {
	Kind    string   `json:"kind"`
	Name    string   `json:"name"`
	Action  Action   `json:"action"`
	Changes []Change `json:"changes,omitempty"`
	Note    string   `json:"note,omitempty"`

	want       object
	id         string
	properties []string // that differ
}

// compare decides what to do for a wanted object, given the one that was found under its name.
func compare(want object, found *object, adopt bool) Step {
	s := Step{Kind: want.kind.word, Name: want.name, Action: Create, want: want}
	if found == nil {
		s.Changes, s.properties = differences(want.fields, nil)
		return s
	}
	s.id = found.id
	s.Changes, s.properties = differences(want.fields, found.fields)
	switch {
	case !found.marked && !adopt:
		s.Action, s.Name = Refuse, found.name
		s.Note = "it exists already and wasn't made by alert-relay: --adopt takes it over, with the changes above"
	case len(s.Changes) == 0:
		s.Action = Keep
	default:
		s.Action = Update
		if _, described := want.params["description"]; described && !slices.Contains(s.properties, "description") {
			s.properties = append(s.properties, "description") // its mark has a checksum of the others
		}
		switch {
		case !found.marked:
			s.Note = "made by somebody else, and taken over"
		case found.edited:
			s.Note = "edited in Zabbix since alert-relay wrote it"
		}
	}
	return s
}

// differences lists what differs, in the order of the wanted fields, and then what is wanted no more. Order within Zabbix's lists
// doesn't matter.
func differences(want, found []field) (changes []Change, properties []string) {
	at := func(list []field, f field) int {
		return slices.IndexFunc(list, func(o field) bool { return o.property == f.property && o.name == f.name })
	}
	add := func(f field, from, to string, isNew bool) {
		if f.secret {
			from, to = "", ""
		}
		changes = append(changes, Change{Field: f.name, From: from, To: to, Secret: f.secret, routine: f.routine, new: isNew})
		if !slices.Contains(properties, f.property) {
			properties = append(properties, f.property)
		}
	}
	for _, f := range want {
		switch i := at(found, f); {
		case i < 0:
			add(f, "", f.shown(), true)
		case found[i].value != f.value:
			add(f, found[i].shown(), f.shown(), false)
		}
	}
	for _, f := range found {
		if at(want, f) < 0 {
			add(f, f.shown(), "", false)
		}
	}
	return changes, properties
}
