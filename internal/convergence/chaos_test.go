package convergence

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/zabbix"
)

// simulated is a Zabbix that loses a tenth of its messages.
type simulated struct {
	*world
	*zabbixsim.Server
	r       *rand.Rand
	api     *memnet.Listener
	end     func()
	remarks map[string]int64 // a comment → its problem
}

// since reports whether the simulated version is this one or newer.
func (z *simulated) since(version string) bool {
	return slices.Index(zabbixsim.Versions, z.Version()) >= slices.IndexFunc(zabbixsim.Versions, func(v string) bool { return strings.HasPrefix(v, version+".") })
}

// zabbixIn puts a simulated Zabbix into a world.
func zabbixIn(t *testing.T, w *world) *simulated {
	z := &simulated{world: w, r: rand.New(rand.NewPCG(w.Seed, 3)), remarks: map[string]int64{}}
	relay := memnet.Listen()
	sender := memnet.Transport(map[string]*memnet.Listener{"relay.test:80": relay})
	var err error
	z.Server, err = zabbixsim.New(zabbixsim.Options{
		Version: pick(z.r, zabbixsim.Versions...), Relay: "http://relay.test/", Client: &http.Client{Transport: sender},
		Attempts: pick(z.r, 1, 1, 3),
	})
	require.NoError(t, err)
	server := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		lost := w.chance.of("webhook " + string(body))
		if lost < 0.03 {
			panic(http.ErrAbortHandler)
		}
		if lost < 0.06 {
			err = errors.New("a gateway without the relay")
		}
		if lost > 0.96 {
			defer panic(http.ErrAbortHandler) // its answer is lost
		}
		if err == nil {
			err = w.accept(store.Entry{Source: source, Kind: store.EntryEvent, Payload: body})
		}
		if err != nil {
			out.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		out.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprint(out, `{}`)
	})}
	z.api = memnet.Listen()
	frontend := &http.Server{Handler: z.Server}
	go func() { _ = server.Serve(relay) }()
	go func() { _ = frontend.Serve(z.api) }()
	stop := run(z.Server.Run)
	z.end = func() {
		w.life.stop()
		_ = stop()
		sender.CloseIdleConnections()
		_, _ = server.Close(), frontend.Close()
	}
	w.zabbix = z
	return z
}

// reconcile starts the parts of a life that ask Zabbix.
func (z *simulated) reconcile(l *life) []func() error {
	transport := memnet.Transport(map[string]*memnet.Listener{"zabbix.test:80": z.api})
	l.lines = append(l.lines, transport)
	client := zabbix.New(zabbix.Options{URL: "http://zabbix.test", Token: zabbixsim.RelayToken, Transport: transport})
	log, metrics := slog.New(slog.DiscardHandler), reconcile.NewMetrics(prometheus.NewRegistry(), []string{source})
	var sweeps *reconcile.Sweeps
	l.inquirer = reconcile.NewInquirer(reconcile.Options{Sources: map[string]reconcile.Observer{source: client}, Journal: l.store, Unobserved: l.store.UnobservedProblems,
		Log: log, Metrics: metrics, Gone: func(key alert.Key, at time.Time) { sweeps.Gone(key, at) }})
	sweeps = reconcile.NewSweeps(reconcile.SweepOptions{Sources: map[string]reconcile.Lister{source: client}, Store: l.store, Inquirer: l.inquirer, Log: log, Metrics: metrics,
		Settings: reconcile.Settings{Interval: time.Minute, MaxAge: 24 * time.Hour}})
	return []func() error{run(sweeps.Run), run(l.inquirer.Run)}
}

// happens changes something in Zabbix, or breaks something. It returns the problems that are left to change.
func (z *simulated) happens(t *testing.T, open []int64) []int64 {
	at := 0
	if len(open) > 0 {
		at = z.r.IntN(len(open))
	}
	do := func(action int, message string) {
		require.NoError(t, z.Do("bob", open[at], action, message, alert.Severity(1+z.r.IntN(5))))
	}
	switch n := z.r.IntN(24); {
	case n < 7 || len(open) == 0:
		trigger := z.Triggers()[z.r.IntN(len(z.Triggers()))]
		trigger.Severity = alert.Severity(1 + z.r.IntN(5))
		return append(open, z.Raise(trigger))
	case n < 10:
		z.Resolve(open[at])
		return append(open[:at:at], open[at+1:]...)
	case n == 10:
		do(pick(z.r, zabbixsim.Close, zabbixsim.Close|zabbixsim.Acknowledge), "")
		return append(open[:at:at], open[at+1:]...)
	case n < 14:
		remark := fmt.Sprintf("remark %d.", len(z.remarks))
		z.remarks[remark] = open[at]
		do(pick(z.r, zabbixsim.Comment, zabbixsim.Comment|zabbixsim.Acknowledge), remark)
	case n == 14:
		do(pick(z.r, zabbixsim.Acknowledge, zabbixsim.Unack), "")
	case n == 15:
		do(zabbixsim.Severity, "")
	case n == 16 && z.since("6.2"):
		do(pick(z.r, zabbixsim.Suppress, zabbixsim.Unsuppress), "")
	case n == 17 && z.since("6.4"):
		z.Rank(open[at], pick(z.r, 0, pick(z.r, open...)))
	case n == 18:
		z.DeleteTrigger(open[at])
		return append(open[:at:at], open[at+1:]...)
	case n == 19:
		require.NoError(t, z.Maintain(open[at], pick(z.r, 0, 3*time.Minute, 100*time.Hour)))
	case n == 20:
		require.NoError(t, z.Break(pick(z.r, "page-502", "page-503", "database-away", "internal-error", "truncated", "show-nothing", "lost-cut", "slow:20s")))
	case n == 21:
		z.Mend()
	default:
		if z.r.IntN(2) == 0 {
			z.life.kill()
		} else {
			z.life.stop()
		}
		time.Sleep(within(z.r, pick(z.r, time.Second, 2*time.Minute)))
		z.start()
	}
	return open
}

// A tenth of Zabbix's messages is lost, its API fails at times, triggers are deleted, and the relay is stopped and killed: in the end
// each room shows exactly what Zabbix has, and nothing was posted twice.
func TestChaos(t *testing.T) {
	first, n := *firstFlag, max(1, *schedulesFlag/4)
	if *seedFlag > 0 {
		first, n = *seedFlag, 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			if seed > first {
				t.Parallel()
			}
			dir, empty := t.TempDir(), sqlitetest.Empty()
			synctest.Test(t, func(t *testing.T) {
				s := schedule{Seed: seed, Workers: 2, Rate: 20}
				if seed%2 == 0 {
					s.Rules.Flapping = config.Flapping{Count: 3, Window: config.Duration(15 * time.Minute)}
				}
				w := newWorld(s, dir, empty)
				z := zabbixIn(t, w)
				w.start()
				defer w.close()
				defer z.end()
				z.Resolve(z.Raise(z.Triggers()[0])) // Zabbix's past
				var open []int64
				for range 60 {
					open = z.happens(t, open)
					time.Sleep(within(z.r, pick(z.r, time.Second, 20*time.Second, 3*time.Minute)))
				}
				z.Mend()
				time.Sleep(30 * time.Minute)
				synctest.Wait()
				require.True(t, w.settle())
				if d := z.differences(); len(d) > 0 && *seedFlag > 0 {
				}
				for _, differs := range z.differences() {
					t.Error(differs)
				}
				require.Empty(t, w.faults)
			})
		})
	}
}
