package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
)

// Entries folded a second, each a problem of its own with one room. The database
// holds many others already, which must make no difference.
func BenchmarkFold(b *testing.B) {
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "relay.db")})
	require.NoError(b, err)
	defer s.Close()
	signal := &signalling{Store: s, committed: make(chan int, 1<<20)}
	l := ledger.New(ledger.Options{
		Store:  signal,
		Router: rooms(func(alert.Problem, string, time.Time) []route.Target { return []route.Target{{Room: "noc"}} }),
		Decode: decode, Log: slog.New(slog.DiscardHandler), Metrics: ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"}),
	})
	var wg sync.WaitGroup
	for c := range 64 {
		wg.Go(func() {
			for i := c; i < b.N; i += 64 {
				_, err := s.Append(context.Background(), store.Entry{Source: "main", Kind: store.EntryEvent, ReceivedAt: t0,
					Payload: []byte(payload(fmt.Sprint(i+1), "1", "HOST.HOST", "sw1", "TRIGGER.DESCRIPTION", "a long text, as they are as a rule"))})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ResetTimer()
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	for folded := 0; folded < b.N; {
		folded += <-signal.committed
	}
	stop()
	require.NoError(b, <-done)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

type signalling struct {
	store.Store
	committed chan int
}

func (s *signalling) CommitFold(ctx context.Context, f store.Fold) error {
	err := s.Store.CommitFold(ctx, f)
	if err == nil {
		s.committed <- len(f.Applied)
	}
	return err
}
