package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/zabbix"
)

// Some errors make batches smaller, others mean that no call can succeed.
func TestResultOfErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want result
	}{
		"none":                          {nil, answered},
		"a time-out":                    {&zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true}, overloaded},
		"a broken connection":           {&zabbix.Error{Kind: zabbix.Unreachable, Unanswered: true}, overloaded},
		"500":                           {&zabbix.Error{Kind: zabbix.Unreachable, Status: 500}, overloaded},
		"a page with 200":               {&zabbix.Error{Kind: zabbix.Unreachable, Status: 200, Unanswered: true}, overloaded},
		"too large":                     {&zabbix.Error{Kind: zabbix.Unreachable, Status: 413}, overloaded},
		"an exception":                  {&zabbix.Error{Kind: zabbix.Broken, Interrupted: true}, overloaded},
		"a parameter":                   {&zabbix.Error{Kind: zabbix.Invalid}, overloaded},
		"an unknown text":               {&zabbix.Error{Kind: zabbix.Other}, overloaded},
		"no connection":                 {&zabbix.Error{Kind: zabbix.Unreachable}, unreachable},
		"a proxy that wants a login":    {&zabbix.Error{Kind: zabbix.Unreachable, Status: 401}, unreachable},
		"too many requests":             {&zabbix.Error{Kind: zabbix.Unreachable, Status: 429}, unreachable},
		"the database can't be reached": {&zabbix.Error{Kind: zabbix.Broken}, unreachable},
		"the token":                     {&zabbix.Error{Kind: zabbix.NotAuthorised}, unreachable},
		"the role":                      {&zabbix.Error{Kind: zabbix.RoleForbids}, unreachable},
		"the journal":                   {errors.New("disk full"), unreachable},
	} {
		require.Equal(t, c.want, resultOf(c.err), name)
	}
}

func TestSizing(t *testing.T) {
	for name, c := range map[string]struct {
		p    sizing
		n    int
		r    result
		want sizing
		next reaction
	}{
		"it answers":                           {sizing{size: 100}, 100, answered, sizing{size: 100, streak: 1, proven: true}, proceed},
		"it grows after enough answers":        {sizing{size: 25, streak: growAfter - 1}, 25, answered, sizing{size: 50, proven: true}, proceed},
		"it doesn't grow beyond a batch":       {sizing{size: 80, streak: growAfter - 1}, 80, answered, sizing{size: batch, proven: true}, proceed},
		"away":                                 {sizing{size: 50, streak: 3, proven: true}, 50, unreachable, sizing{size: 50, proven: true}, holdOff},
		"too much":                             {sizing{size: 100, streak: 3, proven: true}, 100, overloaded, sizing{size: 50, proven: true}, split},
		"too much, fewer than the size":        {sizing{size: 100}, 7, overloaded, sizing{size: 3}, split},
		"two":                                  {sizing{size: 2}, 2, overloaded, sizing{size: 1}, split},
		"one alone, while others are answered": {sizing{size: 1, proven: true}, 1, overloaded, sizing{size: 1}, exclude},
		"one alone, and nothing was answered":  {sizing{size: 1}, 1, overloaded, sizing{size: 1}, holdOff},
		"one, away":                            {sizing{size: 1, proven: true}, 1, unreachable, sizing{size: 1, proven: true}, holdOff},
	} {
		got, s := c.p.after(c.n, c.r)
		require.Equal(t, c.want, got, name)
		require.Equal(t, c.next, s, name)
	}
}

