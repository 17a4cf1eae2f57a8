package reconcile

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/zabbix"
)

// lister counts how often it is asked, and has nothing open.
type lister struct {
	fake
	asked atomic.Int64
}

func (l *lister) Open(context.Context, func(zabbix.Open)) error {
	l.asked.Add(1)
	return nil
}

func (l *lister) OpenCounts(context.Context) (c zabbix.OpenCounts, err error) {
	l.asked.Add(1)
	return c, nil
}

func (l *lister) Alerts(context.Context, []int64) ([]zabbix.Alert, bool, error) {
	return nil, false, nil
}

func (l *lister) OldestEvent(context.Context) (time.Time, error) { return time.Time{}, nil }

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
		listedMain, listedLab := &lister{}, &lister{}
		s := NewSweeps(SweepOptions{Sources: map[string]Lister{"main": listedMain}, Settings: Settings{Interval: 24 * time.Hour}, Store: memory.New(nil), Inquirer: q,
			Log: slog.New(slog.DiscardHandler), Metrics: q.opts.Metrics})
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
		s.SetSources(map[string]Lister{"main": listedMain, "lab": listedLab}, Settings{Interval: time.Minute})
		pass(150 * time.Second)
		require.Len(t, lab.calls, 1, "the problem that was never read")
		require.GreaterOrEqual(t, listedMain.asked.Load(), int64(2))
		require.GreaterOrEqual(t, listedLab.asked.Load(), int64(2))

		q.Ask(alert.Key{Source: "main", EventID: "1"}, time.Hour)
		q.SetSources(map[string]Observer{"lab": lab})
		s.SetSources(map[string]Lister{"lab": listedLab}, Settings{Interval: time.Minute})
		q.Ask(alert.Key{Source: "main", EventID: "2"}, 0)
		q.Ask(alert.Key{Source: "lab", EventID: "8"}, 0)
		before := listedMain.asked.Load()
		pass(2 * time.Hour)
		require.Empty(t, main.calls)
		require.Len(t, lab.calls, 2)
		require.Equal(t, before, listedMain.asked.Load())
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if slices.Contains([]string{"alert_relay_observations_set_apart", "alert_relay_gone_held", "alert_relay_reconcile_last_success_timestamp_seconds"}, f.GetName()) {
				require.Len(t, f.GetMetric(), 1, "the gauge of the removed source is gone")
			}
		}
	})
}

// hanging is a lister whose second list never ends.
type hanging struct{ lister }

func (l *hanging) Open(ctx context.Context, _ func(zabbix.Open)) error {
	if l.asked.Add(1) > 1 {
		<-ctx.Done()
	}
	return ctx.Err()
}

// A round that was asked for ends with the relay, or when its source is removed, not when the one who asked gives up.
func TestNowEndsWithItsSource(t *testing.T) {
	for name, end := range map[string]func(s *Sweeps, stop func()){
		"the relay stops":       func(_ *Sweeps, stop func()) { stop() },
		"the source is removed": func(s *Sweeps, _ func()) { s.SetSources(nil, Settings{Interval: time.Hour}) },
	} {
		synctest.Test(t, func(t *testing.T) {
			s, stop := sweepsOver(t, &hanging{}, time.Hour)
			defer stop()
			errs := make(chan error, 3)
			for range cap(errs) { // one is made, the others wait
				go func() {
					_, err := s.Now(t.Context(), "main", Acceptance{})
					errs <- err
				}()
				synctest.Wait()
			}
			require.Empty(t, errs)
			end(s, stop)
			for range cap(errs) {
				require.ErrorIs(t, <-errs, ErrEnded, name)
			}
		})
	}
}

// disagreeing is a lister whose counts never are those of the store, and whose list takes a while.
type disagreeing struct{ lister }

func (l *disagreeing) Open(context.Context, func(zabbix.Open)) error {
	l.asked.Add(1)
	time.Sleep(20 * time.Second)
	return nil
}

func (l *disagreeing) OpenCounts(context.Context) (zabbix.OpenCounts, error) {
	return zabbix.OpenCounts{Total: 1}, nil
}

// However often counts differ, listing everything takes at most a twentieth of the time.
func TestListsTakeAShareOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &disagreeing{}
		_, stop := sweepsOver(t, l, time.Second)
		defer stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.LessOrEqual(t, l.asked.Load(), int64(time.Hour/share/(20*time.Second)))
		require.GreaterOrEqual(t, l.asked.Load(), int64(7), "but more often than every ten minutes")
	})
}

// sweepsOver runs Sweeps over a lister and an empty store until the test ends, or the returned function is called.
func sweepsOver(t *testing.T, l Lister, interval time.Duration) (*Sweeps, context.CancelFunc) {
	metrics := NewMetrics(prometheus.NewRegistry(), []string{"main"})
	q := NewInquirer(Options{Log: slog.New(slog.DiscardHandler), Metrics: metrics})
	s := NewSweeps(SweepOptions{Sources: map[string]Lister{"main": l}, Settings: Settings{Interval: interval}, Store: memory.New(nil), Inquirer: q,
		Log: slog.New(slog.DiscardHandler), Metrics: metrics})
	ctx, stop := context.WithCancel(t.Context())
	go func() { _ = s.Run(ctx) }()
	synctest.Wait()
	return s, stop
}
