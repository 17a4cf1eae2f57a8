package ledger

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testlog"
)

// After a downtime reconciliation may find thousands of problems: one warning a minute counts those of each kind. Each has a line of its
// own that is no warning. Zabbix sends no message of a problem that is gone, so that is none either.
func TestFoundIsOneWarningAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &testlog.Lines{}
		l := New(Options{Log: log.Logger(), Metrics: NewMetrics(prometheus.NewRegistry(), []string{"main"})})
		for range 500 {
			for _, kind := range []alert.Found{alert.FoundProblem, alert.FoundRecovery, alert.FoundGone} {
				l.note(Result{Item: &Item{Entry: store.Entry{Kind: store.EntryObservation, Source: "main"}}, Change: alert.Change{Found: kind}})
			}
		}
		time.Sleep(foundEvery)
		synctest.Wait()
		require.Equal(t, 4, strings.Count(log.String(), "never came"))
		require.Equal(t, 2, strings.Count(log.String(), "count=499"))
		require.Equal(t, 1500, strings.Count(log.String(), "found by reconciliation"))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, 4, strings.Count(log.String(), "never came"))
	})
}
