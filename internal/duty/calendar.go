package duty

import (
	"bytes"
	"slices"
	"time"

	ics "github.com/arran4/golang-ical"

	"nms-alert-relay/internal/lang"
)

// Content is what a calendar says about a time.
type Content struct {
	Shifts []Shift
	Events int // in the whole calendar
	// Faults are the events that can't be read, in words without text of the calendar's; maxFaults at most. Unreadable counts them all.
	Faults     []lang.Phrase
	Unreadable int
}

const (
	maxFaults = 5
	maxShifts = 5000
)

// Parse reads a calendar that Reduce has reduced: its shifts between two times.
func Parse(reduced []byte, r Reading, from, until time.Time) (c Content, err error) {
	defer func() {
		if recover() != nil {
			c, err = Content{}, lang.Errorf("the calendar is damaged")
		}
	}()
	r.zones = map[string]*time.Location{}
	calendar, err := ics.ParseCalendar(bytes.NewReader(reduced))
	if err != nil {
		return c, lang.Errorf("the calendar is damaged: a line can't be read") // the library's error may have its text
	}
	var events []event
	for _, v := range calendar.Events() {
		c.Events++
		e, err := r.read(v)
		if e.number = c.Events; err != nil {
			c.unreadable(e, err)
			continue
		}
		events = append(events, e)
	}
	changed := changes(events)
	steps := maxSteps
	for i, e := range events {
		if e.cancelled || !e.replaces.IsZero() && changed[instance{e.uid, e.replaces.Unix()}] != i {
			continue
		}
		starts, err := e.starts(from, until, &steps)
		if err != nil {
			c.unreadable(e, err)
			continue
		}
		for _, start := range starts {
			if _, replaced := changed[instance{e.uid, start.Unix()}]; replaced && e.replaces.IsZero() && e.uid != "" {
				continue
			}
			end := e.ends(start)
			if !start.Before(until) || !end.After(from) {
				continue
			}
			for _, p := range e.people {
				c.Shifts = append(c.Shifts, Shift{Layer: e.layer, From: start, Until: end, Person: p})
			}
			if len(c.Shifts) > maxShifts {
				return Content{}, lang.Errorf("the calendar has more than %d shifts in two months", maxShifts)
			}
		}
	}
	slices.SortStableFunc(c.Shifts, func(a, b Shift) int { return a.From.Compare(b.From) })
	return c, nil
}

// instance is one occurrence of an event.
type instance struct {
	uid   string
	start int64
}

// changes returns the events that replace occurrences of others, by index. Of several for one occurrence the latest version counts.
func changes(events []event) map[instance]int {
	latest := map[instance]int{}
	for i, e := range events {
		if e.replaces.IsZero() {
			continue
		}
		key := instance{e.uid, e.replaces.Unix()}
		if before, ok := latest[key]; !ok || e.sequence >= events[before].sequence {
			latest[key] = i
		}
	}
	return latest
}

// starts returns when the event's occurrences begin that may reach into a time.
func (e event) starts(from, until time.Time, steps *int) ([]time.Time, error) {
	starts := []time.Time{e.start}
	if e.rule != "" && e.replaces.IsZero() {
		var err error
		if starts, err = recurring(e.rule, e.start, from.Add(-e.end.Sub(e.start)-24*time.Hour), until, steps); err != nil {
			return nil, err
		}
	}
	if e.replaces.IsZero() {
		starts = append(starts, e.more...)
	}
	slices.SortFunc(starts, time.Time.Compare)
	starts = slices.CompactFunc(starts, time.Time.Equal)
	if len(e.less) == 0 {
		return starts, nil
	}
	less := make(map[int64]bool, len(e.less))
	for _, at := range e.less {
		less[at.Unix()] = true
	}
	return slices.DeleteFunc(starts, func(at time.Time) bool { return less[at.Unix()] }), nil
}

// unreadable records an event that can't be read.
func (c *Content) unreadable(e event, err error) {
	c.Unreadable++
	if len(c.Faults) == maxFaults {
		return
	}
	if e.start.IsZero() {
		c.Faults = append(c.Faults, lang.Say("event %d: %s", e.number, err))
		return
	}
	c.Faults = append(c.Faults, lang.Say("event %d, of %s: %s", e.number, e.start.Format("2006-01-02 15:04"), err))
}
