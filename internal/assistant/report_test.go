package assistant

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/lang/langtest"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/webex"
)

var update = flag.Bool("update", false, "write the golden files")

// at is a time of the week: "Mon 08:15", from Monday 19 October 2026 on, in Berlin; "-Mon 08:15" is a week earlier. The night to Sunday
// has 25 hours.
func at(t testing.TB, said string) time.Time {
	t.Helper()
	day, earlier := strings.CutPrefix(said, "-")
	c, err := time.Parse("15:04", day[4:])
	require.NoError(t, err)
	days := strings.Index("MonTueWedThuFriSatSunNxt", day[:3]) / 3
	if earlier {
		days -= 7
	}
	return At(2026, time.October, 19+days, c.Hour(), c.Minute(), time.Time{}, berlin(t))
}

// week is a simulated week of a room.
func week(t testing.TB) (all []alert.Problem) {
	n := 0
	add := func(name, host string, severity alert.Severity, opened, acknowledged, resolved string, change func(p *alert.Problem)) {
		n++
		p := alert.Problem{
			Key: alert.Key{Source: "main", EventID: fmt.Sprint(n)}, Origin: alert.OriginTrigger, State: alert.StateOpen, Severity: severity, OpenedAt: at(t, opened),
			Facts: alert.Facts{Name: name, TriggerID: fmt.Sprint(len(name), len(host)), Hosts: []alert.Host{{Host: host}}},
		}
		if acknowledged != "" {
			p.Acknowledged = true
			p.Timeline = []alert.Entry{{Seq: 1, Kind: alert.EntryUpdate, At: at(t, acknowledged), Update: &alert.Update{Actions: alert.Actions{Ack: true}}}}
		}
		if resolved != "" {
			p.State, p.ResolvedAt = alert.StateResolved, at(t, resolved)
		}
		if change != nil {
			change(&p)
		}
		all = append(all, p)
	}
	owned := func(name string) func(p *alert.Problem) {
		return func(p *alert.Problem) {
			p.Owner = alert.Owner{Name: name, Email: strings.ToLower(name) + "@example.com"}
		}
	}
	suppressed := func(until string) func(p *alert.Problem) {
		return func(p *alert.Problem) { p.Suppressed, p.SuppressedUntil = true, at(t, until) }
	}
	const link, disk, cpu = "Link down <@all>", "Disk full", "High CPU [x](http://evil.example)"
	add(link, "sw1", alert.High, "-Tue 10:00", "-Tue 10:10", "-Tue 11:00", nil)                                        // 1: the week before
	add(link, "sw1", alert.High, "-Fri 10:00", "-Fri 10:30", "Mon 09:00", nil)                                         // 2: opened before, resolved in it after 71h
	add(link, "sw1", alert.High, "Mon 08:00", "Mon 08:04", "Mon 08:30", nil)                                           // 3: the first moment counts
	add(link, "sw1", alert.High, "Tue 02:00", "Tue 02:20", "Tue 03:00", nil)                                           // 4
	add(link, "sw1", alert.High, "Wed 02:00", "", "Wed 02:02", nil)                                                    // 5
	add(disk, "db1", alert.Disaster, "Sat 23:00", "Sun 04:00", "", owned("Alice"))                                     // 6: over the change: 5h on the wall are 6h
	add(disk, "db2", alert.Average, "Wed 12:00", "", "", owned("Bob"))                                                 // 7
	add(disk, "db2", alert.Average, "Thu 12:00", "", "", nil)                                                          // 8
	add(cpu, "web1", alert.Warning, "Thu 01:00", "", "", suppressed("Nxt 18:00"))                                      // 9: ends within a day
	add(cpu, "web2", alert.Warning, "Fri 01:00", "", "", suppressed("Tue 18:00"))                                      // 10: has ended
	add(cpu, "web3", alert.Information, "Fri 02:00", "", "Fri 02:30", func(p *alert.Problem) { p.Gone = true })        // 11: counts, for no time
	add(link, "sw2", alert.High, "Nxt 08:00", "", "", nil)                                                             // 12: opened at the end: the next report's
	add(link, "sw3", alert.High, "-Sat 08:00", "", "", owned("Alice"))                                                 // 13: old, and not acknowledged for longest
	add("News", "x", alert.Information, "Fri 03:00", "", "", func(p *alert.Problem) { p.State = alert.StateOccurred }) // 14: lasts for no time
	return all
}

