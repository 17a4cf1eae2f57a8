package ledger_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// endless is a journal that never runs dry; a commit takes a while, in which so
// many entries come.
type endless struct {
	store.Store
	takes   time.Duration
	arrive  int
	wake    func()
	commits []time.Time
	sizes   []int
}

func (e *endless) PendingEntries(_ context.Context, limit int) ([]store.Entry, error) {
	entries := make([]store.Entry, limit)
	for i := range entries {
		entries[i] = store.Entry{ID: int64(i + 1), Source: "main", Kind: store.EntryEvent, Payload: []byte(payload("1", "1")), ReceivedAt: t0}
	}
	return entries, nil
}

func (e *endless) Problems(context.Context, []alert.Key) (map[alert.Key]alert.Problem, error) {
	return nil, nil
}

func (e *endless) PostsOf(context.Context, []alert.Key) (map[alert.Key][]store.Post, error) {
	return nil, nil
}

func (e *endless) DuePosts(context.Context, time.Time, int) ([]store.Post, error) { return nil, nil }

func (e *endless) CommitFold(_ context.Context, f store.Fold) error {
	e.commits, e.sizes = append(e.commits, time.Now()), append(e.sizes, len(f.Applied))
	for range e.arrive {
		e.wake()
	}
	time.Sleep(e.takes)
	return nil
}

// While entries come faster than they are folded the fold leaves most of the
// time to intake, but never all of it; otherwise it goes on without a pause.
func TestYield(t *testing.T) {
	for name, c := range map[string]struct {
		takes, between time.Duration
		arrive         int
	}{
		"faster than the fold": {10 * time.Millisecond, 50 * time.Millisecond, 100},
		"bounded":              {200 * time.Millisecond, 450 * time.Millisecond, 100},
		"slower than the fold": {10 * time.Millisecond, 10 * time.Millisecond, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &endless{takes: c.takes, arrive: c.arrive}
				l := ledger.New(ledger.Options{
					Store: s, Router: rooms(func(alert.Problem, string, time.Time) []route.Target { return nil }), Decode: decode,
					Log: slog.New(slog.DiscardHandler), Metrics: ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"}),
				})
				s.wake = l.Wake
				ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
				defer stop()
				require.NoError(t, l.Run(ctx))
				require.Greater(t, len(s.commits), 3)
				for i := 1; i < len(s.commits); i++ {
					require.Equal(t, c.between, s.commits[i].Sub(s.commits[i-1]))
					require.LessOrEqual(t, s.sizes[i], 64, "no transaction is long")
				}
			})
		})
	}
}
