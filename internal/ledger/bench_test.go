package ledger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/testdata"
)

// BenchmarkFold folds recorded problems, each of a trigger of its own, out of the journal, or their recoveries after them. Compare the
// processor time: other load affects it least.
func BenchmarkFold(b *testing.B) {
	for _, resolve := range []bool{false, true} {
		b.Run(map[bool]string{false: "problems", true: "recoveries"}[resolve], func(b *testing.B) {
			s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "relay.db")})
			require.NoError(b, err)
			defer s.Close()
			signal, l := ledgerOver(s)
			fold := func() {
				ctx, stop := context.WithCancel(b.Context())
				done := make(chan error, 1)
				go func() { done <- l.Run(ctx) }()
				for folded := 0; folded < b.N; {
					folded += <-signal.committed
				}
				stop()
				require.NoError(b, <-done)
			}
			appendAll(b, s, recorded(b, "problem-severity-4"))
			if resolve {
				fold()
				appendAll(b, s, recorded(b, "recovery"))
			}
			b.ReportAllocs()
			before := processorTime(b)
			b.ResetTimer()
			fold()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/entry")
		})
	}
}

// appendAll appends b.N entries to the journal.
func appendAll(b *testing.B, s store.Store, body func(i int) []byte) {
	var wg sync.WaitGroup
	for c := range 64 {
		wg.Go(func() {
			for i := c; i < b.N; i += 64 {
				_, err := s.Append(context.Background(), store.Entry{Source: "main", Kind: store.EntryEvent, ReceivedAt: t0, Payload: body(i)})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// recorded returns a function that makes an event as Zabbix 7.0 sent it, with the i-th event and trigger id.
func recorded(b *testing.B, event string) func(i int) []byte {
	raw, err := fs.ReadFile(testdata.Fixtures, "fixtures/zabbix-7.0/events/"+event+".json")
	require.NoError(b, err)
	var macros map[string]string
	require.NoError(b, json.Unmarshal(raw, &macros))
	macros["EVENT.ID"], macros["TRIGGER.ID"] = "{id}", "{id}"
	line, err := json.Marshal(macros)
	require.NoError(b, err)
	return func(i int) []byte {
		return bytes.ReplaceAll(line, []byte("{id}"), strconv.AppendInt(nil, 1_000_000_000+int64(i), 10))
	}
}

// processorTime is the processor time of this process.
func processorTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
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

// ledgerOver returns a ledger that sends every problem to one room, and its store, which signals commits.
func ledgerOver(s store.Store) (*signalling, *ledger.Ledger) {
	signal := &signalling{Store: s, committed: make(chan int, 1<<20)}
	return signal, ledger.New(ledger.Options{
		Store:  signal,
		Rules:  ledger.Rules{Rooms: toNoc},
		Decode: decode, Log: slog.New(slog.DiscardHandler), Metrics: ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"}),
	})
}

// BenchmarkIntakeAndFold appends events by 64 callers, each waiting for the disk, and folds them at the same time: the cost
// of store and ledger without HTTP and delivery.
func BenchmarkIntakeAndFold(b *testing.B) {
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "relay.db")})
	require.NoError(b, err)
	signal, l := ledgerOver(s)
	body := recorded(b, "problem-severity-4")
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	b.ReportAllocs()
	before, written := processorTime(b), written(b)
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range 64 {
		wg.Go(func() {
			for i := c; i < b.N; i += 64 {
				if _, err := s.Append(context.Background(), store.Entry{Source: "main", Kind: store.EntryEvent, ReceivedAt: t0, Payload: body(i)}); err != nil {
					b.Error(err)
				}
				l.Wake()
			}
		})
	}
	wg.Wait()
	appended := b.Elapsed()
	for folded := 0; folded < b.N; {
		folded += <-signal.committed
	}
	stop()
	require.NoError(b, <-done)
	require.NoError(b, s.Close())
	b.StopTimer()
	b.ReportMetric(float64(b.N)/appended.Seconds(), "appended/s")
	b.ReportMetric((b.Elapsed() - appended).Seconds(), "s-later")
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/entry")
	b.ReportMetric(float64(writtenSince(b, written))/4096/float64(b.N), "pages/entry")
}

// written is how many bytes this process has written; 0 if unknown.
func written(b *testing.B) int64 {
	raw, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if n, ok := strings.CutPrefix(line, "wchar: "); ok {
			total, err := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
			require.NoError(b, err)
			return total
		}
	}
	return 0
}

func writtenSince(b *testing.B, before int64) int64 { return written(b) - before }
