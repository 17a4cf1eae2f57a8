package command

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/zabbix"
)

// Ranks change in Zabbix under the person's name, and the problem is looked at again, since Zabbix does it a moment later.
func TestRanks(t *testing.T) {
	story(t, func(t *testing.T, w *world, r *relay) {
		r.receives("M1", Input{Text: "symptom 4712 of 4711 same switch", Room: "noc"})
		synctest.Wait()
		require.Equal(t, []zabbix.Acknowledge{{EventIDs: []string{"4712"}, SymptomOf: "4711", Message: signed(t, w, "main/4712", "same switch")}}, w.calls("main"))
		require.Equal(t, "✅ Asked Zabbix to rank main/4712 problem 4712 as a symptom of 4711", w.command("M1").Outcome)
		u := w.updates(t)
		require.Len(t, u, 1)
		require.Equal(t, alert.Actions{ToSymptom: true, Comment: true}, u[0].Actions)

		r.receives("M2", Input{Text: "cause", Room: "noc", ParentID: "ROOT-main/4712@noc"})
		synctest.Wait()
		calls := w.calls("main")
		require.True(t, calls[len(calls)-1].ToCause)
		require.Equal(t, []string{"4712"}, calls[len(calls)-1].EventIDs)
		require.Empty(t, calls[len(calls)-1].SymptomOf)
	})
}

// Nothing is ranked if the cause isn't one that the person may know of, of the same Zabbix.
func TestRanksThatAreRefused(t *testing.T) {
	for said, reply := range map[string]string{
		"symptom 4712 of 4712":          "can't be a symptom of itself",
		"symptom 4712 of 5000":          "5000", // in a room that Alice isn't in here
		"symptom 4712 of 99":            "99",
		"symptom 4712 of lab/4711":      "lab/4711",
		"symptom 4712":                  "Of which problem?",
		"symptom 4712 of":               "exactly one cause",
		"symptom 4712 of 4711 and 4713": "exactly one cause",
		"symptom 4712 of 4711x":         "I'm not sure which problem",
		"symptom of 4711":               "Which problem?",
		"cause was the switch":          "`cause` takes event ids and nothing else",
	} {
		t.Run(said, func(t *testing.T) {
			story(t, func(t *testing.T, w *world, r *relay) {
				r.receives("M1", Input{Text: said, Room: "noc"})
				synctest.Wait()
				require.Empty(t, w.calls("main"))
				require.Len(t, w.answers(), 1)
				require.Contains(t, w.answers()[0], reply)
			})
		})
	}
}

func TestParseRanks(t *testing.T) {
	n := Names{}
	r, q := n.Parse("symptom of #4711")
	require.Nil(t, q)
	require.Equal(t, Request{Verb: Symptom, Cause: alert.Key{EventID: "4711"}}, r)
	r, q = n.Parse("Symptom 4712, 4713 of 4711: same switch")
	require.Nil(t, q)
	require.Equal(t, Request{Verb: Symptom, Refs: []alert.Key{{EventID: "4712"}, {EventID: "4713"}}, Cause: alert.Key{EventID: "4711"}, Text: "same switch"}, r)
	r, q = n.Parse("cause 4712")
	require.Nil(t, q)
	require.Equal(t, Request{Verb: Cause, Refs: []alert.Key{{EventID: "4712"}}}, r)
	require.Equal(t, config.RoleOperator, Symptom.entry().role)
	require.True(t, undoes(alert.Actions{ToCause: true}, alert.Actions{ToSymptom: true}))
}
