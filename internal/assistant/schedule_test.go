package assistant

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const stamp = "Mon 2006-01-02 15:04 MST"

func parsed(t *testing.T, words string) Schedule {
	t.Helper()
	s, err := ParseSchedule(words)
	require.NoError(t, err)
	return s
}

func berlin(t require.TestingT) *time.Location {
	loc, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	return loc
}

// A schedule follows the clock on the wall across both changes, once a day.
func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		schedule, now string
		want          []string
	}{
		"weekdays over a weekend":   {"08:00 weekdays", "2026-11-26 09:00", []string{"Fri 2026-11-27 08:00 CET", "Mon 2026-11-30 08:00 CET", "Tue 2026-12-01 08:00 CET"}},
		"the same minute isn't now": {"08:00 daily", "2026-11-26 08:00", []string{"Fri 2026-11-27 08:00 CET"}},
		"later today":               {"08:00 daily", "2026-11-26 07:59", []string{"Thu 2026-11-26 08:00 CET"}},
		"some days":                 {"18:30 mon,wed", "2026-11-26 09:00", []string{"Mon 2026-11-30 18:30 CET", "Wed 2026-12-02 18:30 CET"}},
		"one day":                   {"06:00 thu", "2026-11-26 06:00", []string{"Thu 2026-12-03 06:00 CET"}},
		"into winter":               {"08:00 daily", "2026-10-24 12:00", []string{"Sun 2026-10-25 08:00 CET", "Mon 2026-10-26 08:00 CET"}},
		"twice in that night":       {"02:30 daily", "2026-10-24 12:00", []string{"Sun 2026-10-25 02:30 CEST", "Mon 2026-10-26 02:30 CET"}},
		"into summer":               {"08:00 daily", "2027-03-27 12:00", []string{"Sun 2027-03-28 08:00 CEST"}},
		"skipped in that night":     {"02:30 daily", "2027-03-27 12:00", []string{"Sun 2027-03-28 03:30 CEST", "Mon 2027-03-29 02:30 CEST"}},
	} {
		t.Run(name, func(t *testing.T) {
			now, err := time.ParseInLocation("2006-01-02 15:04", c.now, berlin(t))
			require.NoError(t, err)
			s := parsed(t, c.schedule)
			var got []string
			for range c.want {
				next := s.Next(now, berlin(t))
				if before := s.Before(next, berlin(t)); len(got) > 0 {
					require.Equal(t, now, before)
				}
				now = next
				got = append(got, now.Format(stamp))
			}
			require.Equal(t, c.want, got)
		})
	}
	require.Zero(t, Schedule{}.Next(time.Now(), time.UTC))
	require.Zero(t, Schedule{}.Before(time.Now(), time.UTC))
}

// In any zone the next moment is later, on one of the days, at most nine days away, and nothing is between.
func TestNextProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu", "America/Santiago", "Pacific/Apia"}).Draw(t, "zone")
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		s := Schedule{Hour: rapid.IntRange(0, 23).Draw(t, "hour"), Minute: rapid.IntRange(0, 59).Draw(t, "minute"), Days: Days(rapid.IntRange(1, int(Daily)).Draw(t, "days"))}
		now := time.Unix(rapid.Int64Range(1750000000, 1850000000).Draw(t, "now"), 0)
		next := s.Next(now, loc)
		require.True(t, next.After(now))
		require.LessOrEqual(t, next.Sub(now), 8*24*time.Hour)
		require.True(t, s.Days.Has(next.In(loc).Weekday()))
		if at := next.In(loc); at.Hour() != s.Hour || at.Minute() != s.Minute { // only where the clock was put forward
			_, before := next.Add(-3 * time.Hour).In(loc).Zone()
			_, after := next.In(loc).Zone()
			require.Greater(t, after, before)
		}
		between := now.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(now))-1).Draw(t, "between")))
		require.Equal(t, next, s.Next(between, loc))
		require.False(t, s.Before(next, loc).After(now))
		again, err := ParseSchedule(s.String())
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}

func TestParseDays(t *testing.T) {
	for words, want := range map[string]string{
		"weekdays": "weekdays", "Daily": "daily", "weekends": "weekends", "mon-fri": "weekdays", "sat,sun": "weekends", "Monday,wednesday": "mon,wed",
		"fri-mon": "mon,fri,sat,sun", "mon-sun": "daily", "tu": "tue",
	} {
		d, err := ParseDays(words)
		require.NoError(t, err, words)
		require.Equal(t, want, d.String(), words)
	}
	for words, want := range map[string]string{
		"": `unknown day ""`, "weekday": "did you mean weekdays?", "mo,xx": `unknown day "xx"`, "t": `unknown day "t"`, "mon-": `unknown day ""`, "mondax": "did you mean monday?",
	} {
		_, err := ParseDays(words)
		require.ErrorContains(t, err, want, words)
	}
	for _, words := range []string{"", "8", "24:00", "8:60", "8:5", "-1:00", "008:00", "8.00", "+8:00"} {
		_, _, err := ParseTime(words)
		require.Error(t, err, words)
	}
}
