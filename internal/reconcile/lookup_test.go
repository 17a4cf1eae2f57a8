package reconcile

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// An answer is marked if it confirms what was expected. That a problem is gone is never journalled unless it was expected: one answer
// proves nothing.
func TestMarks(t *testing.T) {
	key := alert.Key{Source: "main", EventID: "4711"}
	open, over, gone, orphan := alert.Observation{}, alert.Observation{Resolved: true}, alert.Observation{Gone: true}, alert.Observation{TriggerGone: true}
	for _, c := range []struct {
		lookup Lookup
		answer alert.Observation
		found  alert.Found
		gone   bool
	}{
		{Lookup{}, open, "", false},
		{Lookup{}, gone, "", true},
		{Lookup{}, orphan, "", false},
		{Lookup{Key: key, Found: alert.FoundProblem}, open, alert.FoundProblem, false},
		{Lookup{Key: key, Found: alert.FoundProblem}, gone, "", true},
		{Lookup{Key: key, Found: alert.FoundUpdate}, open, alert.FoundUpdate, false},
		{Lookup{Key: key, Found: alert.FoundUpdate}, over, alert.FoundUpdate, false},
		{Lookup{Key: key, Found: alert.FoundUpdate}, gone, "", true},
		{Lookup{Key: key, Found: alert.FoundUpdate}, orphan, alert.FoundUpdate, false},
		{Lookup{Key: key, Found: alert.FoundRecovery}, over, alert.FoundRecovery, false},
		{Lookup{Key: key, Found: alert.FoundRecovery}, open, "", false},
		{Lookup{Key: key, Found: alert.FoundRecovery}, gone, "", true},
		{Lookup{Key: key, Found: alert.FoundRecovery}, orphan, "", true},
		{Lookup{Key: key, Found: alert.FoundGone}, gone, alert.FoundGone, true},
		{Lookup{Key: key, Found: alert.FoundGone}, orphan, alert.FoundGone, true},
		{Lookup{Key: key, Found: alert.FoundGone}, open, "", false},
		{Lookup{Key: key, Found: alert.FoundGone}, over, "", false},
	} {
		got := c.lookup.mark(c.answer)
		require.Equal(t, c.found, got.Found, "%+v, %+v", c.lookup, c.answer)
		require.Equal(t, c.gone, got.Gone, "%+v, %+v", c.lookup, c.answer)
	}
	require.True(t, Lookup{Key: key, Quiet: true}.mark(open).Quiet)
	require.False(t, Lookup{}.mark(open).Quiet)
}
