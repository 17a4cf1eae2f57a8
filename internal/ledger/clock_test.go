package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/ledger"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
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
