// Package duty says who is on duty: by a rota of the configuration, or by calendars that it reads in the background. Schedules are
// values; only Book reads anything.
package duty

import (
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
)

// Person is somebody on duty.
type Person struct {
	// Email is "" if the relay can't write to the person; then Why says why.
	Email string `json:"email,omitempty"`
	// Name is what a calendar calls the person: untrusted text. It is "" for people of the configuration.
	Name string      `json:"name,omitempty"`
	Why  lang.Phrase `json:"why,omitzero"`
}

// same reports whether two people are one.
func (p Person) same(o Person) bool {
	if p.Email != "" || o.Email != "" {
		return p.Email == o.Email
	}
	return strings.EqualFold(p.Name, o.Name)
}

// Shift is somebody's time on duty in a layer.
type Shift struct {
	Layer       string
	From, Until time.Time
	Person      Person
}

// Schedule says who is on duty when. It never changes.
type Schedule struct {
	Name   string
	Zone   *time.Location
	Layers []string

	rota      []rota
	shifts    []Shift // of the calendars
	overrides []Shift
	// Unread is why no calendar could be read yet; nil if there is none to read, or a copy of each.
	Unread error
}

// New makes the schedule of a configuration. shifts are those of its calendars.
func New(c config.Duty, shifts []Shift, unread error) Schedule {
	s := Schedule{Name: c.Name, Zone: c.TimeZone.Location, Layers: c.Layers(), shifts: shifts, Unread: unread}
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	for _, r := range c.Rota {
		s.rota = append(s.rota, rota{layer: r.Layer, people: r.People, start: r.Start.Wall(), every: time.Duration(r.Every), when: r.When, zone: s.Zone})
	}
	for _, o := range c.Overrides {
		s.overrides = append(s.overrides, Shift{Layer: o.Layer, From: Local(o.From.Wall(), s.Zone), Until: Local(o.Until.Wall(), s.Zone), Person: Person{Email: o.Person}})
	}
	return s
}

// At returns who is on duty in a layer at a moment; nobody if that is a gap.
func (s Schedule) At(layer string, at time.Time) []Person {
	for _, o := range slices.Backward(s.overrides) {
		if o.Layer == layer && o.covers(at) {
			return []Person{o.Person}
		}
	}
	var people []Person
	add := func(p Person) {
		if !slices.ContainsFunc(people, p.same) {
			people = append(people, p)
		}
	}
	for _, r := range s.rota {
		if email := r.at(at); r.layer == layer && email != "" {
			add(Person{Email: email})
		}
	}
	for _, shift := range s.shifts {
		if shift.Layer == layer && shift.covers(at) {
			add(shift.Person)
		}
	}
	return people
}

func (s Shift) covers(at time.Time) bool { return !at.Before(s.From) && at.Before(s.Until) }

// Turn is a time in which the same people are on duty in a layer; without people it is a gap.
type Turn struct {
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	People []Person  `json:"people"`
}

// Turns returns the turns of a layer between two times, without breaks, in order.
func (s Schedule) Turns(layer string, from, until time.Time) (turns []Turn) {
	edges := s.edges(layer, from, until)
	for i, edge := range edges[:len(edges)-1] {
		people := s.At(layer, edge)
		if n := len(turns); n > 0 && slices.EqualFunc(turns[n-1].People, people, Person.same) {
			turns[n-1].Until = edges[i+1]
			continue
		}
		turns = append(turns, Turn{From: edge, Until: edges[i+1], People: people})
	}
	return turns
}

// edges returns from, until and every moment between them at which the people of a layer may change, sorted.
func (s Schedule) edges(layer string, from, until time.Time) []time.Time {
	edges := []time.Time{from}
	add := func(at time.Time) {
		if at.After(from) && at.Before(until) {
			edges = append(edges, at)
		}
	}
	for _, r := range s.rota {
		if r.layer == layer {
			r.edges(from, until, add)
		}
	}
	for _, shift := range slices.Concat(s.shifts, s.overrides) {
		if shift.Layer == layer {
			add(shift.From)
			add(shift.Until)
		}
	}
	slices.SortFunc(edges, time.Time.Compare)
	return append(slices.CompactFunc(edges, time.Time.Equal), until)
}

// maxCalled bounds how many people of a layer are written to.
const maxCalled = 5

// Call returns the addresses of those who are on duty in a layer. gap says why nobody can be reached; its zero value if somebody can. It
// has no text from calendars.
func (s Schedule) Call(layer string, at time.Time) (emails []string, gap alert.Gap) {
	people := s.At(layer, at)
	for _, p := range people {
		if p.Email != "" && len(emails) < maxCalled {
			emails = append(emails, p.Email)
		}
	}
	gap = alert.Gap{Why: alert.GapNobody, Schedule: s.Name, Layer: layer}
	switch {
	case len(emails) > 0:
		gap = alert.Gap{}
	case len(people) > 0:
		gap.Why = alert.GapUnwritable
	case s.Unread != nil:
		gap.Why = alert.GapUnread
	}
	return emails, gap
}
