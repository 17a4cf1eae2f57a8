package zabbix

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// decodeAt decodes a message that Zabbix sent about a problem, with dates in the zone of the user who receives it.
func decodeAt(t *testing.T, user, configured *time.Location, opened, sent, received time.Time) alert.Event {
	t.Helper()
	date := func(at time.Time) string { return at.In(user).Format("2006.01.02") }
	clock := func(at time.Time) string { return at.In(user).Format("15:04:05") }
	p, faults := Parse(payload(map[string]string{"DATE": date(sent), "TIME": clock(sent), "EVENT.DATE": date(opened), "EVENT.TIME": clock(opened)}))
	require.Empty(t, faults)
	e, err := p.Event(DecodeOptions{ReceivedAt: received, Location: configured})
	require.NoError(t, err)
	return e
}

func zoneNamed(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

// A late message is read correctly in the configured zone.
func TestALateMessageIsReadInTheConfiguredZone(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"} {
		zone := zoneNamed(t, name)
		for _, late := range []int{0, 1, 2, 5, 7, 15, 30, 44, 45, 58, 60, 62, 75, 90, 120, 180, 240, 300, 600, 1439} {
			t.Run(fmt.Sprintf("%s, %d minutes", name, late), func(t *testing.T) {
				sent := received.Add(-time.Duration(late) * time.Minute)
				opened := sent.Add(-3 * time.Second)
				e := decodeAt(t, zone, zone, opened, sent, received)
				require.Equal(t, opened, e.Opened)
				require.Equal(t, sent, e.SentAt)
			})
		}
	}
}

func TestTheZoneOfALocalTime(t *testing.T) {
	berlin, tokyo, newYork := zoneNamed(t, "Europe/Berlin"), zoneNamed(t, "Asia/Tokyo"), zoneNamed(t, "America/New_York")
	winter := time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC) // 03:00 becomes 02:00 in Berlin
	for name, tc := range map[string]struct {
		user, configured       *time.Location
		opened, sent, received time.Time
		want                   time.Time
	}{
		"not in the configured zone, ahead":        {tokyo, time.UTC, received.Add(-2 * time.Second), received, received, received.Add(-2 * time.Second)},
		"ahead, and 12 minutes late":               {tokyo, time.UTC, received.Add(-12 * time.Minute), received.Add(-12 * time.Minute), received, received.Add(-12 * time.Minute)},
		"no zone configured, behind":               {newYork, nil, received.Add(-2 * time.Second), received, received, received.Add(-2 * time.Second)},
		"opened last summer":                       {berlin, berlin, winter.Add(-90 * 24 * time.Hour), received, received, winter.Add(-90 * 24 * time.Hour)},
		"the hour before clocks go back":           {berlin, berlin, winter.Add(-31 * time.Minute), winter.Add(-30 * time.Minute), winter.Add(-30 * time.Minute), winter.Add(-31 * time.Minute)},
		"the hour after clocks went back":          {berlin, berlin, winter.Add(29 * time.Minute), winter.Add(30 * time.Minute), winter.Add(30 * time.Minute), winter.Add(29 * time.Minute)},
		"a message made before and received after": {berlin, berlin, winter.Add(-61 * time.Minute), winter.Add(-61 * time.Minute), winter.Add(2 * time.Minute), winter.Add(-61 * time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			e := decodeAt(t, tc.user, tc.configured, tc.opened, tc.sent, tc.received)
			require.Equal(t, tc.want, e.Opened)
		})
	}
}

// A problem never begins after the relay received it, in any zone.
func TestNothingOpensInTheFuture(t *testing.T) {
	for _, configured := range []*time.Location{nil, time.UTC, zoneNamed(t, "Pacific/Kiritimati")} {
		for minutes := -900; minutes <= 900; minutes += 29 {
			sent := received.Add(time.Duration(minutes) * time.Minute)
			p, _ := alert.Apply(alert.Problem{}, decodeAt(t, time.UTC, configured, sent, sent, received))
			require.False(t, p.OpenedAt.After(received), "%s", p.OpenedAt)
		}
	}
}

// A time that a clock shows twice is the later one, unless the message was received before that.
func TestTheHourThatComesTwice(t *testing.T) {
	for name, tc := range map[string]struct {
		change time.Time // when clocks are put back
		by     time.Duration
	}{
		"Europe/Berlin":       {time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC), time.Hour},
		"America/New_York":    {time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC), time.Hour},
		"Australia/Lord_Howe": {time.Date(2026, 4, 4, 15, 0, 0, 0, time.UTC), 30 * time.Minute},
	} {
		loc := zoneNamed(t, name)
		first, second := tc.change.Add(-tc.by/2), tc.change.Add(tc.by/2)
		date, clock := first.In(loc).Format("2006.01.02"), first.In(loc).Format("15:04:05")
		require.Equal(t, clock, second.In(loc).Format("15:04:05"))
		for received, want := range map[time.Time]time.Time{
			first.Add(2 * time.Second):             first,
			second.Add(-zoneSlack - 2*time.Second): first,
			second.Add(-zoneSlack + 2*time.Second): second, // the relay's clock may be behind
			second.Add(2 * time.Second):            second,
			second.Add(30 * 24 * time.Hour):        second,
		} {
			got, ok := zone{loc, received}.moment(date, clock)
			require.True(t, ok)
			require.Equal(t, want, got.UTC(), "%s, received %s", name, received)
		}
	}
}
