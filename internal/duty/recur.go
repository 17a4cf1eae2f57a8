package duty

import (
	"strings"
	"time"

	"github.com/teambition/rrule-go"

	"nms-alert-relay/internal/lang"
)

// The limits of a recurrence.
const (
	// maxRule bounds the text of a rule.
	maxRule = 300
	// maxSteps bounds the search for the occurrences of all events: each day that is searched costs one step (each hour, of an hourly
	// recurrence), whether it has one or not, and each occurrence perOccurrence.
	maxSteps      = 2_000_000
	perOccurrence = 20
	// maxTimes bounds how often a day an event may recur.
	maxTimes = 24
)

// recurring returns when a rule's occurrences begin, of those between two times. steps is how much may still be searched. A rule
// that no shifts follow is an error: it recurs every minute, or by parts that no calendar uses for shifts.
func recurring(rule string, start, from, until time.Time, steps *int) (starts []time.Time, err error) {
	if len(rule) > maxRule {
		return nil, lang.Errorf("its recurrence is too long")
	}
	defer func() {
		if recover() != nil {
			starts, err = nil, lang.Errorf("its recurrence can't be read")
		}
	}()
	o, err := rrule.StrToROptionInLocation(rule, start.Location())
	if err != nil {
		return nil, lang.Errorf("its recurrence can't be read")
	}
	times := max(1, len(o.Byhour)) * max(1, len(o.Byminute)) * max(1, len(o.Bysecond))
	switch {
	case o.Freq == rrule.SECONDLY || o.Freq == rrule.MINUTELY || times > maxTimes || o.Freq == rrule.HOURLY && len(o.Byhour)+len(o.Byminute)+len(o.Bysecond) > 0: // the library may never find an hour of the list
		return nil, errTooOften
	case len(o.Byyearday)+len(o.Byweekno)+len(o.Byeaster) > 0 || o.Interval > 1000 || !possible(o):
		return nil, lang.Errorf("its recurrence isn't supported")
	}
	if untilDate(rule) { // the whole of that day
		o.Until = o.Until.AddDate(0, 0, 1).Add(-time.Second)
	}
	if *steps <= 0 {
		return nil, errTooOften
	}
	if !skip(o, start, from) {
		return nil, nil
	}
	if o.Until.IsZero() || o.Until.After(until) {
		o.Until = until
	}
	r, err := rrule.NewRRule(*o)
	if err != nil {
		return nil, lang.Errorf("its recurrence can't be read")
	}
	unit := 24 * time.Hour
	if o.Freq == rrule.HOURLY {
		unit = time.Hour
	}
	next, searched := r.Iterator(), o.Dtstart
	for n := 1; ; n++ {
		at, more := next()
		switch {
		case more:
			*steps -= perOccurrence + int(at.Sub(searched)/unit)
			searched = at
		case o.Count == 0 || n <= o.Count: // it searched up to the end
			*steps -= max(0, int(o.Until.Sub(searched)/unit))
		}
		switch {
		case !more || !at.Before(until):
			return starts, nil
		case *steps <= 0:
			return nil, errTooOften
		case at.After(from):
			starts = append(starts, at)
		}
	}
}

var errTooOften = lang.Errorf("it recurs too often")

// skip gives a rule a later start with the same occurrences from a time on: the years before it cost nothing then. false if all of its
// occurrences are before that time. A rule that counts occurrences which it filters has to be searched from its start.
func skip(o *rrule.ROption, start, from time.Time) bool {
	o.Dtstart = start
	days := max(1, o.Interval)
	if o.Freq == rrule.WEEKLY {
		days *= 7
	}
	filtered := len(o.Byweekday)+len(o.Bymonth)+len(o.Bymonthday)+len(o.Bysetpos)+len(o.Byhour)+len(o.Byminute)+len(o.Bysecond) > 0
	if o.Count > 0 && filtered || o.Freq != rrule.DAILY && o.Freq != rrule.WEEKLY || !start.Before(from) {
		return true
	}
	for n := int(from.Sub(start)/(24*time.Hour))/days - 1; n > 0; n-- {
		wall := wallOf(start).AddDate(0, 0, n*days)
		later := Local(wall, start.Location())
		switch {
		case !wallOf(later).Equal(wall): // one that clocks skip
		case o.Count > 0 && n >= o.Count:
			return false
		default:
			o.Dtstart, o.Count = later, max(0, o.Count-n)
			return true
		}
	}
	return true
}

// monthDays are the days of the months in a common year.
var monthDays = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// possible reports whether a rule certainly matches some day of the next years. The library looks for one up to the year 9999.
func possible(o *rrule.ROption) bool {
	filtered, nth := false, 0 // BYDAY that only filters the days of another part; the highest n of "the nth Monday"
	for _, d := range o.Byweekday {
		nth = max(nth, d.N(), -d.N())
	}
	if len(o.Byweekday) > 0 {
		filtered = o.Freq > rrule.WEEKLY || len(o.Bymonthday) > 0
	}
	monthly := o.Freq == rrule.MONTHLY || len(o.Bymonth) > 0
	switch {
	case len(o.Byweekday) > 14 || len(o.Bymonthday) > 62:
		return false
	case o.Interval > 1 && (filtered || len(o.Bymonthday) > 0 && o.Freq > rrule.MONTHLY || len(o.Bymonth) > 0 && o.Freq == rrule.MONTHLY):
		return false
	case filtered && nth > 0 && o.Freq <= rrule.MONTHLY:
		return false
	case nth > 52 || monthly && nth > 5 || nth == 5 && monthly && (o.Interval > 1 || len(o.Bymonth) > 0):
		return false
	}
	for _, n := range o.Bysetpos { // "the last working day of the month" is what it is for
		if o.Freq != rrule.MONTHLY || len(o.Byweekday) == 0 || len(o.Bymonthday) > 0 || nth > 0 || n > 4 || n < -4 {
			return false
		}
	}
	for _, month := range o.Bymonth {
		for _, d := range o.Bymonthday {
			if month < 1 || month > 12 || d > monthDays[month] || -d > monthDays[month] {
				return false
			}
		}
	}
	return true
}

// untilDate reports whether a rule ends on a date without a time.
func untilDate(rule string) bool {
	for part := range strings.SplitSeq(rule, ";") {
		if value, ok := strings.CutPrefix(part, "UNTIL="); ok {
			return len(value) == len("20060102")
		}
	}
	return false
}
