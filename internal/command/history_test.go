package command

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// history shows the statistics of the problem's trigger, to those who may see the problem.
func TestHistoryOfATrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.problem("main/4711", "noc")
		p := w.find(k)
		p.TriggerID, p.Hosts = "23118", []alert.Host{{Host: "sw1"}}
		trigger := alert.TriggerKey{Source: "main", TriggerID: "23118", Host: "sw1"}
		stats := alert.TriggerStats{Trigger: trigger, Occurrences: []alert.Occurrence{{EventID: "4600", OpenedAt: time.Now().Add(-time.Hour)}}}
		w.commit(store.Fold{Problems: []alert.Problem{p}, Triggers: []alert.TriggerStats{stats}})
		w.problem("main/4712", "noc")
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "history 4711", Room: "noc"})
		r.receives("M2", Input{Text: "history 4711 4712", Room: "noc"})
		r.receives("M3", Input{Text: "history 4711", Room: "db"})
		r.receives("M4", Input{Text: "history 4711 please look", Room: "noc"})
		synctest.Wait()
		answers := w.answers()
		require.Len(t, answers, 4)
		require.Equal(t, "HISTORY main/4711 4600", answers[0])
		require.Equal(t, "HISTORY main/4711 4600\n\n---\n\nHISTORY main/4712", answers[1])
		require.NotContains(t, answers[2], "HISTORY")
		require.Contains(t, answers[3], "`history` takes event ids and nothing else")
	})
}
