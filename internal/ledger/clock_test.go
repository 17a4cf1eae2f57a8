package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
)

// overdue is a bench with n open problems whose escalation is due.
func overdue(t *testing.T, n int) (*bench, ledger.Options) {
	b := newBench(t)
	var f store.Fold
	for i := range n {
		high := alert.High
		p, _ := alert.Apply(alert.Problem{}, alert.Event{
			Key: alert.Key{Source: "main", EventID: fmt.Sprint(i + 1)}, Kind: alert.KindProblem, Origin: alert.OriginTrigger, Severity: &high, ReceivedAt: t0, At: t0,
		})
		f.Problems = append(f.Problems, p)
		f.Posts = append(f.Posts, store.Post{Key: p.Key, Room: "noc", Route: "all", Desired: 1, JoinedAt: t0, EscalateAt: time.Now().Add(-time.Minute), Open: true, PendingSince: t0})
	}
	require.NoError(t, b.store.Store.CommitFold(t.Context(), f))
	for i, post := range f.Posts {
		claimed, err := b.store.ClaimPost(t.Context(), post.Key, post.Room)
		require.NoError(t, err)
		require.True(t, claimed)
		require.NoError(t, b.store.SavePost(t.Context(), post.Key, post.Room, store.Cursor{State: store.PostLive, Delivered: 1, RootID: fmt.Sprint("ROOT", i), ToldSeq: 1}))
	}
	return b, ledger.Options{
		Store: b.store, Decode: decode, Metrics: b.metrics, Log: slog.New(slog.DiscardHandler),
		Rules: ledger.Rules{Rooms: nowhere, Timing: func(room, rule string) route.Timing {
			if room != "noc" || rule != "all" {
				return route.Timing{}
			}
			return route.Timing{Escalate: []config.Escalation{{After: config.Duration(time.Minute), Rooms: []string{"leads"}}}}
		}},
		Changed: func(written store.Fold) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.changed = append(b.changed, written.Posts...)
		},
	}
}

// runDue runs the ledger until nothing is due.
func (b *bench) runDue() {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.ledger.Run(ctx) }()
	for {
		due, err := b.store.DuePosts(b.t.Context(), time.Now(), 1)
		require.NoError(b.t, err)
		if len(due) == 0 {
			break
		}
		select {
		case <-b.store.committed:
		case err := <-done:
			b.t.Fatal("the ledger ended", err)
		}
	}
	stop()
	require.NoError(b.t, <-done)
}

// Each problem escalates exactly once, whatever fails, and many that are due at once are done in batches.
func TestEscalatesExactlyOnce(t *testing.T) {
	for name, fail := range map[string]func(n int) (before, after error){
		"nothing fails":      func(int) (before, after error) { return nil, nil },
		"a commit fails":     func(n int) (before, after error) { return map[int]error{1: errors.New("disk full")}[n], nil },
		"its answer is lost": func(n int) (before, after error) { return nil, map[int]error{1: errors.New("killed")}[n] },
	} {
		t.Run(name, func(t *testing.T) {
			const n = 150
			b, o := overdue(t, n)
			commits := 0
			b.store.fail = func(store.Fold) (before, after error) { commits++; return fail(commits) }
			b.ledger = ledger.New(o)
			b.runDue()
			b.ledger = ledger.New(o) // a restart
			b.runDue()
			for i := range n {
				id := fmt.Sprint(i + 1)
				require.Len(t, b.problem(id).Timeline, 2, id)
				require.Equal(t, alert.EntryEscalated, b.problem(id).Timeline[1].Kind)
				posts := b.posts(id)
				require.Len(t, posts, 2)
				require.Equal(t, "leads", posts[0].Room)
				require.Equal(t, "all", posts[0].Route)
				require.True(t, posts[0].Pending() && posts[1].Pending())
			}
			require.LessOrEqual(t, commits, 4)
			if name == "nothing fails" {
				require.Len(t, b.changed, 2*n)
				require.EqualValues(t, n, testutil.ToFloat64(b.metrics.Escalations))
				require.Zero(t, testutil.ToFloat64(b.metrics.Failures))
			}
		})
	}
}

