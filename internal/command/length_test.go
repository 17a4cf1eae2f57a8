package command

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Lengths as people write them, given on Tuesday 24 November 2026, 14:03:27, in Berlin.
func TestLengths(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	now := time.Date(2026, 11, 24, 14, 3, 27, 5000, berlin)
	for said, want := range map[string]string{
		"2h":                        "24 Nov 16:03:27",
		"2H":                        "24 Nov 16:03:27",
		"90m":                       "24 Nov 15:33:27",
		"90 min":                    "24 Nov 15:33:27",
		"1h30m":                     "24 Nov 15:33:27",
		"1h 30m":                    "24 Nov 15:33:27",
		"1 hour 30 minutes":         "24 Nov 15:33:27",
		"2d":                        "26 Nov 14:03:27",
		"2 days":                    "26 Nov 14:03:27",
		"1w2d":                      "03 Dec 14:03:27",
		"for 2h":                    "24 Nov 16:03:27",
		"(2h)":                      "24 Nov 16:03:27",
		"“2h”":                      "24 Nov 16:03:27",
		"２ｈ":                        "24 Nov 16:03:27",
		"1m":                        "24 Nov 14:04:27",
		"until 14:30":               "24 Nov 14:30:00",
		"until 14.30":               "24 Nov 14:30:00",
		"Until 2:30pm":              "24 Nov 14:30:00",
		"till 5 p.m.":               "24 Nov 17:00:00",
		"until 12am":                "25 Nov 00:00:00",
		"until midnight":            "25 Nov 00:00:00",
		"until noon":                "25 Nov 12:00:00",
		"until 14:00":               "25 Nov 14:00:00",
		"until today 15:00":         "24 Nov 15:00:00",
		"until tomorrow":            "25 Nov 08:00:00",
		"until tomorrow 9:15":       "25 Nov 09:15:00",
		"until 9:15 tomorrow":       "25 Nov 09:15:00",
		"until tomorrow at noon":    "25 Nov 12:00:00",
		"until mon":                 "30 Nov 08:00:00",
		"until mon 8:00":            "30 Nov 08:00:00",
		"until Monday, 08:00":       "30 Nov 08:00:00",
		"until on monday at 7:30am": "30 Nov 07:30:00",
		"until on wednesday":        "25 Nov 08:00:00",
		"until saturday 6:00":       "28 Nov 06:00:00",
		"until tue 14:30":           "24 Nov 14:30:00",
		"until tue 14:00":           "01 Dec 14:00:00",
		"until 2026-12-24 18:00":    "24 Dec 18:00:00",
		"forever":                   "never",
		"for ever":                  "never",
		"indefinitely":              "never",
		"0m":                        "That time has passed",
		"until today 14:00":         "That time has passed",
		"until 2026-11-23":          "That time has passed",
		"until 14:04":               "That is less than a minute",
		"60w":                       "That is more than a year",
		"until 2028-01-01":          "That is more than a year",
	} {
		l, after, ok := cutLength(speak(said).plain)
		require.True(t, ok, "%q", said)
		require.Empty(t, strings.TrimSpace(after), "%q", said)
		end, fault := l.end(now, berlin)
		got := fault.In("")
		switch {
		case got == "" && end.IsZero():
			got = "never"
		case got == "":
			got = end.In(berlin).Format("02 Jan 15:04:05")
		}
		require.Equal(t, want, got, "%q", said)
	}
}

// What isn't exactly one length is a question.
func TestNoLengths(t *testing.T) {
	for _, said := range []string{
		"", "2", "2x", "4711m", "1.5h", "1,5h", "1h30", "2h3h", "30m2h", "2hx", "2h-3h", "2 months", "h", "an hour", "for", "for lunch", "until", "until 8", "until 25:00", "until 8:60",
		"until 13pm", "until today", "until christmas", "until 2026-02-30", "until 8:00-9:00", "until mon at", "until next wednesday", "soon", "-2h", "4711 d",
	} {
		_, _, ok := cutLength(speak(said).plain)
		require.False(t, ok, "%q", said)
	}
}

// A clock means the room's zone, also over a change of summer time.
func TestLengthsOverSummerTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	clockAt := func(hour, minute int) Length { return Length{Until: &Clock{Hour: hour, Minute: minute}} }
	for _, c := range []struct {
		name, now, want string
		l               Length
	}{
		{"eight is eight, an hour earlier", "2026-03-28T20:00:00+01:00", "2026-03-29T08:00:00+02:00", clockAt(8, 0)},
		{"eight is eight, an hour later", "2026-10-24T20:00:00+02:00", "2026-10-25T08:00:00+01:00", clockAt(8, 0)},
		{"a skipped time", "2026-03-28T20:00:00+01:00", "2026-03-29T03:30:00+02:00", clockAt(2, 30)},
		{"a time that comes twice", "2026-10-24T20:00:00+02:00", "2026-10-25T02:30:00+02:00", clockAt(2, 30)},
		{"the second time", "2026-10-25T02:40:00+02:00", "2026-10-25T02:30:00+01:00", clockAt(2, 30)},
		{"after both", "2026-10-25T02:40:00+01:00", "2026-10-26T02:30:00+01:00", clockAt(2, 30)},
		{"two days are 48 hours", "2026-03-28T20:00:00+01:00", "2026-03-30T21:00:00+02:00", Length{For: 48 * time.Hour}},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		require.NoError(t, err)
		end, fault := c.l.end(now, berlin)
		require.Empty(t, fault, c.name)
		require.Equal(t, c.want, end.In(berlin).Format(time.RFC3339), c.name)
	}
}