// Whichever problems Zabbix can't answer about, and however small its limit: all others are answered in a bounded
// number of calls, and only the bad ones are excluded.
func TestBadProblemsAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 400).Draw(t, "problems")
		bad := rapid.MapOfN(rapid.IntRange(0, n-1), rapid.Just(true), 0, min(n, 12)).Draw(t, "bad")
		odd := rapid.MapOfN(rapid.IntRange(0, n-1), rapid.Just(true), 0, min(n, 5)).Draw(t, "left out of the answer")
		most := rapid.IntRange(1, 2*batch).Draw(t, "at once")
		outage := rapid.IntRange(0, 30).Draw(t, "calls of outage")
		begins := rapid.IntRange(0, 30).Draw(t, "outage begins")
		now := time.Unix(0, 0)
		a := newBatcher()
		var due []alert.Key
		for i := range n {
			due = append(due, alert.Key{Source: "main", EventID: strconv.Itoa(i)})
		}
		later := map[alert.Key]time.Time{}
		seen := map[int]bool{}
		excluded := map[int]int{}
		calls, holds, down := 0, 0, 0
		for len(seen) < n-len(bad)-countNew(odd, bad) {
			for k, at := range later {
				if !at.After(now) {
					due = append(due, k)
					delete(later, k)
				}
			}
			if len(a.queue) < batch {
				take := due[:min(batch, len(due))]
				due = due[len(take):]
				a.enqueue(take, now, func(k alert.Key, at time.Time) { later[k] = at })
			}
			keys, _ := a.next()
			if len(keys) == 0 {
				now = now.Add(time.Minute)
				continue
			}
			calls++
			r := answered
			if calls > begins && calls <= begins+outage {
				r = overloaded
				down++
			}
			for _, k := range keys {
				if i, _ := strconv.Atoi(k.EventID); bad[i] || len(keys) > most {
					r = overloaded
				}
			}
			known := func(k alert.Key) bool { i, _ := strconv.Atoi(k.EventID); return !odd[i] }
			if r == answered {
				for _, k := range keys {
					if i, _ := strconv.Atoi(k.EventID); !odd[i] {
						seen[i] = true
					}
				}
			}
			out, wait := a.done(known, r, now)
			for _, k := range out {
				i, _ := strconv.Atoi(k.EventID)
				later[k] = a.excluded[k].until
				if !bad[i] && !odd[i] {
					excluded[i]++
				}
			}
			if wait {
				holds++
				now = now.Add(minRetry)
			}
			if limit := 3*n + 60*(len(bad)+len(odd)+1) + 3*outage; calls > limit {
				t.Fatalf("%d calls for %d problems, %d bad: %d of them were answered", calls, n, len(bad), len(seen))
			}
		}
		if down == 0 && len(excluded) > 0 {
			t.Fatalf("excluded without a reason: %v", excluded)
		}
		if len(excluded) > 1+down {
			t.Fatalf("an outage of %d calls excluded %d", down, len(excluded))
		}
	})
}

func countNew(a, b map[int]bool) (n int) {
	for k := range a {
		if !b[k] {
			n++
		}
	}
	return n
}

// A problem that keeps failing is read with a growing backoff, in calls of its own, until it is answered.
func TestExclusion(t *testing.T) {
	key, now := alert.Key{Source: "main", EventID: "1"}, time.Unix(0, 0)
	a := newBatcher()
	a.sizing.proven = true
	var waits []time.Duration
	for range 9 {
		a.enqueue([]alert.Key{key, {Source: "main", EventID: "2"}}, now, func(k alert.Key, at time.Time) { t.Fatalf("%s isn't due", k) })
		if len(a.alone) > 0 {
			asked, _ := a.next()
			require.Equal(t, []alert.Key{key}, asked, "in a call of its own")
		} else {
			a.sizing.size = 1
		}
		_, wait := a.done(func(alert.Key) bool { return true }, overloaded, now)
		require.False(t, wait, "others don't wait for it")
		a.done(func(alert.Key) bool { return true }, answered, now)
		waits = append(waits, a.excluded[key].until.Sub(now))
		early := false
		a.enqueue([]alert.Key{key}, a.excluded[key].until.Add(-1), func(_ alert.Key, at time.Time) { early = at.Equal(a.excluded[key].until) })
		require.True(t, early)
		now = a.excluded[key].until
	}
	require.Equal(t, []time.Duration{1 * time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour, time.Hour}, waits)
	a.enqueue([]alert.Key{key}, now, nil)
	a.done(func(alert.Key) bool { return true }, answered, now)
	require.Empty(t, a.excluded)
}

