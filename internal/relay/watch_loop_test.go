package relay

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/testlog"
)

// Files are compared at the start, soon after they change, and once a minute: some file systems report no changes.
func TestWhenFilesAreCompared(t *testing.T) {
	const second, ms = time.Second, time.Millisecond
	type driver struct {
		events chan fsnotify.Event
		signal chan os.Signal
	}
	repeat := func(op fsnotify.Op, times int) func(driver) {
		return func(d driver) {
			for range times {
				time.Sleep(70 * ms) // never at the time of a comparison
				d.events <- fsnotify.Event{Op: op}
			}
		}
	}
	for name, c := range map[string]struct {
		act   func(driver) // after ten seconds
		added int          // how often follow finds a file that isn't watched yet
		want  []time.Duration
	}{
		"no event":             {func(driver) {}, 0, []time.Duration{0, 60 * second}},
		"one event":            {repeat(fsnotify.Create, 1), 0, []time.Duration{0, 10570 * ms, 60 * second}},
		"several events":       {repeat(fsnotify.Write, 3), 0, []time.Duration{0, 10710 * ms, 60 * second}},
		"a busy directory":     {repeat(fsnotify.Write, 150), 0, []time.Duration{0, 15070 * ms, 20110 * ms, 21 * second, 60 * second}},
		"only modes":           {repeat(fsnotify.Chmod, 3), 0, []time.Duration{0, 60 * second}},
		"a signal":             {func(d driver) { d.signal <- syscall.SIGHUP }, 0, []time.Duration{0, 10 * second, 60 * second}},
		"a newly watched file": {func(driver) {}, 1, []time.Duration{0, 500 * ms, 60 * second}},
		"newly watched files":  {func(driver) {}, 2, []time.Duration{0, 500 * ms, second, 60 * second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var compared []time.Duration
				began := time.Now()
				d := driver{make(chan fsnotify.Event), make(chan os.Signal)}
				r := &Relay{log: new(testlog.Lines).Logger(), metrics: newMetrics(prometheus.NewRegistry(), "dev"), signal: d.signal,
					read: func(func(string, []byte)) (*config.Config, error) {
						compared = append(compared, time.Since(began))
						return nil, errors.New("unreadable")
					}}
				ctx, stop := context.WithCancel(t.Context())
				go r.reloadChanges(ctx, d.events, nil, func() bool {
					c.added--
					return c.added >= 0
				})
				time.Sleep(10 * second)
				c.act(d)
				time.Sleep(time.Until(began.Add(70 * second)))
				stop()
				synctest.Wait()
				require.Equal(t, c.want, compared)
			})
		})
	}
}
