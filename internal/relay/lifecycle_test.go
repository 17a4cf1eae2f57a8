package relay

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What takes things in stops before what works them off.
func TestStagesStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var stopped []string
		p := func(name string) part {
			return part{name, func(ctx context.Context) error {
				<-ctx.Done()
				mu.Lock()
				stopped = append(stopped, name)
				mu.Unlock()
				return nil
			}}
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- runStages(ctx, slog.New(slog.DiscardHandler), time.Minute, stage{[]part{p("delivery")}}, stage{[]part{p("ledger")}}, stage{[]part{p("intake")}})
		}()
		synctest.Wait()
		stop()
		require.NoError(t, <-done)
		require.Equal(t, []string{"intake", "ledger", "delivery"}, stopped)
	})
}

// A part that fails ends the relay with its error, and the others still stop in order.
func TestAPartThatFailsEndsTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := part{"other", func(ctx context.Context) error { <-ctx.Done(); return nil }}
		bad := part{"bad", func(context.Context) error { return errors.New("no space left") }}
		err := runStages(t.Context(), slog.New(slog.DiscardHandler), time.Minute, stage{[]part{other}}, stage{[]part{bad}})
		require.ErrorContains(t, err, "bad: no space left")
	})
}

// A part that doesn't stop is told, and doesn't keep the relay from ending.
func TestAPartThatHangsIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hangs := part{"hangs", func(context.Context) error { <-release; return nil }}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		err := runStages(ctx, slog.New(slog.DiscardHandler), time.Second, stage{[]part{hangs}})
		require.ErrorContains(t, err, "didn't stop within 1s")
		close(release)
		synctest.Wait()
	})
}
