package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
)

func berlin(t *testing.T, text string) time.Time {
	t.Helper()
	zone, err := ParseTimeZone("Europe/Berlin")
	require.NoError(t, err)
	at, err := time.ParseInLocation("2006-01-02 15:04:05", text, zone.Location)
	require.NoError(t, err)
	return at
}

// when makes a span of days ("mon-wed sat"; "" for every day) and hours.
func when(t require.TestingT, days, hours string, zone TimeZone) When {
	w := When{TimeZone: zone}
	var err error
	for _, text := range strings.Fields(days) {
		d, err := ParseDays(text)
		require.NoError(t, err)
		w.Days = append(w.Days, d)
	}
	w.Hours, err = ParseHours(hours)
	require.NoError(t, err)
	return w
}

// Quiet hours end by the local wall clock, adjacent spans are one, and severe problems are never held back.
func TestQuietHours(t *testing.T) {
	cfg := valid(t, strings.Replace(small, "id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ", `id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, time_zone: Europe/Berlin, quiet: {when: [{days: [mon-fri], hours: "22:00-07:00"}, {days: [sat, sun]}, {days: mon, hours: "12:30-13:00", time_zone: UTC}]}`, 1))
	q := cfg.Rooms[0].Quiet
	require.Equal(t, alert.Disaster, q.Below)
	require.Equal(t, "quiet hours below disaster: mon-fri 22:00-07:00 Europe/Berlin, sat,sun Europe/Berlin or mon 12:30-13:00 UTC", q.Words().String())
	require.Nil(t, cfg.Rooms[1].Quiet)
	for _, c := range []struct{ at, until string }{
		{"2026-11-24 21:59:59", ""},
		{"2026-11-24 22:00:00", "2026-11-25 07:00:00"}, // a Tuesday
		{"2026-11-25 06:59:59", "2026-11-25 07:00:00"},
		{"2026-11-25 07:00:00", ""},
		{"2026-11-27 23:00:00", "2026-11-30 00:00:00"}, // Friday night to Monday
		{"2026-11-28 12:00:00", "2026-11-30 00:00:00"},
		{"2026-11-30 03:00:00", ""}, // the night before belongs to Sunday
		{"2026-11-30 13:45:00", "2026-11-30 14:00:00"},
		{"2026-03-27 22:00:00", "2026-03-30 00:00:00"}, // over the night in which clocks are put forward
		{"2026-10-23 22:00:00", "2026-10-26 00:00:00"}, // and back
	} {
		until := q.Until(alert.High, berlin(t, c.at))
		want := time.Time{}
		if c.until != "" {
			want = berlin(t, c.until)
		}
		require.True(t, want.Equal(until), "%s: %s", c.at, until)
		require.Zero(t, q.Until(alert.Disaster, berlin(t, c.at)))
	}
	require.Zero(t, (*Quiet)(nil).Until(alert.NotClassified, time.Now()))
}

// Quiet hours end at the first moment outside them, also across clock changes.
func TestQuietHoursEnd(t *testing.T) {
	zone, err := ParseTimeZone("Europe/Berlin")
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		q := Quiet{Below: alert.High}
		for range rapid.IntRange(1, 3).Draw(t, "spans") {
			hours := rapid.SampledFrom([]string{"", "22:00-07:00", "02:30-03:15", "00:00-02:00", "02:00-24:00", "01:30-02:30"}).Draw(t, "hours")
			days := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"mon", "tue", "wed", "fri", "sat", "sun"}), 1, 6, rapid.ID).Draw(t, "days")
			q.When = append(q.When, when(t, strings.Join(days, " "), hours, zone))
		}
		begin := rapid.SampledFrom([]time.Time{time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC), time.Date(2026, 10, 23, 12, 0, 0, 0, time.UTC)}).Draw(t, "begin")
		now := begin.Add(time.Duration(rapid.IntRange(0, 3*24*60).Draw(t, "minutes")) * time.Minute)
		until := q.Until(alert.Average, now)
		if until.IsZero() {
			return
		}
		require.True(t, until.After(now))
		require.LessOrEqual(t, until.Sub(now), 6*day+26*time.Hour)
		require.Zero(t, q.Until(alert.Average, until))
	})
}

