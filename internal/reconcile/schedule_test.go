package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
)

func keyOf(n int) alert.Key { return alert.Key{Source: "main", EventID: fmt.Sprint(n)} }

// While a Zabbix is unreachable, the number of problems and of reads of a problem is bounded. The first and the last
// read stay.
func TestScheduleIsBounded(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	for name, c := range map[string]struct {
		problems, updates int
		every             time.Duration
		planned, reads    int
		dropped           bool
	}{
		"one problem, updates for a day":     {1, 86_400, time.Second, 1, maxReads, false},
		"one problem, updates all at once":   {1, 10_000, 0, 1, 1, false},
		"a few updates":                      {1, 3, time.Minute, 1, 3, false},
		"a storm as large as the bound":      {maxKeys, 1, 0, maxKeys, 1, false},
		"a storm larger than the bound":      {maxKeys + 5000, 1, 0, maxKeys, 1, true},
		"a large storm, updated for an hour": {2 * maxKeys, 10, 6 * time.Minute, maxKeys, maxReads, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := newSchedule()
			for i := range c.updates {
				for n := range c.problems {
					a.add(keyOf(n), at(time.Duration(i)*c.every))
				}
			}
			require.Len(t, a.planned, c.planned)
			require.Len(t, a.order, c.planned)
			reads := a.planned[keyOf(0)].reads
			require.Len(t, reads, c.reads)
			require.LessOrEqual(t, cap(reads), 2*maxReads+2)
			require.Equal(t, at(0), reads[0], "the first read")
			require.Equal(t, at(time.Duration(c.updates-1)*c.every), reads[len(reads)-1], "the last read")
			require.Equal(t, c.dropped, a.dropped)
			require.False(t, a.hasRoomAgain() && c.planned == maxKeys, "there is no room yet")

			taken := 0
			for {
				due, _ := a.popDue(at(48 * time.Hour))
				if len(due) == 0 {
					break
				}
				require.LessOrEqual(t, len(due), batch)
				taken += len(due)
			}
			require.Equal(t, c.planned, taken, "each once")
			require.Empty(t, a.planned)
			require.Empty(t, a.order)
			require.Equal(t, c.dropped, a.hasRoomAgain())
			require.False(t, a.hasRoomAgain(), "only once")
		})
	}
}

// In whatever order reads are scheduled and popped, each due key is popped, none early, and none is lost.
func TestScheduleLosesNothing(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		a, now := newSchedule(), start
		last := map[alert.Key]time.Time{} // read that must still come, or one at most mergeWindow earlier
		first := map[alert.Key]time.Time{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "add") {
				key := keyOf(rapid.IntRange(0, 5).Draw(t, "key"))
				at := now.Add(time.Duration(rapid.IntRange(-2000, 20_000).Draw(t, "in")) * time.Millisecond)
				a.add(key, at)
				if at.After(last[key]) {
					last[key] = at
				}
				if t, ok := first[key]; !ok || at.Before(t) {
					first[key] = at
				}
				continue
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "wait")) * time.Millisecond)
			due, _ := a.popDue(now)
			for key, p := range a.planned {
				if len(due) < batch && !p.reads[0].After(now) {
					t.Fatalf("%v is due and wasn't popped", key)
				}
			}
			for _, key := range due {
				if first[key].After(now.Add(mergeWindow)) {
					t.Fatalf("%v was popped before its time", key)
				}
				if p := a.planned[key]; p == nil {
					if last[key].After(now.Add(mergeWindow)) {
						t.Fatalf("the read at %v of %v is lost", last[key], key)
					}
					delete(first, key)
					delete(last, key)
				} else {
					first[key] = p.reads[0]
				}
			}
		}
		for key, p := range a.planned {
			if d := last[key].Sub(p.reads[len(p.reads)-1]); d > mergeWindow {
				t.Fatalf("the last read at %v is %s too early", key, d)
			}
		}
	})
}

// Problems that were dropped during an outage, and those that the store failed to list at the start, are read
// eventually.
func TestCatchUp(t *testing.T) {
	for name, c := range map[string]struct {
		before      int // problems that were never read before the start
		fails       int // how often the store fails at the start
		comes       int // problems during the outage
		unreachable bool
	}{
		"none":                                   {},
		"some from before":                       {before: 250},
		"the store fails once at the start":      {before: 250, fails: 1},
		"the store fails for a while":            {before: 250, fails: 20},
		"Zabbix is unreachable, there is room":   {comes: 500, unreachable: true},
		"Zabbix is unreachable, not enough room": {comes: maxKeys + 2500, unreachable: true},
		"not enough room, and some from before":  {before: 100, comes: maxKeys + 100, unreachable: true, fails: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{down: c.unreachable}
				failing := c.fails
				var known atomic.Int64
				known.Store(int64(c.before))
				q := NewInquirer(Options{Sources: map[string]Observer{"main": f}, Journal: f, Log: slog.New(slog.DiscardHandler),
					Metrics: NewMetrics(prometheus.NewRegistry(), []string{"main"}),
					Unobserved: func(_ context.Context, limit int) (keys []alert.Key, err error) {
						if failing > 0 {
							failing--
							return nil, errors.New("disk I/O error")
						}
						learned := f.learned(t)
						for n := 0; n < int(known.Load()) && len(keys) < limit; n++ {
							if key := keyOf(n); !learned[key.EventID] {
								keys = append(keys, key)
							}
						}
						return keys, nil
					}})
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); _ = q.Run(ctx) }()
				time.Sleep(time.Minute)
				for n := range c.comes {
					q.Ask(keyOf(c.before+n), time.Second)
				}
				known.Add(int64(c.comes))
				time.Sleep(time.Hour)
				f.mu.Lock()
				f.down = false
				f.mu.Unlock()
				time.Sleep(time.Hour)
				synctest.Wait()
				require.Len(t, f.learned(t), c.before+c.comes)
				stop()
				<-done
			})
		})
	}
}
