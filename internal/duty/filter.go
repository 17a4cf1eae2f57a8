package duty

import (
	"bytes"
	"strings"

	"nms-alert-relay/internal/lang"
)

// The limits of a calendar. It is strangers' text.
const (
	// MaxBytes bounds the file.
	MaxBytes = 4 << 20
	// maxEvents bounds the events that are looked at.
	maxEvents = 5000
	// maxLine bounds a property; the rest of a longer one is cut.
	maxLine = 4 << 10
	// maxParameters bounds the parameters of a property. One with more is left out.
	maxParameters = 1 << 10
	// maxProperties bounds the properties of an event that are looked at.
	maxProperties = 400
)

// kept are the properties that say who is on duty when. The others are left out, so that they cost nothing and aren't stored.
var kept = map[string]bool{"UID": true, "DTSTART": true, "DTEND": true, "DURATION": true, "RRULE": true, "RDATE": true, "EXDATE": true, "RECURRENCE-ID": true,
	"SUMMARY": true, "DESCRIPTION": true, "ATTENDEE": true, "ORGANIZER": true, "CATEGORIES": true, "STATUS": true, "SEQUENCE": true}

// Reduce returns what of an iCalendar file counts: its events, with the properties that say who is on duty when. The result is bounded,
// and its lines are unfolded.
func Reduce(raw []byte) ([]byte, error) {
	if len(raw) > MaxBytes {
		return nil, lang.Errorf("the calendar is longer than %d MiB", MaxBytes>>20)
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	out := []byte("BEGIN:VCALENDAR\r\n")
	began, ended, events, properties := false, false, 0, 0
	var within []string // the components around a line
	for line := range unfolded(raw) {
		name, value := split(line)
		switch {
		case !began && name == "":
			continue
		case !began && !(name == "BEGIN" && strings.EqualFold(value, "VCALENDAR")):
			return nil, lang.Errorf("this is no iCalendar file: it doesn't begin with BEGIN:VCALENDAR")
		case name == "BEGIN" && strings.EqualFold(value, "VCALENDAR") && len(within) == 0:
			began, within = true, []string{"VCALENDAR"}
		case name == "BEGIN":
			within = append(within, strings.ToUpper(value))
			if len(within) == 2 && within[1] == "VEVENT" {
				if events++; events > maxEvents {
					return nil, lang.Errorf("the calendar has more than %d events: export a shorter time", maxEvents)
				}
				properties = 0
				out = append(out, "BEGIN:VEVENT\r\n"...)
			}
			if len(within) > 10 {
				return nil, lang.Errorf("the calendar is damaged: its components are nested too deeply")
			}
		case name == "END":
			if len(within) == 0 || within[len(within)-1] != strings.ToUpper(value) {
				return nil, lang.Errorf("the calendar is damaged: a component ends that didn't begin")
			}
			if len(within) == 2 && within[1] == "VEVENT" {
				out = append(out, "END:VEVENT\r\n"...)
			}
			within = within[:len(within)-1]
			ended = len(within) == 0
		case len(within) == 2 && within[1] == "VEVENT" && kept[name] && bytes.IndexByte(line, ':') >= 0:
			if properties++; properties > maxProperties || bytes.IndexByte(line, ':') > maxParameters {
				continue
			}
			out = append(append(out, cut(line)...), "\r\n"...)
		}
	}
	if !ended {
		return nil, lang.Errorf("the calendar is incomplete: its end is missing")
	}
	return append(out, "END:VCALENDAR\r\n"...), nil
}

// cut returns a line without control characters, and without what is too long.
func cut(line []byte) []byte {
	line = bytes.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, line[:min(len(line), maxLine)])
	return bytes.ToValidUTF8(line, nil)
}

// unfolded returns the content lines of a file: a line that begins with a space continues the one before.
func unfolded(raw []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		var line []byte
		for len(raw) > 0 {
			var next []byte
			next, raw, _ = bytes.Cut(raw, []byte("\n"))
			next = bytes.TrimSuffix(next, []byte("\r"))
			if len(next) > 0 && (next[0] == ' ' || next[0] == '\t') {
				if len(line) <= maxLine {
					line = append(line, next[1:]...)
				}
				continue
			}
			if len(line) > 0 && !yield(line) {
				return
			}
			line = append([]byte(nil), next...)
		}
		if len(line) > 0 {
			yield(line)
		}
	}
}

// split returns the name of a content line, and what follows its colon if it has no parameters.
func split(line []byte) (name, value string) {
	i := bytes.IndexAny(line, ":;")
	if i < 0 {
		return strings.ToUpper(strings.TrimSpace(string(line[:min(len(line), 40)]))), ""
	}
	if line[i] == ':' {
		value = strings.TrimSpace(string(line[i+1 : min(len(line), i+100)]))
	}
	return strings.ToUpper(string(line[:min(i, 40)])), value
}
