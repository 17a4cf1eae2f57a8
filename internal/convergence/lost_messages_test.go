package convergence

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// simulated is a Zabbix that loses a tenth of its messages.
type simulated struct {
	*world
	*zabbixsim.Server
	r   *rand.Rand
	api *memnet.Listener
	end func()
}

// zabbixIn puts a simulated Zabbix into a world.
func zabbixIn(t *testing.T, w *world) *simulated {
	z := &simulated{world: w, r: rand.New(rand.NewPCG(w.Seed, 3))}
	relay := memnet.Listen()
	sender := memnet.Transport(map[string]*memnet.Listener{"relay.test:80": relay})
	var err error
	z.Server, err = zabbixsim.New(zabbixsim.Options{
		Version: pick(z.r, zabbixsim.Versions...), Relay: "http://relay.test/", Client: &http.Client{Transport: sender},
		Lose: func(int64, alert.Kind) bool { return z.r.IntN(10) == 0 },
	})
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
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
	switch n := z.r.IntN(20); {
	case n < 7 || len(open) == 0:
		trigger := z.Triggers()[z.r.IntN(len(z.Triggers()))]
		trigger.Severity = alert.Severity(1 + z.r.IntN(5))
		return append(open, z.Raise(trigger))
	case n < 11:
		z.Resolve(open[at])
		return append(open[:at:at], open[at+1:]...)
	case n < 14:
		require.NoError(t, z.Do("bob", open[at], pick(z.r, zabbixsim.Acknowledge, zabbixsim.Comment), "on it", 0))
	case n == 14:
		require.NoError(t, z.Do("bob", open[at], zabbixsim.Severity, "", alert.Severity(1+z.r.IntN(5))))
	case n == 15:
		z.DeleteTrigger(open[at])
		return append(open[:at:at], open[at+1:]...)
	case n == 16:
		require.NoError(t, z.Maintain(open[at], pick(z.r, 0, 3*time.Minute, 100*time.Hour)))
	case n == 17:
		require.NoError(t, z.Break(pick(z.r, "page-502", "database-away", "truncated", "show-nothing", "lost-cut")))
	case n == 18:
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

// mustShow requires that the room shows exactly what Zabbix has.
func (z *simulated) mustShow(t *testing.T) {
	states, err := z.life.db.OpenStates(context.Background(), source, time.Now())
	require.NoError(t, err)
	known := map[string]store.OpenState{}
	for _, s := range states {
		known[s.EventID] = s
	}
	inZabbix := map[string]zabbixsim.Problem{}
	for _, p := range z.Problems() {
		id := strconv.FormatInt(p.ID, 10)
		if p.RecoveryID != 0 || p.Orphaned {
			continue
		}
		inZabbix[id] = p
		suppressed := p.Suppressed || time.Now().Before(p.Maintained)
		s, ok := known[id]
		require.True(t, ok, "%s is open in Zabbix alone", id)
		require.Equal(t, []any{p.Severity, p.Acked, len(p.Acks), suppressed}, []any{s.Severity, s.Acknowledged, max(0, s.Updates), s.Suppressed}, id)
	}
	for id := range known {
		require.Contains(t, inZabbix, id, "it is open here alone")
	}
	all, err := z.life.db.FindProblems(context.Background(), store.Filter{Source: source})
	require.NoError(t, err)
	for _, p := range all {
		posts, err := z.life.db.PostsOf(context.Background(), []alert.Key{p.Key})
		require.NoError(t, err)
		for _, post := range posts[p.Key] {
			root, ok := z.sim.Message(post.RootID)
			if !ok {
				require.True(t, p.HeldBack || !p.Open(), "%s was never posted: %+v", p.Key, post)
				continue
			}
			said := root.Text
			for _, reply := range z.thread(root) {
				said += "\n" + reply.Text // once the edits are used up
			}
			require.Equal(t, !p.Open(), strings.Contains(strings.ToLower(said), "resolved"), "%s: %s", p.Key, said)
			if p.Open() {
				require.Contains(t, said, p.Severity.Title(), p.Key)
			}
			require.NotContains(t, strings.Join(strings.Split(root.Text, "Found by reconciliation"), "\n"), "found by reconciliation", "marked once")
		}
		require.True(t, len(posts[p.Key]) > 0 || p.HeldBack || !p.Open(), "%s has no post", p.Key)
	}
}

// A tenth of Zabbix's messages is lost, its API fails at times, triggers are deleted, and the relay is stopped and killed: in the end the
// room shows exactly what Zabbix has.
func TestRoomsConvergeWithoutMessages(t *testing.T) {
	for seed := range uint64(lostSchedules) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			dir, empty := t.TempDir(), emptyStore()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(schedule{Seed: seed, Workers: 2, Rate: 20}, dir, empty)
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
				require.True(t, w.settle())
				z.mustShow(t)
				require.Empty(t, w.faults)
			})
		})
	}
}

// lostSchedules is how many schedules of lost messages run.
const lostSchedules = 16
