package command

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/assistant"
	"nms-alert-relay/internal/lang"
)

// Length is how long something lasts, as a person wrote it: "2h", "1h30m", "until mon 8:00". Times of day are those of
// the room, so only end knows the moment.
type Length struct {
	For     time.Duration `json:"for,omitempty"`
	Until   *Clock        `json:"until,omitempty"`
	Forever bool          `json:"forever,omitempty"`
}

// Clock is a time of day on a day; without Days and Date the next one, of that weekday.
type Clock struct {
	Hour    int           `json:"hour"`
	Minute  int           `json:"minute"`
	Weekday *time.Weekday `json:"weekday,omitempty"`
	Days    *int          `json:"days,omitempty"` // from today: 1 is tomorrow
	Date    string        `json:"date,omitempty"` // as in dateForm
}

const (
	minLength, maxLength = time.Minute, 366 * 24 * time.Hour
	// morning is the time of "until tomorrow" and "until mon".
	morning  = 8
	dateForm = "2006-01-02"
)

// end returns when a length ends that was given at now; zero for never. fault says why it can't be, if it can't.
func (l Length) end(now time.Time, loc *time.Location) (end time.Time, fault lang.Phrase) {
	switch {
	case l.Forever:
		return time.Time{}, lang.Phrase{}
	case l.Until != nil:
		end = l.Until.next(now, loc)
	default:
		end = now.Add(l.For).Truncate(time.Second) // Zabbix counts in seconds
	}
	switch left := end.Sub(now); {
	case left <= 0:
		return end, lang.Say("That time has passed")
	case left < minLength-time.Second:
		return end, lang.Say("That is less than a minute")
	case left > maxLength:
		return end, lang.Say("That is more than a year")
	}
	return end, lang.Phrase{}
}

// next returns the next moment with this clock after now. On a day that was named it may have passed.
func (c Clock) next(now time.Time, loc *time.Location) time.Time {
	today := now.In(loc)
	if c.Date != "" {
		day, _ := time.Parse(dateForm, c.Date) // cutDay has checked it
		return c.on(day.Year(), day.Month(), day.Day(), now, loc)
	}
	for days := 0; ; days++ {
		if c.Days != nil {
			days = *c.Days
		}
		day := time.Date(today.Year(), today.Month(), today.Day()+days, 12, 0, 0, 0, time.UTC)
		if c.Weekday != nil && day.Weekday() != *c.Weekday {
			continue
		}
		if at := c.on(day.Year(), day.Month(), day.Day(), now, loc); at.After(now) || c.Days != nil {
			return at
		}
	}
}

// on returns the clock's moment on a day.
func (c Clock) on(year int, month time.Month, day int, now time.Time, loc *time.Location) time.Time {
	return assistant.At(year, month, day, c.Hour, c.Minute, now, loc)
}

var (
	// span matches a number and its unit. Four digits may be an event id: "4711d" is a question.
	span = regexp.MustCompile(`(?i)^(\d{1,3}) ?(weeks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m)`)
	// clock matches a time of day.
	clock = regexp.MustCompile(`(?i)^(?:([01]?\d|2[0-3])[:.]([0-5]\d)(?: ?([ap])\.?m\b\.?)?|(\d{1,2}) ?([ap])\.?m\b\.?|(noon|midday|midnight)\b)`)
	// endless are the words for a suppression without an end.
	endless = map[string]bool{"forever": true, "indefinitely": true}
	untils  = map[string]bool{"until": true, "till": true, "til": true, "untill": true}
)

var units = map[byte]time.Duration{'w': 7 * 24 * time.Hour, 'd': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute}

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "tues": time.Tuesday, "wed": time.Wednesday, "wednes": time.Wednesday, "thu": time.Thursday, "thur": time.Thursday,
	"thurs": time.Thursday, "fri": time.Friday, "sat": time.Saturday, "satur": time.Saturday,
}

// cutLength splits a length off plain words. ok is false if they don't begin with exactly one.
func cutLength(words string) (l Length, after string, ok bool) {
	rest := strings.TrimLeft(words, " \n")
	first, behind := firstWord(rest)
	bare := bareWord(first)
	switch {
	case endless[bare]:
		l.Forever = true
		return l, colonOf(first) + behind, true
	case untils[bare]:
		return cutUntil(behind)
	case bare == "for":
		rest = strings.TrimLeft(behind, " \n")
		if next, behind := firstWord(rest); bareWord(next) == "ever" {
			l.Forever = true
			return l, colonOf(next) + behind, true
		}
	}
	return cutSpan(rest)
}