// A damaged problem doesn't escalate, and delays no other.
func TestDamagedProblemStopsItsClockAlone(t *testing.T) {
	b, o := overdue(t, 20)
	o.Store = &damaging{b.store, alert.Key{Source: "main", EventID: "7"}}
	b.ledger = ledger.New(o)
	b.runDue()
	for i := range 20 {
		want := 2
		if i+1 == 7 {
			want = 1
		}
		require.Len(t, b.posts(fmt.Sprint(i+1)), want)
	}
	require.Zero(t, b.posts("7")[0].DueAt())
}

// If the store rejects the commit of a post, all of that post's clocks are stopped, and the other posts are handled.
func TestARejectedPostStopsItsClocksAlone(t *testing.T) {
	b, o := overdue(t, 20)
	bad := alert.Key{Source: "main", EventID: "7"}
	ended := b.problem("7") // each time it is due, its suppression ends
	ended.Suppressed, ended.SuppressedUntil = true, time.Now().Add(-time.Minute)
	posts := b.posts("7")
	posts[0].LookAt = ended.SuppressedUntil
	require.NoError(t, b.store.Store.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{ended}, Posts: posts}))
	b.store.fail = func(f store.Fold) (before, after error) {
		for _, p := range f.Problems {
			if p.Key == bad {
				return fmt.Errorf("%w: too big", store.ErrRejected), nil
			}
		}
		return nil, nil
	}
	b.ledger = ledger.New(o)
	b.runDue()
	require.Zero(t, b.posts("7")[0].DueAt())
	require.Len(t, b.posts("7"), 1)
	require.Len(t, b.posts("8"), 2)
}

// A post that is held until now is released at once, although an escalation that is due waits for others.
func TestAHeldPostDoesNotWaitForEscalations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(time.Now)
		now := time.Now()
		var f store.Fold
		for _, id := range []string{"1", "2"} {
			p, _ := alert.Apply(alert.Problem{}, alert.Event{
				Key: alert.Key{Source: "main", EventID: id}, Kind: alert.KindProblem, Origin: alert.OriginTrigger, Severity: new(alert.High), ReceivedAt: now, At: now,
			})
			f.Problems = append(f.Problems, p)
			f.Posts = append(f.Posts, store.Post{Key: p.Key, Room: "noc", Route: "all", Desired: 1, JoinedAt: now, Open: true})
		}
		f.Posts[0].PendingSince, f.Posts[0].EscalateAt = now, now.Add(time.Minute)
		f.Posts[1].TellAfter, f.Posts[1].LookAt = now.Add(time.Minute), now.Add(time.Minute)
		require.NoError(t, s.CommitFold(t.Context(), f))
		l := ledger.New(ledger.Options{
			Store: s, Decode: decode, Log: slog.New(slog.DiscardHandler), Metrics: ledger.NewMetrics(prometheus.NewRegistry(), []string{"main"}),
			Rules: ledger.Rules{Rooms: nowhere, Timing: func(string, string) route.Timing {
				return route.Timing{Escalate: []config.Escalation{{After: config.Duration(time.Minute), Rooms: []string{"leads"}}}}
			}},
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		time.Sleep(time.Minute)
		go func() { done <- l.Run(ctx) }()
		synctest.Wait()
		post := func(id string) store.Post {
			key := alert.Key{Source: "main", EventID: id}
			posts, err := s.PostsOf(t.Context(), []alert.Key{key})
			require.NoError(t, err)
			return posts[key][len(posts[key])-1]
		}
		require.True(t, post("2").Pending())
		require.Zero(t, post("1").Escalated)
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		require.NoError(t, <-done)
		require.Equal(t, 1, post("1").Escalated)
	})
}
