package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// memory is a journal in memory that counts how often each entry is folded. A commit takes
// a while, and may fail, before or after it is kept.
type memory struct {
	store.Store
	mu      sync.Mutex
	takes   time.Duration
	fails   func() (before, after bool)
	entries []store.Entry
	pending map[int64]bool
	folded  map[int64]int
	commits []time.Time
	sizes   []int
}

func newMemory() *memory {
	return &memory{pending: map[int64]bool{}, folded: map[int64]int{}, fails: func() (bool, bool) { return false, false }}
}

func (m *memory) append() {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := int64(len(m.entries) + 1)
	e := store.Entry{ID: id, Source: "main", Kind: store.EntryEvent, Payload: []byte(payload(fmt.Sprint(id), "1")), ReceivedAt: t0}
	m.entries = append(m.entries, e)
	m.pending[id] = true
}

func (m *memory) PendingEntries(_ context.Context, limit int) (entries []store.Entry, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if m.pending[e.ID] && len(entries) < limit {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

func (m *memory) Problems(context.Context, []alert.Key) (map[alert.Key]alert.Problem, error) {
	return nil, nil
}

func (m *memory) PostsOf(context.Context, []alert.Key) (map[alert.Key][]store.Post, error) {
	return nil, nil
}

func (m *memory) Grouping(context.Context, []store.GroupingAsk) (map[string]store.RoomGrouping, error) {
	return nil, nil
}

func (m *memory) FreshRooms(context.Context) ([]string, error) { return nil, nil }

func (m *memory) DuePosts(context.Context, time.Time, int) ([]store.Post, error) { return nil, nil }

var errDisk = errors.New("the disk is away")

func (m *memory) CommitFold(_ context.Context, f store.Fold) error {
	m.mu.Lock()
	before, after := m.fails()
	takes := m.takes
	if before {
		m.mu.Unlock()
		return errDisk
	}
	m.commits, m.sizes = append(m.commits, time.Now()), append(m.sizes, len(f.Applied))
	for _, id := range f.Applied {
		m.folded[id]++
		delete(m.pending, id)
	}
	m.mu.Unlock()
	time.Sleep(takes)
	if after {
		return errDisk
	}
	return nil
}

// run folds until the test ends.
func (m *memory) run(t *testing.T) *ledger.Ledger {
	l := ledger.New(ledger.Options{
		Store: m, Router: rooms(func(alert.Problem, string, time.Time) []route.Target { return nil }), Decode: decode,
		Log: slog.New(slog.DiscardHandler), Metrics: ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"}),
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-done) })
	synctest.Wait() // it has looked at what there is
	return l
}

func (m *memory) set(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do()
}

func (m *memory) once(t interface {
	require.TestingT
	Helper()
}) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	require.Empty(t, m.pending)
	require.Len(t, m.folded, len(m.entries))
	for id, n := range m.folded {
		require.Equal(t, 1, n, "entry %d", id)
	}
}

// An appended entry is folded at once when the fold is woken, and with the next poll when nobody wakes it.
func TestWokenOrPolled(t *testing.T) {
	for name, c := range map[string]struct {
		wake   bool
		within time.Duration
	}{
		"woken":  {true, 0},
		"polled": {false, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				l := m.run(t)
				for range 10 {
					m.append()
					if c.wake {
						l.Wake()
					}
					time.Sleep(c.within)
					synctest.Wait()
					m.once(t)
				}
			})
		})
	}
}

// In a burst batches grow while they are quick to write, and what comes meanwhile is
// gathered; where writing is slow they stay short.
func TestBatches(t *testing.T) {
	for name, c := range map[string]struct {
		takes       time.Duration
		least, most int
	}{
		"quick": {takes: time.Millisecond, least: 100, most: 512},
		"slow":  {takes: 50 * time.Millisecond, least: 128, most: 128},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				m.takes = c.takes
				l := m.run(t)
				for range 3000 {
					m.append()
					l.Wake()
					time.Sleep(100 * time.Microsecond)
				}
				time.Sleep(10 * time.Second)
				m.once(t)
				require.LessOrEqual(t, slices.Max(m.sizes), c.most)
				require.GreaterOrEqual(t, slices.Max(m.sizes), c.least)
			})
		})
	}
}

// Whoever wakes the fold or doesn't, and whatever becomes of commits: each entry is folded once.
func TestEachEntryIsFoldedOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			m := newMemory()
			m.takes = time.Duration(r.IntN(30)) * time.Millisecond
			failing := r.Float64() * .3
			faults := rand.New(rand.NewPCG(seed, 2)) // of the fold
			m.fails = func() (bool, bool) { return faults.Float64() < failing, faults.Float64() < failing }
			for range r.IntN(100) {
				m.append() // by an earlier process
			}
			l := m.run(t)
			for range r.IntN(300) {
				m.append()
				if r.Float64() < .5 {
					l.Wake()
				}
				if r.Float64() < .1 {
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
				}
			}
			m.set(func() { m.fails = newMemory().fails })
			time.Sleep(time.Minute)
			m.once(t)
		})
	})
}
