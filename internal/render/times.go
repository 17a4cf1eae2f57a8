package render

import (
	"fmt"
	"time"

	"nms-alert-relay/internal/lang"
)

// All times that a room reads are written here. Layouts of the time of day, with and without seconds and zone:
const (
	clockShort   = "15:04"
	clockZone    = "15:04 MST"
	clockSeconds = "15:04:05"
	clockLong    = "15:04:05 MST"
)

// stamp formats a time: its clock, after the date unless that is today's, with the year unless that is this one. today is zero in
// a message that is edited in place: people read it on later days too, so every time has its date.
func stamp(l lang.Lang, t, today time.Time, clock string) string {
	switch {
	case t.IsZero():
		return ""
	case sameDay(t, today):
		return t.Format(clock)
	case !today.IsZero() && t.Year() != today.Year():
		return l.Time(t, "2 Jan 2006 "+clock)
	}
	return l.Time(t, "2 Jan "+clock)
}

// Moment writes a time for the readers of a room, with its zone: "14:51 CET", "23 Nov 14:51 CET".
func (r Room) Moment(t, now time.Time) string {
	loc := orUTC(r.Location)
	return stamp(r.Lang, t.In(loc), now.In(loc), clockZone)
}

// Moment writes a time for readers in loc (nil: UTC), with its zone: "14:51 CET", "23 Nov 14:51 CET".
func Moment(t, now time.Time, loc *time.Location) string { return Room{Location: loc}.Moment(t, now) }

// formatTime returns a time with date and zone: "24 Nov 14:51:52 CET".
func formatTime(l lang.Lang, t time.Time) string { return stamp(l, t, time.Time{}, clockLong) }

// formatBy writes a time by a layout of Go's; "" for an unknown time.
func formatBy(l lang.Lang, layout string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return l.Time(t, layout)
}

// clockIn writes times to the second in a room's zone.
func clockIn(l lang.Lang, loc *time.Location, today time.Time) func(time.Time) string {
	loc = orUTC(loc)
	return func(t time.Time) string { return stamp(l, t.In(loc), today.In(loc), clockSeconds) }
}

// formatPeriod writes "since …", "… – … (how long)" or a time alone, depending on which times are known.
func formatPeriod(l lang.Lang, open bool, from, to time.Time) string {
	switch {
	case from.IsZero() && to.IsZero():
		return ""
	case to.IsZero() && open:
		return l.T("since %s", formatTime(l, from))
	case to.IsZero():
		return formatTime(l, from)
	case from.IsZero():
		return l.T("until %s", formatTime(l, to))
	}
	period := stamp(l, from, time.Time{}, clockSeconds) + " – " + stamp(l, to, from, clockLong)
	if d := formatDuration(l, from, to); d != "" {
		period += " (" + d + ")"
	}
	return period
}

// formatDuration returns how long it was from one time to another in its two largest units: "10m 19s", "2d 4h". It is "" where
// either time is unknown, or they are in the wrong order, as local times without a zone can be.
func formatDuration(l lang.Lang, from, to time.Time) string {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return ""
	}
	d := to.Sub(from).Round(time.Second)
	days, hours := int(d/(24*time.Hour)), int(d/time.Hour)%24
	minutes, seconds := int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case days > 0:
		return units(days, "d", hours, "h")
	case hours > 0:
		return units(hours, "h", minutes, "m")
	case minutes > 0:
		return units(minutes, "m", seconds, "s")
	case seconds > 0:
		return units(seconds, "s", 0, "")
	}
	return l.T("under 1s")
}

// Duration writes how long something took in its two largest units: "10m 19s".
func Duration(l lang.Lang, d time.Duration) string {
	return formatDuration(l, time.Unix(1, 0), time.Unix(1, 0).Add(d))
}

func units(large int, unit string, small int, smallUnit string) string {
	if small == 0 {
		return fmt.Sprintf("%d%s", large, unit)
	}
	return fmt.Sprintf("%d%s %d%s", large, unit, small, smallUnit)
}

func sameDay(a, b time.Time) bool {
	return a.YearDay() == b.YearDay() && a.Year() == b.Year()
}

func orUTC(loc *time.Location) *time.Location {
	if loc == nil {
		return time.UTC
	}
	return loc
}
