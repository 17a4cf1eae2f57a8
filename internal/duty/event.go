package duty

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
)

// Reading says how the events of a calendar are read.
type Reading struct {
	Zone    *time.Location    // of times without one
	Layer   string            // of events that name none
	Layers  []string          // that events may name
	Names   map[string]string // the addresses of names that events use, by fold
	Allowed func(email string) bool

	zones map[string]*time.Location // those that were looked up
}

// event is an event of a calendar.
type event struct {
	number     int // in the calendar, from 1
	uid        string
	start, end time.Time
	wall       bool // the end is as long after the start by the clock on the wall
	rule       string
	more, less []time.Time // RDATE, EXDATE
	replaces   time.Time   // RECURRENCE-ID; zero for none
	cancelled  bool
	sequence   int
	layer      string
	people     []Person
}

// maxShift bounds one event: a longer one isn't somebody's duty.
const maxShift = 400 * 24 * time.Hour

// read reads an event. The error says in plain words what is wrong with it, without text of the calendar's.
func (r Reading) read(v *ics.VEvent) (e event, err error) {
	var duration string
	var ended bool
	for _, p := range v.Properties {
		switch strings.ToUpper(p.IANAToken) {
		case "UID":
			e.uid = p.Value
		case "STATUS":
			e.cancelled = strings.EqualFold(p.Value, "CANCELLED")
		case "SEQUENCE":
			_, _ = fmt.Sscan(p.Value, &e.sequence) // 0 if it is none
		case "RRULE":
			if e.rule != "" {
				return e, lang.Errorf("it has several recurrences")
			}
			e.rule = strings.ToUpper(strings.TrimSpace(p.Value))
		case "DURATION":
			duration = p.Value
		case "DTSTART", "DTEND", "RECURRENCE-ID", "RDATE", "EXDATE":
			times, err := r.times(p)
			if err != nil {
				return e, err
			}
			switch name := strings.ToUpper(p.IANAToken); {
			case name == "EXDATE":
				e.less = append(e.less, times...)
			case name == "RDATE":
				e.more = append(e.more, times...)
			case len(times) != 1:
				return e, lang.Errorf("it has no time")
			case name == "DTSTART":
				e.start, e.wall = times[0], times[0].Location() != time.UTC
				if len(p.Value) == len("20060102") && !ended { // one day, unless it has an end
					e.end = Local(wallOf(times[0]).AddDate(0, 0, 1), times[0].Location())
				}
			case name == "DTEND":
				e.end, ended = times[0], true
			default:
				e.replaces = times[0]
			}
		}
	}
	if e.start.IsZero() {
		return e, lang.Errorf("it has no start")
	}
	if duration != "" && !ended {
		if e.end, err = after(e.start, duration); err != nil {
			return e, err
		}
	}
	if e.wall && e.end.Location() == time.UTC { // the end is a moment
		e.wall = false
	}
	switch length := e.end.Sub(e.start); {
	case e.end.IsZero() || length <= 0:
		return e, lang.Errorf("it has no duration")
	case length > maxShift:
		return e, lang.Errorf("it is longer than 400 days")
	}
	e.layer, e.people = r.who(v)
	return e, nil
}

// ends returns when the occurrence that begins at a time ends. A shift from 09:00 to 09:00 ends at 09:00 when clocks change, too.
func (e event) ends(start time.Time) time.Time {
	if !e.wall {
		return start.Add(e.end.Sub(e.start))
	}
	return Local(wallOf(start).Add(wallOf(e.end.In(e.start.Location())).Sub(wallOf(e.start))), e.start.Location())
}

var durationPattern = regexp.MustCompile(`^\+?P(?:(\d{1,3})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?$`)

