package zabbix

import (
	"strconv"
	"time"
)

// zone converts a payload's dates to moments. They are in the time zone of the Zabbix user who receives the alert, which the payload
// doesn't name.
type zone struct {
	*time.Location
	// received decides between the two meanings of a time in the hour that a clock shows twice.
	received time.Time
}

// zoneSlack is how far two clocks may differ, including a message's time on the way, for one to confirm the other.
const zoneSlack = 150 * time.Second

// believable is how late a message may be for a zone east of UTC still to be recognised.
const believable = 20 * time.Minute

// zoneOf finds the time zone. {TIMESTAMP} proves it if it resolves. A configured zone is used unless the message would come from the
// future: one from the past may be late, since Zabbix retries for more than an hour. Otherwise it is the zone in which the payload's
// own clock, {DATE} {TIME}, agrees with the time of reception, or UTC if there is none.
func (p Payload) zoneOf(o DecodeOptions) zone {
	z := zone{o.Location, o.ReceivedAt}
	if z.Location == nil {
		z.Location = time.UTC
	}
	wall, ok := parseWall(p.Macro("date"), p.Macro("time"), time.UTC)
	exact, proven := parseStamp(p.Macro("timestamp"))
	now := o.ReceivedAt
	if proven {
		now = exact
	}
	if !ok || now.IsZero() {
		return z
	}
	sent, _ := z.moment(p.Macro("date"), p.Macro("time"))
	if lag := now.Sub(sent); o.Location != nil && lag >= -zoneSlack && (!proven || lag <= zoneSlack) {
		return z
	}
	off := wall.Sub(now)
	rounded := off.Round(15 * time.Minute)
	if (off-rounded).Abs() <= zoneSlack && isOffset(rounded) {
		return zone{time.FixedZone("", int(rounded/time.Second)), o.ReceivedAt}
	}
	// The clock is ahead: it is in a zone east of UTC, and the message took a while.
	for ahead := off.Truncate(15*time.Minute) + 15*time.Minute; off > 0 && ahead <= off+believable; ahead += 15 * time.Minute {
		if isOffset(ahead) {
			return zone{time.FixedZone("", int(ahead/time.Second)), o.ReceivedAt}
		}
	}
	return z
}

// moment converts a local date and time. In the hour that comes twice when clocks are put back, it is the later moment, unless the
// message was received before that.
func (z zone) moment(date, clock string) (time.Time, bool) {
	t, ok := parseWall(date, clock, z.Location)
	if !ok || z.received.IsZero() {
		return t, ok
	}
	for _, shift := range [...]time.Duration{time.Hour, -time.Hour, 30 * time.Minute, -30 * time.Minute} { // half an hour on Lord Howe
		other := t.Add(shift)
		if !sameWall(t, other, z.Location) {
			continue
		}
		earlier, later := t, other
		if other.Before(t) {
			earlier, later = other, t
		}
		if later.After(z.received.Add(zoneSlack)) {
			return earlier, true
		}
		return later, true
	}
	return t, true
}

// sameWall reports whether a local clock shows the same at two moments.
func sameWall(a, b time.Time, loc *time.Location) bool {
	_, x := a.In(loc).Zone()
	_, y := b.In(loc).Zone()
	return a.Add(time.Duration(x) * time.Second).Equal(b.Add(time.Duration(y) * time.Second))
}

// isOffset reports whether a place has this offset from UTC. A message that was on its way for a quarter of an hour must not seem to
// come from another zone.
func isOffset(offset time.Duration) bool {
	hours, minutes := int(offset/time.Hour), int(offset%time.Hour/time.Minute)
	switch minutes {
	case 0:
		return hours >= -12 && hours <= 14
	case 30:
		return (hours >= 3 && hours <= 6) || hours == 9 || hours == 10
	case -30:
		return hours == -2 || hours == -3 || hours == -9
	case 45:
		return hours == 5 || hours == 8 || hours == 12 || hours == 13
	default:
		return false
	}
}

// timed are the three macros of one time.
type timed struct{ date, clock, stamp string }

var (
	whenSent      = timed{"date", "time", "timestamp"}
	whenOpened    = timed{"event.date", "event.time", "event.timestamp"}
	whenRecovered = timed{"event.recovery.date", "event.recovery.time", "event.recovery.timestamp"}
	whenUpdated   = timed{"event.update.date", "event.update.time", "event.update.timestamp"}
)

// moment returns the time of three macros: exact if the timestamp resolves, else by date and time.
func (p Payload) moment(z zone, of timed) (at time.Time, exact bool) {
	if t, ok := parseStamp(p.Macro(of.stamp)); ok {
		return t, true
	}
	t, _ := z.moment(p.Macro(of.date), p.Macro(of.clock))
	return t, false
}

// parseWall reads a date and a time of day as Zabbix writes them.
func parseWall(date, clock string, loc *time.Location) (time.Time, bool) {
	if date == "" && clock == "" {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation("2006.01.02 15:04:05", date+" "+clock, loc)
	if err != nil {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// parseStamp reads Unix seconds.
func parseStamp(text string) (time.Time, bool) {
	if text == "" { // as a rule
		return time.Time{}, false
	}
	const year9999 = 253_402_300_799
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > year9999 {
		return time.Time{}, false
	}
	return time.Unix(n, 0).UTC(), true
}