// The timing of routes as check and route print it.
func TestTimingInWords(t *testing.T) {
	cfg := valid(t, strings.Replace(small, "id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ", `id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, quiet: {when: {hours: "22:00-07:00"}, below: high}`, 1)+`routes:
  - rooms: [db]
    delay: 5m
    remind: 1h
    escalate: [{after: 15m, rooms: [noc], mention: [Alice@Example.com]}, {after: 1h, mention: all}]
    continue: true
  - {name: plain, rooms: [db], escalate: {after: 90m, rooms: noc}}
`)
	require.Equal(t, []Escalation{{After: Duration(15 * time.Minute), Rooms: []string{"noc"}, Mention: []string{"alice@example.com"}}, {After: Duration(time.Hour), Mention: []string{"all"}}}, cfg.Routes[0].Escalate)
	require.Equal(t, []string{
		"room noc: quiet hours below high: every day 22:00-07:00 UTC",
		"route route 1: delay 5m, reminds every 1h, escalates after 15m to noc mentioning alice@example.com, escalates after 1h mentioning all",
		"route plain: escalates after 1h30m to noc",
	}, cfg.Summary().Timing)
}

// A span ends after every moment in it, also in the hour that is repeated when clocks go back.
func TestSpanEndsInARepeatedHour(t *testing.T) {
	zone, err := ParseTimeZone("Europe/Berlin")
	require.NoError(t, err)
	utc := func(hour, minute int) time.Time { return time.Date(2026, 10, 25, hour, minute, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		hours     string
		now, want time.Time
	}{
		"the first time":             {"01:00-02:30", utc(0, 10), utc(0, 30)},
		"the second time":            {"01:00-02:30", utc(1, 10), utc(1, 30)},
		"before both":                {"01:00-02:30", time.Date(2026, 10, 24, 23, 30, 0, 0, time.UTC), utc(0, 30)},
		"across midnight, 2nd time":  {"22:00-02:15", utc(1, 5), utc(1, 15)},
		"the whole hour, 2nd time":   {"02:00-03:00", utc(1, 59), utc(2, 0)},
		"a day without such an hour": {"01:00-02:30", time.Date(2026, 10, 26, 0, 10, 0, 0, time.UTC), time.Date(2026, 10, 26, 1, 30, 0, 0, time.UTC)},
	} {
		t.Run(name, func(t *testing.T) {
			span := when(t, "", c.hours, zone)
			require.True(t, span.Contains(c.now))
			require.Equal(t, c.want, span.End(c.now).UTC())
		})
	}
}

// A span ends at the first minute outside it, also on days of a clock change: in zones east and west of UTC, with changes of half
// an hour, and at midnight.
func TestSpanEndsAcrossClockChanges(t *testing.T) {
	for zone, days := range map[string][]string{
		"Europe/Berlin":       {"2026-03-29", "2026-10-25", "2026-07-01"},
		"America/New_York":    {"2026-03-08", "2026-11-01"},
		"America/Los_Angeles": {"2026-03-08", "2026-11-01"},
		"Australia/Lord_Howe": {"2026-04-05", "2026-10-04"},
		"America/Santiago":    {"2026-04-05", "2026-09-06"}, // at midnight
		"Africa/Cairo":        {"2026-04-24", "2026-10-30"}, // at midnight
		"Asia/Beirut":         {"2026-03-29", "2026-10-25"}, // at midnight
		"Pacific/Auckland":    {"2026-04-05", "2026-09-27"},
		"Asia/Kathmandu":      {"2026-03-29"},
	} {
		for _, hours := range []string{"01:00-02:30", "02:00-03:00", "22:00-02:15", "23:00-00:30", "00:00-24:00", "20:00-00:01", "22:00-01:45"} {
			location, err := ParseTimeZone(zone)
			require.NoError(t, err)
			span := when(t, "", hours, location)
			for _, day := range days {
				noon, err := time.ParseInLocation("2006-01-02 15:04", day+" 12:00", location.Location)
				require.NoError(t, err)
				var end time.Time
				for at := noon.Add(-30 * time.Hour); at.Before(noon.Add(18 * time.Hour)); at = at.Add(5 * time.Minute) {
					if !span.Contains(at) {
						continue
					}
					if end.Before(at) {
						end = at
					}
					for span.Contains(end) && end.Before(at.Add(26*time.Hour)) {
						end = end.Add(time.Minute)
					}
					got := span.End(at)
					if !span.Contains(end) { // days without hours between them never end
						require.Equal(t, end.UTC().Format(time.RFC3339), got.UTC().Format(time.RFC3339), "%s %s at %s", zone, hours, at)
					}
					require.True(t, got.After(at), "%s %s at %s: %s", zone, hours, at, got)
				}
			}
		}
	}
}