func words(l lang.Lang, t testing.TB) Words {
	return Words{Title: "Report for noc", Room: render.Room{Location: berlin(t), Lang: l}, Item: func(p alert.Problem) string {
		return fmt.Sprintf("%s **%s** · %s · `%s`", p.Severity, webex.EscapeMarkdown(p.Name), p.Hosts[0].Host, p.Key.EventID)
	}}
}

// The report of a week, in both languages. The golden file was checked by hand, with the list above:
//
//   - Opened: 3 to 11, without 12 (it opens at the end) and 14: 9. The week before: 1, 2 and 13: 3.
//   - Resolved: 2, 3, 4, 5 and 11: 5. The week before: 1.
//   - Open: 6 to 10, 12 and 13: 7. By severity, then by age: 6; 13, 12; 7, 8; 9, 10. The message has five of them.
//   - Acknowledged after 4m (3), 20m (4), 6h (6): the median is 20m, the mean 6h 24m / 3 = 2h 8m. Before: 10m (1), 30m (2): 20m.
//   - Resolved after 71h (2), 30m (3), 1h (4), 2m (5), without 11: the median is between 30m and 1h: 45m, the mean 72h 32m / 4 =
//     18h 8m. Before: 1h (1).
//   - Owned: Alice 6 and 13, Bob 7, nobody 8, 9, 10, 12.
//   - Not acknowledged for longest: 13, since 9 is suppressed.
//   - Noisy: link on sw1 3 times (3, 4, 5), disk on db2 twice. High CPU is on three hosts, once on each.
//   - Ending: 9 at 18:00. The end of 10 has passed.
func TestReportOfAWeek(t *testing.T) {
	said := func(l lang.Lang) string {
		from, to := at(t, "Mon 08:00"), at(t, "Nxt 08:00")
		require.Equal(t, 169*time.Hour, to.Sub(from))
		tally := NewTally(from, to)
		for _, p := range week(t) {
			tally.Add(p)
			tally.Add(p) // read twice
		}
		message, file := tally.Report(to.Add(time.Minute), 7, false).Message(words(l, t))
		require.LessOrEqual(t, len(message), webex.MaxMessageBytes)
		return fmt.Sprintf("== %s\n%s\n\n== %s: the file\n%s\n\n", l, message, l, file)
	}
	golden := said(lang.English) + said(lang.German)
	require.NotContains(t, golden, "<@")
	data := "marked file Oct CEST average disaster warning evil example the http Report for noc CET Nov Dec Alice Bob sw db web link down all disk full backup failed high cpu mallory net fan"
	require.Empty(t, langtest.Outside(said(lang.Marked), data), "words that aren't from the catalogue")
	const path = "testdata/week.golden"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(golden), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), golden)
}

// A quiet day is short. One with more than can be counted says so, and its message fits whatever the names are.
func TestReportsAtTheirLimits(t *testing.T) {
	from, to := at(t, "Mon 08:00"), at(t, "Tue 08:00")
	message, file := NewTally(from, to).Report(to, 0, false).Message(words(lang.English, t))
	require.Empty(t, file)
	require.Contains(t, message, "**0 opened** (before: 0)")
	require.Contains(t, message, "Nothing is open")
	require.NotContains(t, message, "Acknowledged")

	tally := NewTally(from, to)
	for i := range 3000 {
		tally.Add(alert.Problem{
			Key: alert.Key{Source: "main", EventID: fmt.Sprint(i)}, Origin: alert.OriginTrigger, State: alert.StateOpen, OpenedAt: from.Add(time.Duration(i) * time.Second),
			Facts: alert.Facts{Name: strings.Repeat("<@all> **x** ", 100), TriggerID: fmt.Sprint(i / 2), Hosts: []alert.Host{{Host: strings.Repeat("h`", 100)}}},
			Owner: alert.Owner{Name: strings.Repeat("[a](b)", 50), Email: fmt.Sprint(i%9, "@example.com")},
		})
	}
	message, file = tally.Report(to, 12345, true).Message(words(lang.English, t))
	require.LessOrEqual(t, len(message), webex.MaxMessageBytes)
	require.Contains(t, message, "**12,345 still open**")
	require.Contains(t, message, "more problems than I count")
	require.NotContains(t, message+file, "<@")
	require.Contains(t, file, "… and 11,345 more")
}