// after returns the end of an event of a duration such as P1D or PT12H. A day of it is one by the clock on the wall.
func after(start time.Time, duration string) (time.Time, error) {
	m := durationPattern.FindStringSubmatch(strings.TrimSpace(duration))
	if m == nil {
		return time.Time{}, lang.Errorf("its duration can't be read")
	}
	var n [6]int
	for i := range n {
		_, _ = fmt.Sscan(m[min(i+1, 5)], &n[i]) // 0 for what isn't there
	}
	end := Local(wallOf(start).AddDate(0, 0, 7*n[0]+n[1]), start.Location())
	return end.Add(time.Duration(n[2])*time.Hour + time.Duration(n[3])*time.Minute + time.Duration(n[4])*time.Second), nil
}

// maxDates bounds the dates of an RDATE or EXDATE.
const maxDates = 400

// times reads the times of a property.
func (r Reading) times(p ics.IANAProperty) (times []time.Time, err error) {
	zone := r.Zone
	if ids := p.ICalParameters["TZID"]; len(ids) > 0 {
		known := false
		if zone, known = r.zones[ids[0]]; !known {
			zone = zoneOf(ids[0])
			r.zones[ids[0]] = zone
		}
		if zone == nil {
			return nil, lang.Errorf("its time zone is unknown")
		}
	}
	for i, written := range strings.Split(p.Value, ",") {
		if i == maxDates {
			return nil, lang.Errorf("it has too many dates")
		}
		written, _, _ = strings.Cut(strings.TrimSpace(written), "/") // of a period, the start
		in, layout := zone, "20060102T150405"
		switch {
		case strings.HasSuffix(written, "Z"):
			in, layout = time.UTC, "20060102T150405Z"
		case len(written) == len("20060102"):
			layout = "20060102"
		}
		wall, err := time.Parse(layout, written)
		if err != nil || wall.Year() < 1970 || wall.Year() > 2200 {
			return nil, lang.Errorf("one of its times can't be read")
		}
		times = append(times, Local(wall, in))
	}
	return times, nil
}

var addressPattern = regexp.MustCompile(`[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`)

// who returns the layer of an event, and the people whom it puts on duty.
func (r Reading) who(v *ics.VEvent) (layer string, people []Person) {
	layer = r.Layer
	title, description := "", ""
	var guests, organizers []ics.IANAProperty
	for _, p := range v.Properties {
		switch strings.ToUpper(p.IANAToken) {
		case "SUMMARY":
			title = text.Line(p.Value)
		case "DESCRIPTION":
			description = p.Value
		case "CATEGORIES":
			for _, c := range strings.Split(p.Value, ",") {
				if named, ok := r.layer(c); ok {
					layer = named
				}
			}
		case "ATTENDEE":
			guests = append(guests, p)
		case "ORGANIZER":
			organizers = append(organizers, p)
		}
	}
	if named, rest, ok := r.cutLayer(title); ok {
		layer, title = named, rest
	}
	if found := r.named(title); len(found) > 0 {
		return layer, found
	}
	if found := r.invited(guests, organizers); len(found) > 0 {
		return layer, found
	}
	if found := r.addresses(description); len(found) > 0 {
		return layer, found
	}
	for _, o := range organizers {
		// The organizer may be whoever keeps the calendar.
		if name := parameter(o, "CN"); name != "" && fold(title) == fold(name) {
			return layer, r.people([]string{mailbox(o.Value)}, name)
		}
	}
	return layer, []Person{{Name: text.Cut(cmp.Or(title, "?"), maxName), Why: lang.Say("the event doesn't say who that is")}}
}

// maxName bounds a name of a calendar, in bytes.
const maxName = 80

// layer returns the layer of this name.
func (r Reading) layer(name string) (string, bool) {
	for _, l := range append([]string{r.Layer}, r.Layers...) {
		if strings.EqualFold(strings.TrimSpace(name), l) {
			return l, true
		}
	}
	return "", false
}

