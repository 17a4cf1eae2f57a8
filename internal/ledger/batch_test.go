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

	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// journal is a store in memory that counts how often each entry is folded. A commit takes a while, and may fail
// before or after it is executed.
type journal struct {
	*memory.Store
	mu       sync.Mutex
	takes    time.Duration
	fails    func() (before, after bool)
	appended int
	folded   map[int64]int
	sizes    []int // of the commits
}

func newJournal() *journal {
	return &journal{Store: memory.New(time.Now), folded: map[int64]int{}, fails: never}
}

func never() (before, after bool) { return false, false }

func (j *journal) append(t *testing.T) {
	j.appended++
	_, err := j.Append(t.Context(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte(payload(fmt.Sprint(j.appended), "1")), ReceivedAt: t0})
	require.NoError(t, err)
}

var errDisk = errors.New("the disk is away")

func (j *journal) CommitFold(ctx context.Context, f store.Fold) error {
	j.mu.Lock()
	before, after := j.fails()
	takes := j.takes
	j.mu.Unlock()
	if before {
		return errDisk
	}
	time.Sleep(takes)
	if err := j.Store.CommitFold(ctx, f); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sizes = append(j.sizes, len(f.Applied))
	for _, id := range f.Applied {
		j.folded[id]++
	}
	if after {
		return errDisk
	}
	return nil
}

// run folds until the test ends.
func (j *journal) run(t *testing.T) *ledger.Ledger {
	l := ledger.New(ledger.Options{
		Store: j, Rules: ledger.Rules{Rooms: nowhere}, Decode: decode,
		Log: slog.New(slog.DiscardHandler), Metrics: ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"}),
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-done) })
	synctest.Wait() // the first read is done
	return l
}

func (j *journal) set(do func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	do()
}

// foldedOnce checks that nothing is pending and that each entry was folded once.
func (j *journal) foldedOnce(t *testing.T) {
	t.Helper()
	stats, err := j.Stats(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats.JournalPending)
	j.mu.Lock()
	defer j.mu.Unlock()
	require.Len(t, j.folded, j.appended)
	for id, n := range j.folded {
		require.Equal(t, 1, n, "entry %d", id)
	}
}

// An appended entry is folded at once when the fold is woken, and with the next poll when nobody wakes it.
func TestFoldIsWokenOrPolls(t *testing.T) {
	for name, c := range map[string]struct {
		wake   bool
		within time.Duration
	}{
		"woken":  {true, 0},
		"polled": {false, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJournal()
				l := j.run(t)
				for range 10 {
					j.append(t)
					if c.wake {
						l.Wake()
					}
					time.Sleep(c.within)
					synctest.Wait()
					j.foldedOnce(t)
				}
			})
		})
	}
}

// In a burst batches grow while commits are fast, and stay small while they are slow.
func TestBatches(t *testing.T) {
	for name, c := range map[string]struct {
		takes       time.Duration
		least, most int
	}{
		"quick": {takes: time.Millisecond, least: 100, most: 1024},
		"slow":  {takes: 50 * time.Millisecond, least: 256, most: 256},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJournal()
				j.takes = c.takes
				l := j.run(t)
				for range 3000 {
					j.append(t)
					l.Wake()
					time.Sleep(100 * time.Microsecond)
				}
				time.Sleep(10 * time.Second)
				j.foldedOnce(t)
				require.LessOrEqual(t, slices.Max(j.sizes), c.most)
				require.GreaterOrEqual(t, slices.Max(j.sizes), c.least)
			})
		})
	}
}

// Whether or not somebody wakes the fold, and whichever commits fail, each entry is folded once.
func TestEachEntryIsFoldedOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			j := newJournal()
			j.takes = time.Duration(r.IntN(30)) * time.Millisecond
			failing := r.Float64() * .3
			faults := rand.New(rand.NewPCG(seed, 2)) // of the fold
			j.fails = func() (bool, bool) { return faults.Float64() < failing, faults.Float64() < failing }
			for range r.IntN(100) {
				j.append(t) // by an earlier process
			}
			l := j.run(t)
			for range r.IntN(300) {
				j.append(t)
				if r.Float64() < .5 {
					l.Wake()
				}
				if r.Float64() < .1 {
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
				}
			}
			j.set(func() { j.fails = never })
			time.Sleep(time.Minute)
			j.foldedOnce(t)
		})
	})
}
