package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a Zabbix and a journal.
type fake struct {
	mu      sync.Mutex
	down    bool
	full    bool // the journal
	calls   [][]string
	at      []time.Time
	entries []store.Entry
}

func (f *fake) Observe(_ context.Context, ids []string) (map[string]alert.Observation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.at = append(f.calls, ids), append(f.at, time.Now())
	if f.down {
		return nil, errors.New("connection refused")
	}
	seen := map[string]alert.Observation{}
	for _, id := range ids {
		seen[id] = alert.Observation{At: time.Now(), Name: "problem " + id, Gone: id == "gone"}
	}
	return seen, nil
}

func (f *fake) Append(_ context.Context, e store.Entry) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full {
		return 0, errors.New("no space left")
	}
	f.entries = append(f.entries, e)
	return int64(len(f.entries)), nil
}

// learned returns the events with journalled observations.
func (f *fake) learned(t *testing.T) map[string]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := map[string]bool{}
	for _, entry := range f.entries {
		var e store.Envelope
		require.NoError(t, json.Unmarshal(entry.Payload, &e))
		ids[e.EventID] = true
	}
	return ids
}

func keysOf(m map[string]bool) iter.Seq[string] { return maps.Keys(m) }

// counting counts warnings.
type counting struct {
	slog.Handler
	warnings atomic.Int64
}

func (c *counting) warned() int { return int(c.warnings.Load()) }

func (c *counting) Enabled(context.Context, slog.Level) bool { return true }

func (c *counting) WithAttrs([]slog.Attr) slog.Handler { return c }

func (c *counting) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		c.warnings.Add(1)
	}
	return nil
}

func run(t *testing.T, f *fake) *Inquirer {
	q := NewInquirer(Options{Sources: map[string]Observer{"main": f}, Journal: f,
		Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry(), []string{"main"})})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = q.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return q
}

// Problems that change together are read in one call, and each answer is journalled once.
func TestReadsAreBatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		q := run(t, f)
		for i := range 150 {
			q.Ask(alert.Key{Source: "main", EventID: fmt.Sprint(i)}, time.Second)
			q.Ask(alert.Key{Source: "main", EventID: fmt.Sprint(i)}, time.Second) // duplicates are merged
		}
		q.Ask(alert.Key{Source: "unknown", EventID: "1"}, 0) // a source without an API token
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, f.calls, 2)
		require.Len(t, f.entries, 150)
		var e store.Envelope
		require.NoError(t, json.Unmarshal(f.entries[0].Payload, &e))
		require.Equal(t, "problem "+e.EventID, e.Observation.Name)
		require.Equal(t, store.EntryObservation, f.entries[0].Kind)
	})
}

// A problem isn't gone just because Zabbix doesn't show its event.
func TestHiddenEventIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		q := run(t, f)
		q.Ask(alert.Key{Source: "main", EventID: "gone"}, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, f.calls, 1)
		require.Empty(t, f.entries)
	})
}

// Without any source Run waits for ctx.
func TestRunsWithoutSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewInquirer(Options{})
		ctx, stop := context.WithCancel(t.Context())
		ended := false
		go func() { _ = q.Run(ctx); ended = true }()
		synctest.Wait()
		require.False(t, ended)
		stop()
		synctest.Wait()
		require.True(t, ended)
	})
}

// While Zabbix is unreachable reads are retried with a growing backoff.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{down: true}
		q := run(t, f)
		q.Ask(alert.Key{Source: "main", EventID: "1"}, 0)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		f.mu.Lock()
		require.Less(t, len(f.calls), 20)
		f.down = false
		f.mu.Unlock()
		time.Sleep(maxRetry)
		synctest.Wait()
		require.Len(t, f.entries, 1)
	})
}

// A read now doesn't replace a later one, since Zabbix closes a problem with a delay.
func TestLaterReadsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		q := run(t, f)
		key := alert.Key{Source: "main", EventID: "1"}
		q.Ask(key, 0)
		q.Ask(key, 3*time.Second)
		q.Ask(key, 10*time.Second)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, f.at, 3)
	})
}

// The answer to a lookup that couldn't be stored is marked when it is stored later.
func TestLookupsSurviveAFailingJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{full: true}
		q := run(t, f)
		q.LookUp([]Lookup{{Key: alert.Key{Source: "main", EventID: "1"}, Found: alert.FoundProblem}})
		time.Sleep(time.Second)
		synctest.Wait()
		f.mu.Lock()
		require.NotEmpty(t, f.calls)
		f.full = false
		f.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, f.entries, 1)
		var e store.Envelope
		require.NoError(t, json.Unmarshal(f.entries[0].Payload, &e))
		require.Equal(t, alert.FoundProblem, e.Observation.Found)
	})
}
