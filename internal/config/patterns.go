package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Glob is a compiled pattern over a name: * stands for any text (a slash too),
// ? for one character, [a-c] and [!a-c] for one of a set. It ignores case.
type Glob struct {
	pattern string
	kind    globKind
	text    string // of the simple kinds, in lower case
	pieces  []piece
}

type globKind int

// Most patterns are one of the first five, which need no walk through pieces.
const (
	globEqual globKind = iota
	globAll
	globPrefix
	globSuffix
	globContains
	globPieces
)

// piece is one part of a pattern that isn't simple: a star, or what one
// character must be.
type piece struct {
	star    bool
	any     bool
	char    rune
	ranges  []rune // pairs: from, to
	outside bool   // none of ranges
}

func (p piece) takes(r rune) bool {
	switch {
	case p.any:
		return true
	case p.ranges == nil:
		return r == p.char
	}
	for i := 0; i < len(p.ranges); i += 2 {
		if r >= p.ranges[i] && r <= p.ranges[i+1] {
			return !p.outside
		}
	}
	return p.outside
}

// ParseGlob compiles a pattern.
func ParseGlob(pattern string) (Glob, error) {
	g := Glob{pattern: pattern}
	p := strings.ToLower(pattern)
	inner := strings.Trim(p, "*")
	if strings.ContainsAny(inner, `*?[]\`) {
		g.kind = globPieces
		var err error
		g.pieces, err = piecesOf([]rune(p))
		return g, err
	}
	front, back := strings.HasPrefix(p, "*"), strings.HasSuffix(p, "*")
	g.text = inner
	switch {
	case inner == "" && p != "":
		g.kind = globAll
	case front && back:
		g.kind = globContains
	case front:
		g.kind = globSuffix
	case back:
		g.kind = globPrefix
	}
	return g, nil
}

func piecesOf(pattern []rune) ([]piece, error) {
	var out []piece
	for i := 0; i < len(pattern); i++ {
		switch r := pattern[i]; r {
		case '*':
			if n := len(out); n == 0 || !out[n-1].star {
				out = append(out, piece{star: true})
			}
		case '?':
			out = append(out, piece{any: true})
		case '\\':
			if i++; i == len(pattern) {
				return nil, &invalid{fmt.Sprintf("%q ends with a backslash", string(pattern)), `\\ matches a backslash, \* a star`}
			}
			out = append(out, piece{char: pattern[i]})
		case '[':
			set, length, err := setOf(pattern[i:])
			if err != nil {
				return nil, err
			}
			out = append(out, set)
			i += length - 1
		default:
			out = append(out, piece{char: r})
		}
	}
	return out, nil
}

// setOf reads "[a-c]" or "[!a-c]"; a ] that comes first is one of the set.
func setOf(pattern []rune) (set piece, length int, err error) {
	i := 1
	if i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^') {
		set.outside = true
		i++
	}
	for first := i; i < len(pattern) && (pattern[i] != ']' || i == first); i++ {
		from, to := pattern[i], pattern[i]
		if i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']' {
			to = pattern[i+2]
			i += 2
		}
		if to < from {
			return piece{}, 0, &invalid{fmt.Sprintf("invalid range %c-%c", from, to), fmt.Sprintf("did you mean [%c-%c]?", to, from)}
		}
		set.ranges = append(set.ranges, from, to)
	}
	if i >= len(pattern) {
		return piece{}, 0, &invalid{fmt.Sprintf("missing ] in %q", string(pattern)), `\[ matches a bracket`}
	}
	return set, i + 1, nil
}

// String is the pattern as it was written.
func (g Glob) String() string { return g.pattern }

// Match reports whether a name matches; lower is the name in lower case.
func (g Glob) Match(lower string) bool {
	switch g.kind {
	case globEqual:
		return lower == g.text
	case globAll:
		return true
	case globPrefix:
		return strings.HasPrefix(lower, g.text)
	case globSuffix:
		return strings.HasSuffix(lower, g.text)
	case globContains:
		return strings.Contains(lower, g.text)
	}
	return g.walk(lower)
}

// walk matches piece by piece. Where it gets stuck, the last star takes one
// character more: earlier stars need not be tried again, so the time is at most the
// product of both lengths.
func (g Glob) walk(name string) bool {
	star, resume := -1, 0
	at, i := 0, 0
	for i < len(name) {
		r, size := utf8.DecodeRuneInString(name[i:])
		switch {
		case at < len(g.pieces) && g.pieces[at].star:
			star, resume = at, i
			at++
		case at < len(g.pieces) && g.pieces[at].takes(r):
			at++
			i += size
		case star >= 0:
			_, size := utf8.DecodeRuneInString(name[resume:])
			resume += size
			at, i = star+1, resume
		default:
			return false
		}
	}
	for at < len(g.pieces) && g.pieces[at].star {
		at++
	}
	return at == len(g.pieces)
}

// TagRule is one entry of match.tags.
type TagRule struct {
	Text   string // as it was written
	Tag    string // in lower case
	Value  *Glob  // nil: any value
	Absent bool   // "!tag": no such tag may be there
}

// ParseTagRule reads "tag", "tag=value" (value a glob), and either with an
// exclamation mark before it.
func ParseTagRule(text string) (TagRule, error) {
	rest, absent := strings.CutPrefix(strings.TrimSpace(text), "!")
	tag, value, hasValue := strings.Cut(rest, "=")
	rule := TagRule{Text: text, Tag: strings.ToLower(strings.TrimSpace(tag)), Absent: absent}
	if rule.Tag == "" {
		return TagRule{}, &invalid{fmt.Sprintf("missing tag name in %q", text), `"tag", "tag=value" or "!tag"`}
	}
	if hasValue {
		g, err := ParseGlob(strings.TrimSpace(value))
		if err != nil {
			return TagRule{}, err
		}
		rule.Value = &g
	}
	return rule, nil
}

// Span is a compiled When.
type Span struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes of the day; to may be below from
	zone     *time.Location
}

// ParseSpan compiles one entry of match.when.
func ParseSpan(w When) (Span, error) {
	s := Span{zone: w.TimeZone.Location, to: 24 * 60}
	if s.zone == nil {
		s.zone = time.UTC
	}
	if len(w.Days) == 0 {
		s.days = [7]bool{true, true, true, true, true, true, true}
	}
	for _, text := range w.Days {
		days, err := parseDays(text)
		if err != nil {
			return Span{}, err
		}
		for d, on := range days {
			s.days[d] = s.days[d] || on
		}
	}
	if w.Hours != "" {
		var err error
		if s.from, s.to, err = parseHours(w.Hours); err != nil {
			return Span{}, err
		}
	}
	return s, nil
}

// Contains reports whether a moment is in the span. It compares local wall-clock
// time, so 08:00 is 08:00 on days of a clock change too. A span across midnight
// belongs to the day on which it starts.
func (s Span) Contains(now time.Time) bool {
	local := now.In(s.zone)
	minute, today := local.Hour()*60+local.Minute(), local.Weekday()
	if s.from < s.to {
		return s.days[today] && minute >= s.from && minute < s.to
	}
	yesterday := (today + 6) % 7
	return s.days[today] && minute >= s.from || s.days[yesterday] && minute < s.to
}

// End is the end of the span that contains a moment.
func (s Span) End(now time.Time) time.Time {
	local := now.In(s.zone)
	minute, day := local.Hour()*60+local.Minute(), local.Day()
	if s.from >= s.to && minute >= s.from && s.days[local.Weekday()] {
		day++
	}
	end := time.Date(local.Year(), local.Month(), day, 0, s.to, 0, 0, s.zone)
	if wallMinute(end) != s.to%(24*60) {
		// The end lies in an hour that doesn't come, and time.Date is off by that, to either side: the span ends where the hour
		// is left out.
		change, after := end.ZoneBounds()
		if change.IsZero() || !after.IsZero() && after.Sub(end) < end.Sub(change) {
			change = after
		}
		return change
	}
	// Where clocks are put back, an hour comes twice (half an hour on Lord Howe), and either may be meant: the first one that
	// is still to come ends the span.
	for shift := -time.Hour; shift <= time.Hour; shift += 30 * time.Minute {
		if t := end.Add(shift); t.After(now) && wallMinute(t) == wallMinute(end) {
			return t
		}
	}
	return end
}

func wallMinute(t time.Time) int { return t.Hour()*60 + t.Minute() }

// Local is the moment as the span's clock shows it.
func (s Span) Local(now time.Time) time.Time { return now.In(s.zone) }

var dayNames = [7]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// parseDays reads "mon", "Monday", "mon-fri", "fri-mon".
func parseDays(text string) (days [7]bool, err error) {
	fault := &invalid{fmt.Sprintf("%q is not a day", text), "mon, tue, wed, thu, fri, sat, sun, or a range such as mon-fri"}
	first, second, span := strings.Cut(strings.ToLower(text), "-")
	from, ok := dayOf(first)
	if !ok {
		return days, fault
	}
	to := from
	if span {
		if to, ok = dayOf(second); !ok {
			return days, fault
		}
	}
	for d := from; ; d = (d + 1) % 7 {
		days[d] = true
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

var hoursPattern = regexp.MustCompile(`^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$`)

// parseHours reads "08:00-18:00" into minutes of the day.
func parseHours(text string) (from, to int, err error) {
	fault := &invalid{fmt.Sprintf("%q is not a range of hours", text), "such as 08:00-18:00, or 22:00-06:00 across midnight"}
	m := hoursPattern.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, 0, fault
	}
	var n [4]int
	for i := range n {
		for _, c := range m[i+1] {
			n[i] = n[i]*10 + int(c-'0')
		}
	}
	from, to = n[0]*60+n[1], n[2]*60+n[3]
	if n[1] > 59 || n[3] > 59 || from >= 24*60 || to > 24*60 {
		return 0, 0, fault
	}
	if from == to {
		return 0, 0, &invalid{fmt.Sprintf("%q is an empty range", text), "leave out hours for the whole day"}
	}
	return from, to, nil
}
