package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each fault of a room's report is told with its line and a hint, all of them at once.
func TestFaultsOfReports(t *testing.T) {
	const room = "id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ"
	for report, want := range map[string][]string{
		`{}`:                                   {`relay.yaml:5: rooms[0].report.at: is missing`},
		`{days: weekdays}`:                     {`relay.yaml:5: rooms[0].report.at: is missing`},
		`{at: "25:00"}`:                        {`relay.yaml:5: rooms[0].report.at: expected a time, got "25:00" (hours and minutes, such as 08:00)`},
		`{at: "8"}`:                            {`relay.yaml:5: rooms[0].report.at: expected a time, got "8" (hours and minutes, such as 08:00)`},
		`{at: 08:00:30}`:                       {`relay.yaml:5: rooms[0].report.at: expected a time, got "08:00:30" (hours and minutes, such as 08:00)`},
		`{at: "08:00 weekdays"}`:               {`relay.yaml:5: rooms[0].report.at: expected a time, got "08:00 weekdays" (hours and minutes, such as 08:00)`},
		`{at: "08:00", days: mondax}`:          {`relay.yaml:5: rooms[0].report.days: unknown days "mondax" (weekdays, daily, weekends, or days such as mon,thu or mon-fri)`},
		`{at: "08:00", days: "mon,,tue"}`:      {`relay.yaml:5: rooms[0].report.days: unknown days "" (weekdays, daily, weekends, or days such as mon,thu or mon-fri)`},
		`{at: "08:00", days: "mon;tue"}`:       {`relay.yaml:5: rooms[0].report.days: unknown days "mon;tue" (weekdays, daily, weekends, or days such as mon,thu or mon-fri)`},
		`{at: "08:00", zone: Europe/Atlantis}`: {`relay.yaml:5: rooms[0].report.zone: "Europe/Atlantis" is not a time zone (an IANA name such as Europe/Berlin, or UTC)`},
		`{at: "08:00", time: "09:00"}`:         {`relay.yaml:5: rooms[0].report.time: unknown key (valid keys: at, days, zone)`},
		`{at: "99:00", days: never, zone: X}`:  {`relay.yaml:5: rooms[0].report.zone: "X" is not a time zone (an IANA name such as Europe/Berlin, or UTC)`, `relay.yaml:5: rooms[0].report.at: expected a time, got "99:00" (hours and minutes, such as 08:00)`, `relay.yaml:5: rooms[0].report.days: unknown days "never" (weekdays, daily, weekends, or days such as mon,thu or mon-fri)`},
		`08:00`:                                {`relay.yaml:5: rooms[0].report: expected a mapping, got "08:00"`},
		`[{at: "08:00"}]`:                      {`relay.yaml:5: rooms[0].report: expected a mapping, got a list`},
	} {
		_, faults := parse(t, strings.Replace(small, room, room+", report: "+report, 1))
		var said []string
		for _, f := range faults {
			said = append(said, f.Error())
		}
		require.ElementsMatch(t, want, said, report)
	}
}

// Days and zone have defaults: daily, and the room's own zone.
func TestDefaultsOfReports(t *testing.T) {
	cfg := valid(t, strings.Replace(small, "id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ", "id: Y2lzY29zcGFyazovL3VzL1JPT00vMQ, time_zone: Asia/Tokyo, report: {at: '8:00'}", 1))
	require.Equal(t, "8:00 daily", cfg.Rooms[0].Report.Schedule())
	require.Equal(t, "Asia/Tokyo", cfg.Rooms[0].Report.TimeZone.String())
	require.Equal(t, 9, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).In(cfg.Rooms[0].Report.TimeZone.Location).Hour())
}
