package render

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/webex"
)

func TestHistory(t *testing.T) {
	r, err := New(Options{Sources: map[string]string{"main": "https://zabbix.example.com"}})
	require.NoError(t, err)
	p := Samples()["open"]
	day := 24 * time.Hour
	at := func(days int) time.Time { return p.OpenedAt.Add(time.Duration(-days) * day) }
	stats := alert.TriggerStats{Forgotten: at(90), Occurrences: []alert.Occurrence{
		{EventID: "4100", Opened: alert.MicroOf(at(60)), Rooms: []string{"db", "noc"}},
		{EventID: "4200", Opened: alert.MicroOf(at(20)), Resolved: alert.MicroOf(at(20).Add(12 * time.Minute)), Rooms: []string{"noc"},
			Remark: &alert.Remark{By: "Alice Example", At: at(20), Text: "<@all> **loose** cable"}},
		{EventID: "4711", Opened: alert.MicroOf(p.OpenedAt), Resolved: alert.MicroOf(p.OpenedAt.Add(time.Minute))},
	}}
	require.Equal(t, "🟧 **Temperature too high on Core switch 1** · Core switch 1 · 4711  \n"+
		"2nd time in 30 days · last time 12m  \n"+
		"✅ 4 Nov 13:18:00 – 13:30:00 UTC (12m) · 4200 · Alice Example, 4 Nov: “&lt;&#64;all&gt; \\*\\*loose\\*\\* cable”  \n"+
		"☑️ 25 Sep 13:18:00 UTC, gone from Zabbix · 4100\n\n"+
		"Older ones are forgotten.", r.History(p, stats, Room{Name: "noc"}, SamplesNow))
	require.Equal(t, "🟧 **Temperature too high on Core switch 1** · Core switch 1 · 4711  \n"+
		"2nd time in 30 days · last time 12m  \n"+
		"☑️ 25 Sep 13:18:00 UTC, gone from Zabbix · 4100\n\n"+
		"Not listed: 1 problem that you can't see from here.\n\n"+
		"Older ones are forgotten.", r.History(p, stats, Room{Name: "db"}, SamplesNow))
	require.Contains(t, r.History(p, stats, Room{}, SamplesNow), "Not listed: 2 problems")

	first := r.History(p, alert.TriggerStats{}, Room{}, SamplesNow)
	require.Contains(t, first, "First time seen here")
	require.Contains(t, first, "No other resolved problem of this trigger on this host is known.")
	require.Contains(t, r.History(Samples()["service"], alert.TriggerStats{}, Room{}, SamplesNow), "Only the problems of a trigger have a history.")

	stats = alert.TriggerStats{}
	for i := range 50 {
		stats.Occurrences = append(stats.Occurrences, alert.Occurrence{EventID: "4000", Opened: alert.MicroOf(at(50 - i)), Rooms: []string{"noc"}, Remark: &alert.Remark{At: at(1), Text: strings.Repeat("<", 300)}})
	}
	long := r.History(p, stats, Room{Name: "noc"}, SamplesNow)
	require.LessOrEqual(t, len(long), webex.MaxMessageBytes)
	require.Regexp(t, `… and \d+ earlier`, long)
}