// cutLayer returns the layer that a title begins with, and the rest: "secondary: Alice", "[secondary] Alice", "Secondary - Alice".
func (r Reading) cutLayer(title string) (layer, rest string, ok bool) {
	if inner, after, found := strings.Cut(strings.TrimPrefix(title, "["), "]"); found && strings.HasPrefix(title, "[") {
		layer, ok = r.layer(inner)
		return layer, strings.TrimSpace(after), ok
	}
	for _, mark := range []string{":", " - ", " – "} {
		if before, after, found := strings.Cut(title, mark); found {
			if layer, ok = r.layer(before); ok {
				return layer, strings.TrimSpace(after), true
			}
		}
	}
	return "", title, false
}

// named returns the people whom a title names: by addresses, or by names that the configuration knows. The title may be just that, or
// have it as a part: "On Call - Alice Archer - Network".
func (r Reading) named(title string) (people []Person) {
	if found := r.addresses(title); len(found) > 0 {
		return found
	}
	parts := append([]string{title}, strings.Split(title, " - ")...)
	parts = append(parts, strings.FieldsFunc(title, func(c rune) bool { return strings.ContainsRune("–—:,;/|()[]&+", c) })...)
	for _, part := range parts {
		if email, ok := r.Names[fold(part)]; ok {
			people = r.add(people, email, "")
		}
	}
	return people
}

// fold makes names comparable.
func fold(name string) string { return strings.ToLower(strings.TrimSpace(text.Line(name))) }

// invited returns the guests of an event: without rooms, without those who declined, and without the organizer if others are invited.
func (r Reading) invited(guests, organizers []ics.IANAProperty) (people []Person) {
	var kept []ics.IANAProperty
	for _, g := range guests {
		kind := strings.ToUpper(parameter(g, "CUTYPE"))
		if kind == "ROOM" || kind == "RESOURCE" || kind == "GROUP" || strings.EqualFold(parameter(g, "PARTSTAT"), "DECLINED") {
			continue
		}
		kept = append(kept, g)
	}
	organizes := func(g ics.IANAProperty) bool {
		return slices.ContainsFunc(organizers, func(o ics.IANAProperty) bool { return mailbox(o.Value) == mailbox(g.Value) })
	}
	if others := slices.DeleteFunc(slices.Clone(kept), organizes); len(others) > 0 {
		kept = others
	}
	for _, g := range kept {
		name := parameter(g, "CN")
		email := mailbox(g.Value)
		if known, ok := r.Names[fold(name)]; ok {
			email = known
		}
		people = r.add(people, email, name)
	}
	return people
}

// addresses returns the people whose e-mail addresses a text has.
func (r Reading) addresses(s string) (people []Person) {
	for _, email := range addressPattern.FindAllString(s, maxPeople) {
		people = r.add(people, email, "")
	}
	return people
}

func (r Reading) people(emails []string, name string) (people []Person) {
	for _, email := range emails {
		people = r.add(people, email, name)
	}
	return people
}

// maxPeople bounds the people of one event.
const maxPeople = 10

// add adds a person to a list, once.
func (r Reading) add(people []Person, email, name string) []Person {
	p := Person{Email: strings.ToLower(strings.TrimSpace(email)), Name: text.Cut(text.Line(name), maxName)}
	if !addressPattern.MatchString(p.Email) || addressPattern.FindString(p.Email) != p.Email {
		p = Person{Name: cmp.Or(p.Name, text.Cut(text.Line(email), maxName)), Why: lang.Say("the event has no e-mail address of this person")}
	} else if !r.Allowed(p.Email) {
		p = Person{Name: text.Cut(p.Email, maxName), Why: lang.Say("not in an allowed domain")}
	}
	if len(people) == maxPeople || slices.ContainsFunc(people, p.same) {
		return people
	}
	return append(people, p)
}

// mailbox returns the address of a calendar user.
func mailbox(value string) string {
	value = strings.ToLower(strings.TrimSpace(value))
	return strings.TrimPrefix(value, "mailto:")
}

func parameter(p ics.IANAProperty, name string) string {
	if values := p.ICalParameters[name]; len(values) > 0 {
		return text.Line(values[0])
	}
	return ""
}
