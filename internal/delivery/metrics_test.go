package delivery

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
)

// A room's first message about a problem counts once. A problem that leaves a digest had its first message there.
func TestFirstMessages(t *testing.T) {
	root := step.Step{Op: step.OpRoot}
	require.True(t, isFirst(root, store.Post{}))
	require.False(t, isFirst(step.Step{Op: step.OpEdit}, store.Post{}))
	for _, post := range []store.Post{{Cursor: store.Cursor{RootID: "ROOT"}}, {Cursor: store.Cursor{ToldSeq: 1}}, {LeftGroup: 3}} {
		require.False(t, isFirst(root, post))
	}
}

func TestLatencyIsBySeverity(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := NewMetrics(reg)
	n, err := testutil.GatherAndCount(reg, "alert_relay_delivery_seconds")
	require.NoError(t, err)
	require.Equal(t, len(alert.Severities), n, "every severity is there from the start")
	due := time.Now()
	m.shown(alert.Disaster, due, due.Add(3*time.Second), nil)
	families, err := reg.Gather()
	require.NoError(t, err)
	sums := map[string]float64{}
	for _, f := range families {
		for _, series := range f.GetMetric() {
			if sum := series.GetHistogram().GetSampleSum(); sum != 0 {
				sums[series.GetLabel()[0].GetValue()] = sum
			}
		}
	}
	require.Equal(t, map[string]float64{"disaster": 3}, sums)
}
