package reconcile

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// suppressor counts how often it is asked.
type suppressor struct{ asked atomic.Int64 }

func (s *suppressor) Suppressed(context.Context) (map[string]bool, error) {
	s.asked.Add(1)
	return nil, nil
}

// A source that is added is asked, also about problems from before; one that is removed isn't asked any more. A shorter interval
// counts at once.
func TestSourcesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		main, lab := &fake{}, &fake{}
		reg := prometheus.NewRegistry()
		q := NewInquirer(Options{Sources: map[string]Observer{"main": main}, Journal: main, Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(reg, []string{"main"}),
			Unobserved: func(context.Context, int) ([]alert.Key, error) {
				return []alert.Key{{Source: "lab", EventID: "7"}}, nil
			}})
		polledMain, polledLab := &suppressor{}, &suppressor{}
		s := NewSuppressions(SuppressionOptions{Sources: map[string]Suppressor{"main": polledMain}, Interval: 24 * time.Hour, Ask: q.AskAll, Log: slog.New(slog.DiscardHandler),
			Held: func(context.Context, string, time.Time) ([]store.Suppression, error) { return nil, nil }})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{}, 2)
		for _, run := range []func(context.Context) error{q.Run, s.Run} {
			go func() { _ = run(ctx); done <- struct{}{} }()
		}
		defer func() { stop(); <-done; <-done }()
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }

		pass(time.Minute)
		require.Empty(t, lab.calls)
		q.SetSources(map[string]Observer{"main": main, "lab": lab})
		s.SetSources(map[string]Suppressor{"main": polledMain, "lab": polledLab}, time.Minute)
		pass(150 * time.Second)
		require.Len(t, lab.calls, 1, "the problem that was never read")
		require.GreaterOrEqual(t, polledMain.asked.Load(), int64(2))
		require.GreaterOrEqual(t, polledLab.asked.Load(), int64(2))

		q.Ask(alert.Key{Source: "main", EventID: "1"}, time.Hour)
		q.SetSources(map[string]Observer{"lab": lab})
		s.SetSources(map[string]Suppressor{"lab": polledLab}, time.Minute)
		q.Ask(alert.Key{Source: "main", EventID: "2"}, 0)
		q.Ask(alert.Key{Source: "lab", EventID: "8"}, 0)
		before := polledMain.asked.Load()
		pass(2 * time.Hour)
		require.Empty(t, main.calls)
		require.Len(t, lab.calls, 2)
		require.Equal(t, before, polledMain.asked.Load())
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == "alert_relay_observations_set_apart" {
				require.Len(t, f.GetMetric(), 1, "the gauge of the removed source is gone")
			}
		}
	})
}