// The simulated Zabbix fails for one problem of 150, or is too slow for a hundred at once: the others are read within
// a minute, and so are later ones.
func TestOneBadProblem(t *testing.T) {
	for _, c := range []struct {
		breaks string
		bad    bool
	}{
		{"fail-event:4777", true}, {"odd-event:4777", true}, {"slow:50ms", false}, {"slow:900ms", false},
	} {
		for _, version := range []string{"6.0.14", "7.0.22", "8.0.0"} {
			t.Run(c.breaks+" "+version, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					z, err := zabbixsim.New(zabbixsim.Options{Version: version, Quick: true})
					require.NoError(t, err)
					require.NoError(t, z.Break(c.breaks))
					f := &fake{}
					transport, hangUp := memnet.Serve("zabbix.test:80", z)
					t.Cleanup(hangUp)
					client := zabbix.New(zabbix.Options{URL: "http://zabbix.test", Token: zabbixsim.RelayToken, Transport: transport, Timeout: 2 * time.Second})
					m := NewMetrics(prometheus.NewRegistry(), []string{"main"})
					q := NewInquirer(Options{Sources: map[string]Observer{"main": client}, Journal: f, Log: slog.New(slog.DiscardHandler), Metrics: m})
					ctx, stop := context.WithCancel(t.Context())
					done := make(chan struct{})
					go func() { defer close(done); _ = q.Run(ctx) }()
					defer func() { stop(); <-done }()
					ids := map[string]bool{}
					for range 150 {
						id := fmt.Sprint(z.Raise(z.Triggers()[0]))
						ids[id] = true
						q.Ask(alert.Key{Source: "main", EventID: id}, time.Second)
					}
					q.Ask(alert.Key{Source: "main", EventID: "18446744073709551615"}, time.Second) // larger than any id of Zabbix
					limit := time.Minute
					if c.breaks == "slow:900ms" { // two at once at most
						limit = 5 * time.Minute
					}
					time.Sleep(limit)
					synctest.Wait()
					want := len(ids)
					if c.bad {
						want--
						delete(ids, "4777")
						require.InDelta(t, 1, testutil.ToFloat64(m.Excluded.WithLabelValues("main")), 0)
					}
					require.Equal(t, slices.Sorted(keysOf(ids)), slices.Sorted(keysOf(f.learned(t))))
					require.Len(t, f.entries, want, "each once")
					calls := z.Calls()["event.get"]

					later := z.Raise(z.Triggers()[0])
					q.Ask(alert.Key{Source: "main", EventID: fmt.Sprint(later)}, time.Second)
					time.Sleep(5 * time.Second)
					synctest.Wait()
					require.Contains(t, f.learned(t), fmt.Sprint(later))

					time.Sleep(10 * time.Hour)
					synctest.Wait()
					require.Less(t, z.Calls()["event.get"]-calls, 30, "the backoff grows")
					z.Mend()
					time.Sleep(maxExclusion + time.Minute)
					synctest.Wait()
					require.InDelta(t, 0, testutil.ToFloat64(m.Excluded.WithLabelValues("main")), 0)
					require.Equal(t, c.bad, f.learned(t)["4777"] && !ids["4777"])
				})
			})
		}
	}
}

// An outage of Zabbix is one line in the log, and no problem is lost.
func TestOutages(t *testing.T) {
	for _, breaks := range []string{"page-500", "page-502", "page-503", "page-429", "page-401", "database-away", "system-error", "login-page", "lost-cut", "empty", "forbid:event.get"} {
		t.Run(breaks, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z, err := zabbixsim.New(zabbixsim.Options{Version: "7.0.22", Quick: true})
				require.NoError(t, err)
				f := &fake{}
				transport, hangUp := memnet.Serve("zabbix.test:80", z)
				t.Cleanup(hangUp)
				client := zabbix.New(zabbix.Options{URL: "http://zabbix.test", Token: zabbixsim.RelayToken, Transport: transport})
				log := &counting{}
				q := NewInquirer(Options{Sources: map[string]Observer{"main": client}, Journal: f, Log: slog.New(log), Metrics: NewMetrics(prometheus.NewRegistry(), []string{"main"})})
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); _ = q.Run(ctx) }()
				defer func() { stop(); <-done }()
				ids := map[string]bool{}
				ask := func(n int) {
					for range n {
						id := fmt.Sprint(z.Raise(z.Triggers()[0]))
						ids[id] = true
						q.Ask(alert.Key{Source: "main", EventID: id}, 0)
					}
				}
				ask(30)
				time.Sleep(time.Second)
				synctest.Wait()
				require.NoError(t, z.Break(breaks))
				ask(300)
				before := z.Calls()["event.get"]
				time.Sleep(30 * time.Minute)
				most := 60 // it isn't flooded with calls
				if breaks == "page-429" {
					most = 30*60/90 + 2 // Retry-After: 90
				}
				require.Less(t, z.Calls()["event.get"]-before, most)
				synctest.Wait()
				require.LessOrEqual(t, log.warned(), 3, "one line for the outage, and one for a suspected problem")
				z.Mend()
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				require.Equal(t, slices.Sorted(keysOf(ids)), slices.Sorted(keysOf(f.learned(t))))
			})
		})
	}
}
