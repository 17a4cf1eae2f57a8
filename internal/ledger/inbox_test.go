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
	read    int // entries that were read
	decoded int // by the fold
	commits []time.Time
	sizes   []int
}

func newMemory() *memory {
	return &memory{pending: map[int64]bool{}, folded: map[int64]int{}, fails: func() (bool, bool) { return false, false }}
}

func (m *memory) append() store.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := int64(len(m.entries) + 1)
	e := store.Entry{ID: id, Source: "main", Kind: store.EntryEvent, Payload: []byte(payload(fmt.Sprint(id), "1")), ReceivedAt: t0}
	m.entries = append(m.entries, e)
	m.pending[id] = true
	return e
}

func (m *memory) PendingEntries(_ context.Context, limit int) (entries []store.Entry, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if m.pending[e.ID] && len(entries) < limit {
			entries = append(entries, e)
			m.read++
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

func (m *memory) decode(e store.Entry) (ledger.Decoded, error) {
	m.mu.Lock()
	m.decoded++
	m.mu.Unlock()
	return decode(e)
}

// run folds until the test ends.
func (m *memory) run(t *testing.T) *ledger.Ledger {
	l := ledger.New(ledger.Options{
		Store: m, Router: rooms(func(alert.Problem, string, time.Time) []route.Target { return nil }), Decode: m.decode,
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

// What is handed over is neither read out of the journal nor decoded again, also
// where one overtakes another on the way.
func TestHandedOverIsntRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := m.run(t)
		for range 3 {
			entries := []store.Entry{m.append(), m.append(), m.append(), m.append()}
			slices.Reverse(entries)
			for _, e := range entries {
				l.Take(e, decode)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		m.once(t)
		require.Zero(t, m.read)
		require.Zero(t, m.decoded)
	})
}

// What nobody hands over is read at once where somebody tells of it, soon where what
// came after it is here, and after a while in any case.
func TestNotHandedOverIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		tell   func(l *ledger.Ledger, m *memory)
		within time.Duration
	}{
		"told":             {func(l *ledger.Ledger, _ *memory) { l.Wake() }, 0},
		"another follows":  {func(l *ledger.Ledger, m *memory) { l.Take(m.append(), decode) }, 2 * time.Millisecond},
		"nobody says that": {func(*ledger.Ledger, *memory) {}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				l := m.run(t)
				l.Take(m.append(), decode)
				synctest.Wait()
				m.append()
				c.tell(l, m)
				time.Sleep(c.within)
				synctest.Wait()
				m.once(t)
				require.Equal(t, 1, m.decoded)
			})
		})
	}
}

// However much is handed over while a commit takes long, memory is bounded and
// nothing is lost: the rest is read.
func TestHandedOverIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := m.run(t)
		m.set(func() { m.takes = time.Second })
		for range 20_000 {
			l.Take(m.append(), decode)
		}
		synctest.Wait()
		m.set(func() { m.takes = 0 })
		time.Sleep(time.Minute)
		m.once(t)
		require.NotZero(t, m.decoded)
		require.Less(t, m.decoded, 15_000, "some of it was here")
	})
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
					l.Take(m.append(), decode)
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

// A single event isn't kept waiting.
func TestASingleEventIsFoldedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := m.run(t)
		for range 10 {
			l.Take(m.append(), decode)
			synctest.Wait()
			m.once(t)
			require.WithinDuration(t, time.Now(), m.commits[len(m.commits)-1], 0)
			time.Sleep(time.Second)
		}
	})
}

// Whatever is handed over, late, in any order or not at all, and whatever becomes
// of commits: each entry is folded once.
func TestEachOnceWhateverIsHandedOver(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			chance := func(of float64) bool { return r.Float64() < of }
			m := newMemory()
			m.takes = time.Duration(r.IntN(30)) * time.Millisecond
			failing := r.Float64() * .3
			faults := rand.New(rand.NewPCG(seed, 2)) // of the fold
			m.fails = func() (bool, bool) { return faults.Float64() < failing, faults.Float64() < failing }
			for range r.IntN(100) {
				m.append() // of an earlier process
			}
			l := m.run(t)
			var late sync.WaitGroup
			for range r.IntN(300) {
				e := m.append()
				switch {
				case chance(.1):
					l.Wake()
				case chance(.1):
				case chance(.3):
					after := time.Duration(r.IntN(20)) * time.Millisecond
					late.Go(func() { time.Sleep(after); l.Take(e, decode) })
				default:
					l.Take(e, decode)
				}
				if chance(.1) {
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
				}
			}
			late.Wait()
			m.set(func() { m.fails = newMemory().fails })
			time.Sleep(time.Minute)
			m.once(t)
		})
	})
}
