package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a minimal container has no time zones of its own

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/text"
)

// Duration is a Go duration that also has days: "90s", "1h30m", "7d".
type Duration time.Duration

const day = 24 * time.Hour

var durationDays = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)d`)

// ParseDuration reads a Go duration, with days in front if any ("7d", "1d12h", "90s"). Negative durations are invalid.
func ParseDuration(text string) (Duration, error) {
	fault := invalid(fmt.Sprintf("%q is not a duration", text), "a number with a unit: 500ms, 30s, 15m, 1h30m, 7d")
	rest := strings.TrimSpace(text)
	if rest == "0" {
		return 0, nil
	}
	var total time.Duration
	if m := durationDays.FindStringSubmatch(rest); m != nil {
		days, err := strconv.ParseFloat(m[1], 64)
		if err != nil || days*float64(day) > math.MaxInt64/2 {
			return 0, fault
		}
		total = time.Duration(days * float64(day))
		if rest = rest[len(m[0]):]; rest == "" {
			return Duration(total), nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > math.MaxInt64/2 || strings.HasPrefix(rest, "+") {
		return 0, fault
	}
	return Duration(total + d), nil
}

// String writes the duration as in the configuration: "7d", "1d12h", "1h30m".
func (d Duration) String() string {
	t := time.Duration(d)
	if t < day {
		return short(t)
	}
	text := strconv.FormatInt(int64(t/day), 10) + "d"
	if rest := t % day; rest != 0 {
		text += short(rest)
	}
	return text
}

// short returns a Go duration without its zero units: "1h" for "1h0m0s".
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Times is how often something must happen, at least twice; 0 is never ("off").
type Times int

const maxTimes = 1000

// GraphFrom is which problems get a graph.
type GraphFrom struct {
	On    bool
	Least alert.Severity
}

// ParseGraphFrom reads "high", ">=high", "true" or "false".
func ParseGraphFrom(text string) (GraphFrom, error) {
	switch word := strings.ToLower(strings.TrimSpace(text)); word {
	case "true":
		return GraphFrom{On: true, Least: alert.NotClassified}, nil
	case "", "false":
		return GraphFrom{}, nil
	default:
		least, err := alert.ParseSeverity(strings.TrimSpace(strings.TrimPrefix(word, ">=")))
		if err != nil {
			return GraphFrom{}, unknownSeverity(text, "the least severity, such as high; or true for all, false for none")
		}
		return GraphFrom{On: true, Least: least}, nil
	}
}

// Wants reports whether a problem of this severity gets one.
func (g GraphFrom) Wants(s alert.Severity) bool { return g.On && s >= g.Least }

// String writes it as in the configuration.
func (g GraphFrom) String() string {
	if !g.On {
		return "false"
	}
	return g.Least.String()
}

// ParseTimes reads a number of times, or "off".
func ParseTimes(text string) (Times, error) {
	text = strings.TrimSpace(text)
	if strings.EqualFold(text, "off") {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, invalid(fmt.Sprintf("expected a whole number, got %q", text), "2 or more, or off")
	case n == 1 || n < 0:
		return 0, invalid("must be at least 2, got "+text, "off disables it")
	case n > maxTimes:
		return 0, invalid(fmt.Sprintf("must be at most %d, got %s", maxTimes, text), "off disables it")
	}
	return Times(n), nil
}

// String writes it as in the configuration.
func (t Times) String() string {
	if t == 0 {
		return "off"
	}
	return strconv.Itoa(int(t))
}

// TimeZone is a time zone by its IANA name. In a Config from Parse it is nil only for a source without one: a configured zone
// overrides the one derived from payloads.
type TimeZone struct{ *time.Location }

// ParseTimeZone reads an IANA name: "Europe/Berlin", "UTC".
func ParseTimeZone(name string) (TimeZone, error) {
	fault := invalid(fmt.Sprintf("%q is not a time zone", name), "an IANA name such as Europe/Berlin, or UTC")
	// "Local" would make the same file mean different things on two machines.
	if name == "" || strings.EqualFold(name, "local") {
		return TimeZone{}, fault
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return TimeZone{}, fault
	}
	return TimeZone{loc}, nil
}

// ParseSeverityMatch reads severities: names or numbers, each with ">=", ">", "<=" or "<" before it for a range.
func ParseSeverityMatch(texts ...string) (SeverityMatch, error) {
	set := map[alert.Severity]bool{}
	for _, text := range texts {
		rest := strings.TrimSpace(text)
		op := ""
		for _, o := range []string{">=", "<=", ">", "<", "="} {
			if after, ok := strings.CutPrefix(rest, o); ok {
				op, rest = o, after
				break
			}
		}
		bound, err := alert.ParseSeverity(rest)
		if err != nil {
			return SeverityMatch{}, unknownSeverity(rest, `a name or a span such as ">=high"`)
		}
		empty := true
		for _, s := range alert.Severities {
			if op == ">=" && s >= bound || op == "<=" && s <= bound || op == ">" && s > bound || op == "<" && s < bound || (op == "" || op == "=") && s == bound {
				set[s], empty = true, false
			}
		}
		if empty {
			return SeverityMatch{}, invalid(fmt.Sprintf("%q matches no severity", text), "")
		}
	}
	return SeverityMatch{Set: set}, nil
}

// parseSeverity reads a severity's name or number.
func parseSeverity(text string) (alert.Severity, error) {
	s, err := alert.ParseSeverity(text)
	if err != nil {
		return s, unknownSeverity(text, "")
	}
	return s, nil
}

// unknownSeverity returns the fault of an unknown severity, with a suggestion.
func unknownSeverity(word, hint string) error {
	names := text.Names(alert.Severities[:], alert.Severity.String)
	if meant := text.Nearest(strings.ToLower(strings.TrimSpace(word)), names); meant != "" {
		hint = "did you mean " + meant + "?"
	}
	return invalid(fmt.Sprintf("unknown severity %q, expected one of %s, or 0 to 5", strings.TrimSpace(word), strings.Join(names, ", ")), hint)
}

// String writes the set as in the configuration: ">=high", "<=average", "high", a list with commas; "" for all.
func (m SeverityMatch) String() string {
	if len(m.Set) == 0 {
		return ""
	}
	var names []string
	lowest := alert.Severity(-1)
	for _, s := range alert.Severities {
		if !m.Set[s] {
			continue
		}
		if lowest < 0 {
			lowest = s
		}
		names = append(names, s.String())
	}
	switch {
	case len(names) > 1 && int(lowest)+len(names) == len(alert.Severities):
		return ">=" + lowest.String()
	case len(names) > 1 && m.Set[alert.Severities[len(names)-1]] && lowest == alert.Severities[0]:
		return "<=" + names[len(names)-1]
	}
	return strings.Join(names, ", ")
}