// cutSpan splits off "1h30m", "1h 30m", "90 minutes".
func cutSpan(rest string) (l Length, after string, ok bool) {
	rest = strings.TrimLeft(rest, opening)
	last := time.Duration(0)
	for {
		m := span.FindStringSubmatch(rest)
		if m == nil {
			break
		}
		n, err := strconv.Atoi(m[1])
		unit := units[strings.ToLower(m[2])[0]]
		if err != nil || last != 0 && unit >= last { // "2h 3h" and "30m 2h" are mistakes
			return Length{}, "", false
		}
		l.For += time.Duration(n) * unit
		last, ok, rest = unit, true, rest[len(m[0]):]
		after = rest
		if more := strings.TrimLeft(rest, " \n"); span.MatchString(more) {
			rest = more
		}
	}
	return ended(l, after, ok)
}

// cutUntil splits off what follows "until": a time of day, a day, or both in either order.
func cutUntil(rest string) (l Length, after string, ok bool) {
	c := Clock{Hour: morning}
	timed := cutClock(&rest, &c)
	day := cutDay(&rest, &c)
	if day && !timed {
		if first, behind := firstWord(rest); strings.EqualFold(first, "at") {
			rest = behind
			if timed = cutClock(&rest, &c); !timed {
				return Length{}, "", false
			}
		} else {
			timed = cutClock(&rest, &c)
		}
	}
	named := day && (c.Days == nil || *c.Days > 0) // "until today" alone names no time
	return ended(Length{Until: &c}, rest, named || timed)
}

func cutClock(rest *string, c *Clock) bool {
	words := strings.TrimLeft(*rest, " \n"+opening)
	m := clock.FindStringSubmatch(words)
	if m == nil {
		return false
	}
	hour, _ := strconv.Atoi(m[1] + m[4])
	minute, _ := strconv.Atoi("0" + m[2])
	switch half := strings.ToLower(m[3] + m[5]); {
	case strings.EqualFold(m[6], "midnight"):
		hour = 0
	case m[6] != "":
		hour = 12
	case half != "" && (hour < 1 || hour > 12):
		return false
	case half == "p":
		hour = hour%12 + 12
	case half == "a":
		hour %= 12
	}
	if _, _, ok := ended(Length{}, words[len(m[0]):], true); !ok {
		return false
	}
	c.Hour, c.Minute, *rest = hour, minute, words[len(m[0]):]
	return true
}

func cutDay(rest *string, c *Clock) bool {
	words := strings.TrimLeft(*rest, " \n"+opening)
	first, behind := firstWord(words)
	if on := bareWord(first); on == "on" {
		first, behind = firstWord(behind)
	}
	name := bareWord(first)
	weekday, isWeekday := weekdays[strings.TrimSuffix(name, "day")]
	switch _, err := time.Parse(dateForm, name); {
	case isWeekday:
		c.Weekday = &weekday
	case name == "tomorrow" || name == "tmrw":
		c.Days = new(1)
	case name == "today":
		c.Days = new(0)
	case err == nil:
		c.Date = name
	default:
		return false
	}
	*rest = colonOf(first) + behind
	return true
}

// opening may stand before a length: "suppress 4711 (2h)".
const opening = "([\"'`*_~,"

// ended checks that a length ends where a word ends. A colon stays: it means that the person's words follow.
func ended(l Length, after string, ok bool) (Length, string, bool) {
	trimmed := strings.TrimLeft(after, ")]\"'`*_~.,;!")
	if !ok || trimmed != "" && !strings.ContainsAny(trimmed[:1], " \n:") {
		return Length{}, "", false
	}
	return l, trimmed, true
}

// bareWord returns a word in lower case, without punctuation.
func bareWord(word string) string { return strings.ToLower(strings.Trim(word, ".,:;!*_~`'\"()[]")) }

// colonOf returns the colon that ends a word, with a space; "" for none.
func colonOf(word string) string {
	if strings.HasSuffix(word, ":") {
		return ": "
	}
	return " "
}
