package relay

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/testlog"
)

// Intake stops before the parts that process what it accepted.
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
			done <- runStages(ctx, slog.New(slog.DiscardHandler), time.Minute, func() {}, stage{p("delivery")}, stage{p("ledger")}, stage{p("intake")})
		}()
		synctest.Wait()
		stop()
		require.NoError(t, <-done)
		require.Equal(t, []string{"intake", "ledger", "delivery"}, stopped)
	})
}

// Whatever the reason for a stop, draining comes first and once. The error names every part that failed and every part that did
// not stop.
func TestStopping(t *testing.T) {
	failing := errors.New("no space left")
	// ends makes a part that ends unasked when begin is closed.
	ends := func(begin <-chan struct{}, err error) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			select {
			case <-begin:
				return err
			case <-ctx.Done():
				return nil
			}
		}
	}
	for name, c := range map[string]struct {
		stop   bool // by the signal; else by the part that fails
		late   bool // the part listener fails after it was told to stop
		fails  error
		hangs  []string
		want   []string // of the error
		wanted time.Duration
	}{
		"by a signal":                        {stop: true},
		"a part fails":                       {fails: failing, want: []string{"listener: no space left"}},
		"a part ends by itself":              {want: []string{"listener: stopped by itself"}},
		"a part is cancelled by itself":      {fails: context.Canceled, want: []string{"listener: context canceled"}},
		"a signal, and a part hangs":         {stop: true, hangs: []string{"delivery"}, want: []string{"delivery: still running 1m0s after it was told to stop"}, wanted: time.Minute},
		"a signal, and one of a stage hangs": {stop: true, hangs: []string{"ledger"}, want: []string{"ledger: still running 1m0s after it was told to stop"}, wanted: time.Minute},
		"two of one stage hang":              {stop: true, hangs: []string{"ledger", "retention"}, want: []string{"ledger, retention: still running"}, wanted: time.Minute},
		"two stages hang":                    {stop: true, hangs: []string{"retention", "delivery"}, want: []string{"retention: still running", "delivery: still running"}, wanted: 2 * time.Minute},
		"a part fails and another hangs":     {fails: failing, hangs: []string{"ledger"}, want: []string{"listener: no space left", "ledger: still running"}, wanted: time.Minute},
		"a part fails while it stops":        {stop: true, late: true, fails: failing, want: []string{"listener: no space left"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &testlog.Lines{}
				release, begin := make(chan struct{}), make(chan struct{})
				var drained, early int
				var mu sync.Mutex
				member := func(name string) part {
					return part{name, func(ctx context.Context) error {
						<-ctx.Done()
						mu.Lock()
						if drained != 1 {
							early++
						}
						mu.Unlock()
						if slices.Contains(c.hangs, name) {
							<-release
						}
						return nil
					}}
				}
				listener := part{"listener", ends(begin, c.fails)}
				if c.late {
					listener.run = func(ctx context.Context) error { <-ctx.Done(); return c.fails }
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				done := make(chan error, 1)
				go func() {
					done <- runStages(ctx, log.Logger(), time.Minute, func() { mu.Lock(); drained++; mu.Unlock() },
						stage{member("delivery")}, stage{member("ledger"), member("retention")}, stage{listener})
				}()
				synctest.Wait()
				require.Zero(t, drained, "ready while all parts run")
				began := time.Now()
				if c.stop {
					stop()
				} else {
					close(begin)
				}
				err := <-done
				require.Equal(t, c.wanted, time.Since(began))
				require.Equal(t, 1, drained)
				require.Zero(t, early, "no part stops while the relay is ready")
				if len(c.want) == 0 {
					require.NoError(t, err)
				}
				for _, text := range c.want {
					require.ErrorContains(t, err, text)
				}
				if len(c.hangs) == 0 && err != nil {
					require.NotContains(t, err.Error(), "still running")
				}
				close(release)
				synctest.Wait()
			})
		})
	}
}
