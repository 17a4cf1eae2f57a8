package duty

import (
	"time"

	"nms-alert-relay/internal/config"
)

// Local returns the moment at which clocks on the walls of a zone show a time, which is given as if it were UTC. A time that clocks show
// twice is the first of the two; one that they skip is the moment of the change.
func Local(wall time.Time, zone *time.Location) time.Time {
	year, month, day := wall.Date()
	at := time.Date(year, month, day, wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	if shown := wallOf(at); !shown.Equal(wall) {
		change, after := at.ZoneBounds()
		// time.Date is off by the change, in either direction.
		if shown.Before(wall) {
			change = after
		}
		return change
	}
	if change, _ := at.ZoneBounds(); !change.IsZero() {
		_, before := change.Add(-time.Nanosecond).Zone()
		_, offset := at.Zone()
		if first := at.Add(time.Duration(offset-before) * time.Second); first.Before(change) && wallOf(first).Equal(wall) {
			return first
		}
	}
	return at
}

// wallOf returns what clocks show at a moment, as if it were UTC.
func wallOf(at time.Time) time.Time {
	year, month, day := at.Date()
	return time.Date(year, month, day, at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
}

// rota is people who take turns.
type rota struct {
	layer  string
	people []string
	start  time.Time // by the clock on the wall
	every  time.Duration
	when   []config.When
	zone   *time.Location
}

// handover returns when the nth turn begins.
func (r rota) handover(n int64) time.Time {
	return Local(r.start.Add(time.Duration(n)*r.every), r.zone)
}

// turn returns the number of the turn at a moment. Before the start it is negative.
func (r rota) turn(at time.Time) int64 {
	since := wallOf(at.In(r.zone)).Sub(r.start)
	n := int64(since / r.every)
	if since < 0 {
		n--
	}
	// In the hour of a clock change the clock on the wall doesn't say which turn it is.
	for r.handover(n+1).Compare(at) <= 0 {
		n++
	}
	for r.handover(n).After(at) {
		n--
	}
	return n
}

// at returns the person who is on duty; "" for nobody.
func (r rota) at(at time.Time) string {
	n := r.turn(at)
	if n < 0 || !r.within(at) {
		return ""
	}
	return r.people[n%int64(len(r.people))]
}

// within reports whether there is duty at a moment.
func (r rota) within(at time.Time) bool {
	for _, w := range r.when {
		if w.Contains(at) {
			return true
		}
	}
	return len(r.when) == 0
}

// edges calls add with each moment between two at which somebody else may be on duty.
func (r rota) edges(from, until time.Time, add func(time.Time)) {
	for n := max(r.turn(from), 0); r.handover(n).Before(until); n++ {
		add(r.handover(n))
	}
	for _, w := range r.when {
		w.Edges(from, until, add)
	}
}
