package zabbix

import (
	"strconv"
	"time"
)

// zone turns a payload's dates into moments. They are in the time zone of the
// user who receives it, and the payload doesn't say which that is.
type zone struct{ *time.Location }

// How far a payload's own clock may be from the time at which it was received
// for its time zone to be told from that: what a message takes on its way and
// two clocks differ.
const zoneSlack = 150 * time.Second

// believable is how long a message may have been on its way for the configured
// time zone to be believed at once. Zones differ by half an hour at least.
const believable = 20 * time.Minute

// zoneOf finds the time zone: by {TIMESTAMP} where it resolves; the configured one
// where it makes the payload's clock right; else by how far that clock is from
// the time of reception; else the configured one, or UTC where none is.
func (p Payload) zoneOf(o DecodeOptions) zone {
	configured := o.Location
	if configured == nil {
		configured = time.UTC
	}
	wall, ok := parseWall(p.macros.get(mDate), p.macros.get(mTime), time.UTC)
	if !ok {
		return zone{configured}
	}
	now := o.ReceivedAt
	if exact, ok := parseStamp(p.macros.get(mTimestamp)); ok {
		now = exact
	}
	if now.IsZero() {
		return zone{configured}
	}
	local, _ := parseWall(p.macros.get(mDate), p.macros.get(mTime), configured)
	if lag := now.Sub(local); o.Location != nil && lag >= -zoneSlack && lag <= believable {
		return zone{configured}
	}
	off := wall.Sub(now)
	rounded := off.Round(15 * time.Minute)
	if (off-rounded).Abs() <= zoneSlack && isOffset(rounded) {
		return zone{time.FixedZone("", int(rounded/time.Second))}
	}
	// A clock that shows the future is in a zone ahead, and the message was on its way for a while.
	for ahead := off.Truncate(15*time.Minute) + 15*time.Minute; off > 0 && ahead <= off+believable; ahead += 15 * time.Minute {
		if isOffset(ahead) {
			return zone{time.FixedZone("", int(ahead/time.Second))}
		}
	}
	return zone{configured}
}

// isOffset says whether some place has this offset from UTC. A message that was on
// its way for a quarter of an hour must not pass for one from another zone.
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

// timed are the three macros that tell a time.
type timed struct{ date, clock, stamp macro }

var (
	whenSent      = timed{mDate, mTime, mTimestamp}
	whenOpened    = timed{mEventDate, mEventTime, mEventTimestamp}
	whenRecovered = timed{mRecoveryDate, mRecoveryTime, mRecoveryTimestamp}
	whenUpdated   = timed{mUpdateDate, mUpdateTime, mUpdateTimestamp}
)

// moment is the time that three macros tell: exactly where the time stamp
// resolves, else by date and time.
func (p Payload) moment(z zone, of timed) (at time.Time, exact bool) {
	if t, ok := parseStamp(p.macros.get(of.stamp)); ok {
		return t, true
	}
	t, _ := parseWall(p.macros.get(of.date), p.macros.get(of.clock), z.Location)
	return t, false
}

// parseWall reads a date and a time of day as Zabbix writes them.
func parseWall(date, clock string, loc *time.Location) (time.Time, bool) {
	if date == "" && clock == "" {
		return time.Time{}, false
	}
	if t, ok := parsePlainWall(date, clock, loc); ok {
		return t, true
	}
	t, err := time.ParseInLocation("2006.01.02 15:04:05", date+" "+clock, loc)
	if err != nil {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// parsePlainWall reads them in the form that they always have: 2026.11.24 13:30:00. Each event
// has three or four, and the general way takes several times as long. false leaves it to that.
func parsePlainWall(date, clock string, loc *time.Location) (time.Time, bool) {
	if len(date) != len("2006.01.02") || date[4] != '.' || date[7] != '.' || len(clock) != len("15:04:05") || clock[2] != ':' || clock[5] != ':' {
		return time.Time{}, false
	}
	century, a := twoDigits(date[0:])
	year, b := twoDigits(date[2:])
	month, c := twoDigits(date[5:])
	day, d := twoDigits(date[8:])
	hour, e := twoDigits(clock[0:])
	minute, f := twoDigits(clock[3:])
	second, g := twoDigits(clock[6:])
	// A day that not every month has is left to the general way.
	if !(a && b && c && d && e && f && g) || month < 1 || month > 12 || day < 1 || day > 30 || month == 2 && day > 28 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	return time.Date(100*century+year, time.Month(month), day, hour, minute, second, 0, loc).UTC(), true
}

func twoDigits(text string) (n int, ok bool) {
	a, b := text[0]-'0', text[1]-'0'
	return 10*int(a) + int(b), a <= 9 && b <= 9
}

// parseStamp reads Unix seconds.
func parseStamp(text string) (time.Time, bool) {
	if text == "" { // as a rule: an error would cost memory
		return time.Time{}, false
	}
	const year9999 = 253_402_300_799
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > year9999 {
		return time.Time{}, false
	}
	return time.Unix(n, 0).UTC(), true
}
