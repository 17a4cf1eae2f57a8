package reconcile

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/zabbix"
)

// counted counts requests and the bytes of their answers.
type counted struct {
	next            http.RoundTripper
	requests, bytes atomic.Int64
	took            atomic.Int64 // until the answer began: Zabbix's part
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	began := time.Now()
	resp, err := c.next.RoundTrip(r)
	c.took.Add(int64(time.Since(began)))
	if err == nil {
		resp.Body = &countedBody{resp.Body, c}
	}
	return resp, err
}

type countedBody struct {
	io.ReadCloser
	c *counted
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.c.bytes.Add(int64(n))
	return n, err
}

// BenchmarkRounds compares 100,000 open problems, of which the store knows all. docs/performance.md has the figures.
func BenchmarkRounds(b *testing.B) {
	const problems = 100_000
	z, err := zabbixsim.New(zabbixsim.Options{Version: "7.0.22", Quick: true})
	require.NoError(b, err)
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "relay.db")})
	require.NoError(b, err)
	defer s.Close()
	var batch []alert.Problem
	for i := range problems {
		id := z.Raise(zabbixsim.StormTrigger(i))
		p, _ := z.Problem(id)
		o := alert.Observation{At: time.Now(), Name: p.Trigger.Name, Opened: p.Opened, Severity: p.Severity, TriggerID: p.Trigger.ID, ItemID: p.Trigger.ItemID,
			Hosts: []alert.Host{{ID: p.Trigger.Host.ID, Host: p.Trigger.Host.Host, Name: p.Trigger.Host.Name}}, Groups: p.Trigger.Host.Groups, Tags: p.Trigger.Tags}
		known, _ := alert.Apply(alert.Problem{}, o.Event(alert.Key{Source: "main", EventID: strconv.FormatInt(id, 10)}, time.Now()))
		if batch = append(batch, known); len(batch) == 1000 {
			require.NoError(b, s.CommitFold(b.Context(), store.Fold{Problems: batch}))
			batch = nil
		}
	}
	transport, hangUp := memnet.Serve("zabbix.test:80", z)
	defer hangUp()
	c := &counted{next: transport}
	client := zabbix.New(zabbix.Options{URL: "http://zabbix.test", Token: zabbixsim.RelayToken, Transport: c})
	metrics := NewMetrics(prometheus.NewRegistry(), []string{"main"})
	q := NewInquirer(Options{Sources: map[string]Observer{"main": client}, Log: slog.New(slog.DiscardHandler), Metrics: metrics})
	sweeps := NewSweeps(SweepOptions{Sources: map[string]Lister{"main": client}, Store: s, Inquirer: q, Log: slog.New(slog.DiscardHandler), Metrics: metrics})
	source, _ := sweeps.sources.Get("main")
	w := &sweep{Sweeps: sweeps, swept: source, name: "main", differs: map[int64]difference{}}
	rounds := map[string]func(context.Context) error{
		"full":   func(ctx context.Context) error { _, err := w.compareAll(ctx, time.Now(), Acceptance{}); return err },
		"counts": func(ctx context.Context) error { return w.compareCounts(ctx, time.Now()) },
		"store":  func(ctx context.Context) error { _, err := s.OpenStates(ctx, "main", time.Now()); return err },
	}
	for _, name := range []string{"full", "counts", "store"} {
		b.Run(name, func(b *testing.B) {
			c.requests.Store(0)
			c.bytes.Store(0)
			c.took.Store(0)
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, rounds[name](b.Context()))
				require.Empty(b, w.differs)
				require.False(b, w.mismatch)
			}
			n := float64(b.N)
			b.ReportMetric(float64(c.requests.Load())/n, "requests/op")
			b.ReportMetric(float64(c.bytes.Load())/n, "answered-B/op")
			b.ReportMetric(float64(c.took.Load())/n/1e6, "zabbix-ms/op")
		})
	}
}
