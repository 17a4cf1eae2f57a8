package render

import "time"

// Moment is a time for readers in loc (nil: UTC), with its zone. The date is given where it isn't today's,
// and the year where it isn't this one.
func Moment(t, now time.Time, loc *time.Location) string {
	if loc == nil {
		loc = time.UTC
	}
	t, now = t.In(loc), now.In(loc)
	switch {
	case sameDay(t, now):
		return t.Format("15:04 MST")
	case t.Year() == now.Year():
		return t.Format("2 Jan 15:04 MST")
	}
	return t.Format("2 Jan 2006 15:04 MST")
}
