package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// The statistics of a trigger are read as they were committed, and stay when its problems are pruned.
func testTriggerStats(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	one, other := alert.TriggerKey{Source: "main", TriggerID: "23118", Host: "sw1"}, alert.TriggerKey{Source: "main", TriggerID: "23118", Host: "sw2"}
	stats := alert.TriggerStats{
		Trigger: one, Forgotten: t0.Add(-time.Hour),
		Occurrences: []alert.Occurrence{
			{EventID: "1", Opened: alert.MicroOf(t0), Resolved: alert.MicroOf(t0.Add(time.Minute)), Remark: &alert.Remark{By: "Alice", At: t0, Text: "<@all> ü"}},
			{EventID: "2", Opened: alert.MicroOf(t0.Add(time.Hour))},
		},
	}
	read := func() map[alert.TriggerKey]alert.TriggerStats {
		return must(s.TriggerStats(t.Context(), []alert.TriggerKey{one, other, one}))(t)
	}
	require.Empty(t, read())
	require.Empty(t, must(s.TriggerStats(t.Context(), nil))(t))
	fold(t, s, store.Fold{Problems: []alert.Problem{problem("1", alert.StateResolved)}, Triggers: []alert.TriggerStats{stats}})
	same(t, map[alert.TriggerKey]alert.TriggerStats{one: stats}, read())

	stats.Occurrences = stats.Occurrences[1:]
	fold(t, s, store.Fold{Triggers: []alert.TriggerStats{stats, {Trigger: other, Occurrences: stats.Occurrences}}})
	require.NoError(t, s.Close())
	s = open(t, dir)
	same(t, stats, read()[one])
	require.Equal(t, other, read()[other].Trigger)
	elsewhere := one
	elsewhere.Source = "lab"
	require.Empty(t, must(s.TriggerStats(t.Context(), []alert.TriggerKey{elsewhere}))(t), "another source has triggers of its own")

	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	require.Positive(t, must(s.Prune(t.Context(), future, future, past, 0))(t))
	require.Empty(t, must(s.FindProblems(t.Context(), store.Filter{}))(t))
	require.Len(t, read(), 2)
	require.Equal(t, 2, must(s.Prune(t.Context(), past, past, future, 0))(t))
	require.Empty(t, read())
}
