package render

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// What reconciliation found says so, in the message of the problem and in its thread.
func TestFoundByReconciliation(t *testing.T) {
	r, err := New(Options{})
	require.NoError(t, err)
	at := time.Date(2026, 11, 24, 14, 18, 0, 0, time.UTC)
	o := alert.Observation{At: at, Found: alert.FoundProblem, Name: "Link down", Opened: at.Add(-time.Minute), Severity: alert.High}
	p, _ := alert.Apply(alert.Problem{}, o.Event(alert.Key{Source: "main", EventID: "4711"}, at))
	require.Contains(t, r.Root(p, Room{}, at), "  \n🔎 Found by reconciliation: Zabbix's message about it never came  \n")
	o.At, o.Found, o.Resolved, o.ResolvedAt = at.Add(time.Hour), alert.FoundRecovery, true, at
	p, _ = alert.Apply(p, o.Event(p.Key, o.At))
	root := r.Root(p, Room{}, at)
	require.Equal(t, 1, strings.Count(strings.ToLower(root), "found by reconciliation"), root)
	line := r.builder(&p, Room{}, scales[0]).entry(p.Timeline[len(p.Timeline)-1], time.Time{})
	require.EqualValues(t, "Resolved after 1m, found by reconciliation: Zabbix's message about it never came", line.Did)
}

// The messages of reconciliation count correctly, and a source's name can mention nobody.
func TestMessagesOfReconciliation(t *testing.T) {
	r, err := New(Options{})
	require.NoError(t, err)
	at := time.Date(2026, 11, 3, 14, 18, 0, 0, time.UTC)
	require.Equal(t, "🔎 **9** problems were open in Zabbix **main** when this relay first asked, the oldest since 3 Nov 14:18:00 UTC  \n"+
		"🟥 2 disaster · 🟫 7 warning  \nThey aren't posted one by one: `problems` lists what is open, and changes are posted.",
		r.FirstFound("main", Room{}, []SeverityCount{{alert.Disaster, 2}, {alert.Warning, 7}}, at))
	require.Equal(t, "🔎 **1** problem was open in Zabbix **main** when this relay first asked  \n🟧 1 high  \n"+
		"It isn't posted: `problems` lists what is open, and changes are posted.", r.FirstFound("main", Room{}, []SeverityCount{{alert.High, 1}}, time.Time{}))
	held := SourceTrouble{Source: "<@all>", Kind: "gone", Since: at, Count: 3, Detail: "Zabbix shows the relay's user no event at all"}
	require.Equal(t, "⚠️ Zabbix **&lt;&#64;all&gt;** doesn't show **3** of the problems that are open here, and didn't report that they are over. Since 3 Nov 14:18:00 UTC. "+
		"They stay open: Zabbix shows the relay's user no event at all.  \n"+
		"Check the permissions of the relay's user in Zabbix. If they really were deleted, run `alert-relay reconcile --accept-gone`.", r.SourceTrouble(held, Room{}))
	held.Source, held.Until = "main", at.Add(time.Hour)
	require.Equal(t, "✅ Zabbix **main** shows all open problems again. Some were missing from 3 Nov 14:18:00 UTC to 3 Nov 15:18:00 UTC.", r.SourceTrouble(held, Room{}))
	held.Ended = "3 were closed as gone, by an operator's command"
	require.Equal(t, "✅ Zabbix **main** didn't show some open problems from 3 Nov 14:18:00 UTC to 3 Nov 15:18:00 UTC: 3 were closed as gone, by an operator's command.", r.SourceTrouble(held, Room{}))
}
