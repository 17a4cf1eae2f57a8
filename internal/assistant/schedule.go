package assistant

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
)

// Schedule is a time of day on some weekdays. Its zero value is none.
type Schedule struct {
	Hour, Minute int
	Days         Days
}

// Days are weekdays, a bit for each.
type Days uint8

// Sets of weekdays.
const (
	Daily    Days = 1<<7 - 1
	Weekdays      = Daily &^ (1<<time.Saturday | 1<<time.Sunday)
	Weekends      = Daily &^ Weekdays
)

var named = []struct {
	name string
	days Days
}{{"daily", Daily}, {"weekdays", Weekdays}, {"weekends", Weekends}}

// Has reports whether a weekday is one of them.
func (d Days) Has(w time.Weekday) bool { return d&(1<<w) != 0 }

// String returns the days as ParseDays reads them.
func (d Days) String() string {
	for _, n := range named {
		if d == n.days {
			return n.name
		}
	}
	var names []string
	for i := range 7 {
		if w := time.Weekday((i + 1) % 7); d.Has(w) { // a week begins on Monday
			names = append(names, strings.ToLower(w.String()[:3]))
		}
	}
	return strings.Join(names, ",")
}

// ParseDays reads "weekdays", "daily", "weekends", "mon-fri" or "mon,wed", in any case, with full names too.
func ParseDays(words string) (d Days, err error) {
	words = strings.ToLower(words)
	for _, n := range named {
		if words == n.name {
			return n.days, nil
		}
	}
	for part := range strings.SplitSeq(words, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := parseDay(from)
		last := first
		if err == nil && isRange {
			last, err = parseDay(to)
		}
		if err != nil {
			return 0, err
		}
		for w := first; ; w = (w + 1) % 7 {
			d |= 1 << w
			if w == last {
				break
			}
		}
	}
	return d, nil
}

var dayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "daily", "weekdays", "weekends"}

func parseDay(word string) (time.Weekday, error) {
	word = strings.TrimSpace(word)
	for i, name := range dayNames[:7] {
		if len(word) >= 2 && strings.HasPrefix(name, word) {
			return time.Weekday(i), nil
		}
	}
	if best := text.Nearest(word, dayNames); best != "" {
		return 0, lang.Errorf("unknown day %q (did you mean %s?)", text.Cut(word, 40), best)
	}
	return 0, lang.Errorf("unknown day %q (expected weekdays, daily, weekends or days such as mon,wed)", text.Cut(word, 40))
}

// ParseTime reads "08:00" or "8:00".
func ParseTime(word string) (hour, minute int, err error) {
	h, m, _ := strings.Cut(word, ":")
	number := func(s string) int {
		n, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			return 99
		}
		return int(n)
	}
	if hour, minute = number(h), number(m); len(h) > 2 || len(m) != 2 || hour > 23 || minute > 59 {
		return 0, 0, lang.Errorf("expected a time such as 08:00, got %q", text.Cut(word, 40))
	}
	return hour, minute, nil
}

// ParseSchedule reads what String returns: "08:00 weekdays".
func ParseSchedule(words string) (s Schedule, err error) {
	at, days, _ := strings.Cut(words, " ")
	if s.Hour, s.Minute, err = ParseTime(at); err == nil {
		s.Days, err = ParseDays(days)
	}
	return s, err
}

// String returns the schedule as ParseSchedule reads it.
func (s Schedule) String() string { return fmt.Sprintf("%02d:%02d %s", s.Hour, s.Minute, s.Days) }

// Next returns the first moment of the schedule after now, in a time zone; zero for none.
func (s Schedule) Next(now time.Time, loc *time.Location) time.Time {
	today := now.In(loc)
	for days := range 9 { // a time that a day skips is later on that day
		day := time.Date(today.Year(), today.Month(), today.Day()+days-1, 12, 0, 0, 0, time.UTC)
		if at := At(day.Year(), day.Month(), day.Day(), s.Hour, s.Minute, time.Time{}, loc); s.Days.Has(day.Weekday()) && at.After(now) {
			return at
		}
	}
	return time.Time{}
}

// Before returns the last moment of the schedule before a time, in a time zone; zero for none.
func (s Schedule) Before(at time.Time, loc *time.Location) time.Time {
	// Nine days earlier there was a moment before, whatever the days are.
	for next := s.Next(at.AddDate(0, 0, -9), loc); !next.IsZero(); {
		after := s.Next(next, loc)
		if !after.Before(at) {
			if next.Before(at) {
				return next
			}
			break
		}
		next = after
	}
	return time.Time{}
}

// At returns a moment by the clock on the wall. A time that the change to summer time skips is read with the offset before the change:
// 2:30 is 3:30. One that comes twice in autumn is the first one that is after now.
func At(year int, month time.Month, day, hour, minute int, now time.Time, loc *time.Location) time.Time {
	wall := time.Date(year, month, day, hour, minute, 0, 0, time.UTC)
	read := func(near time.Time) (at time.Time, exists bool) {
		_, offset := near.In(loc).Zone()
		at = wall.Add(-time.Duration(offset) * time.Second).In(loc)
		return at, at.Hour() == hour && at.Minute() == minute
	}
	first, _ := read(wall.Add(-24 * time.Hour))
	second, exists := read(wall.Add(24 * time.Hour))
	if _, twice := read(wall.Add(-24 * time.Hour)); exists && (!twice || !first.After(now)) {
		return second
	}
	return first
}
