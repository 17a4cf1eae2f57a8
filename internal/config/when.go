package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/text"
)

// Contains reports whether a moment is in the span. It compares local wall-clock time, so 08:00 is 08:00 on days of a clock
// change too. A span across midnight belongs to the day on which it starts.
func (w When) Contains(now time.Time) bool {
	local, days := w.Local(now), w.weekdays()
	from, to := w.Hours.minutes()
	minute, today := wallMinute(local), local.Weekday()
	if from < to {
		return days[today] && minute >= from && minute < to
	}
	yesterday := (today + 6) % 7
	return days[today] && minute >= from || days[yesterday] && minute < to
}

// End returns the end of the span that contains a moment.
func (w When) End(now time.Time) time.Time {
	local := w.Local(now)
	from, to := w.Hours.minutes()
	day := local.Day()
	if from >= to && wallMinute(local) >= from && w.weekdays()[local.Weekday()] {
		day++
	}
	end := time.Date(local.Year(), local.Month(), day, 0, to, 0, 0, local.Location())
	if wallMinute(end) != to%minutesOfDay {
		// The clock skips the end's hour, and time.Date is off by the change, in either direction: the span ends at the change.
		change, after := end.ZoneBounds()
		if change.IsZero() || !after.IsZero() && after.Sub(end) < end.Sub(change) {
			change = after
		}
		return change
	}
	// When clocks go back, an hour (half an hour on Lord Howe) is repeated: the span ends at the first one still ahead.
	for shift := -time.Hour; shift <= time.Hour; shift += 30 * time.Minute {
		if t := end.Add(shift); t.After(now) && wallMinute(t) == wallMinute(end) {
			return t
		}
	}
	return end
}

// Local returns a moment in the span's time zone.
func (w When) Local(now time.Time) time.Time {
	if w.TimeZone.Location == nil {
		return now.UTC()
	}
	return now.In(w.TimeZone.Location)
}

// Words describes the span: "mon-fri 08:00-18:00 Europe/Berlin".
func (w When) Words() lang.Phrase {
	words := lang.Say("every day")
	if len(w.Days) > 0 {
		words = lang.Data(strings.Join(text.Names(w.Days, Days.String), ","))
	}
	if w.Hours.text != "" {
		words = words.And(lang.Data(" " + w.Hours.text))
	}
	if w.TimeZone.Location != nil {
		words = words.And(lang.Data(" " + w.TimeZone.Location.String()))
	}
	return words
}

// AnyTime describes spans of which one is meant.
func AnyTime(spans []When) lang.AnyOf {
	words := make(lang.AnyOf, len(spans))
	for i, w := range spans {
		words[i] = w.Words()
	}
	return words
}

func (w When) weekdays() (days [7]bool) {
	for d := range days {
		days[d] = len(w.Days) == 0 || slices.ContainsFunc(w.Days, func(r Days) bool { return r.on[d] })
	}
	return days
}

const minutesOfDay = 24 * 60

func wallMinute(t time.Time) int { return t.Hour()*60 + t.Minute() }

// Days is a day of the week, or a range of days.
type Days struct {
	text string
	on   [7]bool // by time.Weekday
}

var dayNames = [7]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// ParseDays reads "mon", "Monday", "mon-fri", "fri-mon".
func ParseDays(text string) (Days, error) {
	fault := invalid(fmt.Sprintf("%q is not a day", text), "mon, tue, wed, thu, fri, sat, sun, or a range such as mon-fri")
	first, second, isRange := strings.Cut(strings.ToLower(text), "-")
	from, ok := dayOf(first)
	if !ok {
		return Days{}, fault
	}
	to := from
	if isRange {
		if to, ok = dayOf(second); !ok {
			return Days{}, fault
		}
	}
	days := Days{text: text}
	for d := from; ; d = (d + 1) % 7 {
		days.on[d] = true
		if d == to {
			return days, nil
		}
	}
}

func dayOf(text string) (int, bool) {
	text = strings.TrimSpace(text)
	for i, name := range dayNames {
		if text == name || len(text) >= 3 && text == name[:3] {
			return i, true
		}
	}
	return 0, false
}

// String returns the days as they were written.
func (d Days) String() string { return d.text }

// Hours is a part of the day; the zero value is the whole day.
type Hours struct {
	text     string
	from, to int // minutes of the day; across midnight to is below from
}

var hoursPattern = regexp.MustCompile(`^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$`)

// ParseHours reads "08:00-18:00"; "" is the whole day.
func ParseHours(text string) (Hours, error) {
	if text == "" {
		return Hours{}, nil
	}
	fault := invalid(fmt.Sprintf("%q is not a range of hours", text), "such as 08:00-18:00, or 22:00-06:00 across midnight")
	m := hoursPattern.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return Hours{}, fault
	}
	var n [4]int
	for i := range n {
		for _, c := range m[i+1] {
			n[i] = n[i]*10 + int(c-'0')
		}
	}
	h := Hours{text, n[0]*60 + n[1], n[2]*60 + n[3]}
	if n[1] > 59 || n[3] > 59 || h.from >= minutesOfDay || h.to > minutesOfDay {
		return Hours{}, fault
	}
	if h.from == h.to {
		return Hours{}, invalid(fmt.Sprintf("%q is an empty range", text), "leave out hours for the whole day")
	}
	return h, nil
}

func (h Hours) minutes() (from, to int) {
	if h.from == h.to {
		return 0, minutesOfDay
	}
	return h.from, h.to
}

// String returns the hours as they were written.
func (h Hours) String() string { return h.text }

// longestQuiet is the longest time that quiet hours may last without a break.
const longestQuiet = 7 * day

// Until is when the room gets problems of a severity again; zero if it gets them now. Adjacent spans count as one. A room
// without quiet hours (nil) always gets them now.
func (q *Quiet) Until(s alert.Severity, now time.Time) time.Time {
	if q == nil || s >= q.Below {
		return time.Time{}
	}
	until := now
	for until.Sub(now) <= longestQuiet {
		i := slices.IndexFunc(q.When, func(w When) bool { return w.Contains(until) })
		if i < 0 {
			break
		}
		until = q.When[i].End(until)
	}
	if until.Equal(now) {
		return time.Time{}
	}
	return until
}

// Words describes the quiet hours.
func (q *Quiet) Words() lang.Phrase {
	return lang.Say("quiet hours below %s: %s", q.Below.String(), AnyTime(q.When))
}

// Edges calls add with each moment between two, and some around them, at which Contains may change.
func (w When) Edges(from, until time.Time, add func(time.Time)) {
	first := w.Local(from).AddDate(0, 0, -1)
	start, end := w.Hours.minutes()
	for day := 0; ; day++ {
		year, month, date := first.Date()
		midnight := time.Date(year, month, date+day, 0, 0, 0, 0, first.Location())
		if midnight.After(until) {
			return
		}
		for _, minute := range []int{start, end} {
			at := time.Date(year, month, date+day, 0, minute, 0, 0, first.Location())
			add(at)
			// Around a clock change the minute comes twice, or is skipped.
			if change, after := at.ZoneBounds(); !change.IsZero() || !after.IsZero() {
				for _, c := range []time.Time{change, after} {
					if d := at.Sub(c); !c.IsZero() && d.Abs() <= 3*time.Hour {
						add(c)
						add(at.Add(time.Hour))
						add(at.Add(-time.Hour))
						add(at.Add(30 * time.Minute))
						add(at.Add(-30 * time.Minute))
					}
				}
			}
		}
	}
}
