package ledger

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// byAll routes to every room that a message was sent to, and to "routed" without one.
func byAll(p alert.Problem, sendTo string, _ time.Time) (targets []route.Target) {
	for _, room := range append(p.SendTo, sendTo) {
		if room != "" {
			targets = append(targets, route.Target{Room: room, Route: route.SendTo})
		}
	}
	if targets == nil {
		targets = []route.Target{{Room: "routed"}}
	}
	return targets
}

// A "Send to" counts for all later events of its problem, also after a restart.
func TestSendToIsKept(t *testing.T) {
	targetRooms := func(w *world) (rooms []string) {
		for _, p := range w.known.Posts[k4711] {
			rooms = append(rooms, p.Room)
		}
		return rooms
	}
	to := func(w *world, e alert.Event, sendTo string) Item { return w.item(e, sendTo) }
	for name, c := range map[string]struct {
		happens func(w *world)
		want    []string
	}{
		"the API's answer": {func(w *world) {
			w.planItems(to(w, opened(), "lab"))
			w.plan(observed(2*time.Second, alert.Observation{Severity: alert.Disaster}))
		}, []string{"lab"}},
		"an action of the relay": {func(w *world) {
			w.planItems(to(w, opened(), "lab"))
			e := event(alert.KindAction, 3*time.Second)
			e.Severity, e.Facts, e.Update = nil, alert.Facts{}, &alert.Update{At: e.At, Actions: alert.Actions{Ack: true}}
			w.plan(e)
		}, []string{"lab"}},
		"an update without one": {func(w *world) {
			w.planItems(to(w, opened(), "lab"))
			w.planItems(to(w, commented(time.Minute, "on it"), ""))
		}, []string{"lab"}},
		"two recipients": {func(w *world) {
			w.planItems(to(w, opened(), "lab"), to(w, opened(), "noc"))
			w.plan(observed(2*time.Second, alert.Observation{Severity: alert.Disaster}))
		}, []string{"lab", "noc"}},
		"the second recipient in another batch": {func(w *world) {
			w.planItems(to(w, opened(), "lab"))
			w.planItems(to(w, opened(), "noc"))
		}, []string{"lab", "noc"}},
		"a recovery for another room": {func(w *world) {
			w.planItems(to(w, opened(), "lab"))
			w.planItems(to(w, recovered(time.Minute), "noc"))
			w.planItems(to(w, opened(), ""))
		}, []string{"lab"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.rules.Rooms = byAll
			c.happens(w)
			require.Equal(t, c.want, targetRooms(w))
		})
	}
}

func TestUnknownSendToIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	metrics := NewMetrics(prometheus.NewRegistry(), []string{"main", "lab"})
	l := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Metrics: metrics, UnknownSendTo: func(_, sendTo string) []string {
		if strings.HasPrefix(sendTo, "known") {
			return nil
		}
		return strings.Split(sendTo, ",")
	}})
	note := func(source, sendTo string) {
		l.note(Result{Item: &Item{Entry: store.Entry{Source: source, Kind: store.EntryEvent}, Decoded: Decoded{Event: alert.Event{Kind: alert.KindProblem, SendTo: sendTo}}}})
	}
	for range 3 {
		note("main", "typo")
		note("main", "typo,wrong")
		note("lab", "typo")
		note("main", "known")
		note("main", "")
	}
	require.Equal(t, 3, strings.Count(log.String(), "Send to names no room"), log.String())
	require.InDelta(t, 6, testutil.ToFloat64(metrics.SendToUnknown.WithLabelValues("main")), 0)
	require.InDelta(t, 3, testutil.ToFloat64(metrics.SendToUnknown.WithLabelValues("lab")), 0)

	for i := range 2 * maxLogged {
		note("main", "typo"+strings.Repeat("x", i+1))
	}
	require.Equal(t, maxLogged, strings.Count(log.String(), "Send to names no room"), "bounded")
}
