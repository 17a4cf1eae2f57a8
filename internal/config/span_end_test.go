package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// On days of a clock change too, a span ends at the first minute that isn't in it: in zones east and west of UTC, where clocks
// change by half an hour, or at midnight.
func TestSpanEndsWhereItIsLeft(t *testing.T) {
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
				for at := noon.Add(-30 * time.Hour); at.Before(noon.Add(18 * time.Hour)); at = at.Add(5 * time.Minute) {
					if !span.Contains(at) {
						continue
					}
					end := at
					for span.Contains(end) && end.Before(at.Add(26*time.Hour)) {
						end = end.Add(time.Minute)
					}
					got := span.End(at)
					if !span.Contains(end) { // days without hours between them go on for ever
						require.Equal(t, end.UTC().Format(time.RFC3339), got.UTC().Format(time.RFC3339), "%s %s at %s", zone, hours, at)
					}
					require.True(t, got.After(at), "%s %s at %s: %s", zone, hours, at, got)
				}
			}
		}
	}
}
