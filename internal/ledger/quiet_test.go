package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// A problem that reconciliation makes known quietly is in its rooms without being posted, and has no clocks. It is posted once Zabbix
// reports a change of it, or somebody acts on it. If it resolves before, it never is.
func TestQuietProblems(t *testing.T) {
	seen := func(found alert.Found, quiet bool, change func(*alert.Observation)) func(w *world) alert.Event {
		return func(w *world) alert.Event {
			o := &alert.Observation{At: w.now, Found: found, Quiet: quiet, Name: "Disk full", Opened: epoch.Add(-48 * time.Hour), Severity: alert.Average}
			change(o)
			return o.Event(k4711, w.now)
		}
	}
	same := func(*alert.Observation) {}
	worse := func(o *alert.Observation) { o.Severity = alert.High }
	event := func(kind alert.Kind, change func(*alert.Event)) func(w *world) alert.Event {
		return func(w *world) alert.Event {
			e := alert.Event{Key: k4711, Kind: kind, Origin: alert.OriginTrigger, ReceivedAt: w.now, At: w.now, Exact: true, Update: &alert.Update{At: w.now, Message: "hm", Actions: alert.Actions{Comment: true}}}
			change(&e)
			return e
		}
	}
	for name, c := range map[string]struct {
		then   func(w *world) alert.Event
		posted bool
	}{
		"nothing":                      {nil, false},
		"the same again":               {seen("", false, same), false},
		"an ordinary answer":           {seen("", false, worse), false},
		"a change found, quietly":      {seen(alert.FoundUpdate, true, worse), false},
		"a change found":               {seen(alert.FoundUpdate, false, worse), true},
		"an update":                    {event(alert.KindUpdate, func(*alert.Event) {}), true},
		"an action from a room":        {event(alert.KindAction, func(*alert.Event) {}), true},
		"its problem event at last":    {event(alert.KindProblem, func(e *alert.Event) { e.Update, e.Opened = nil, epoch.Add(-48*time.Hour) }), true},
		"a recovery":                   {event(alert.KindRecovery, func(e *alert.Event) { e.Update = nil }), false},
		"a recovery found":             {seen(alert.FoundRecovery, false, func(o *alert.Observation) { o.Resolved, o.ResolvedAt = true, epoch }), false},
		"gone":                         {seen(alert.FoundGone, false, func(o *alert.Observation) { *o = alert.Observation{At: o.At, Gone: true, Found: o.Found} }), false},
		"the end of time by the clock": {event(alert.KindClock, func(e *alert.Event) { e.Update = nil }), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.rules.Timing = func(string, string) route.Timing { return route.Timing{Remind: time.Hour} }
			w.plan(seen(alert.FoundProblem, true, same)(w))
			if w.now = w.now.Add(time.Minute); c.then != nil {
				w.plan(c.then(w))
			}
			require.Len(t, w.known.Posts[k4711], 1)
			post := w.known.Posts[k4711][0]
			require.Equal(t, c.posted, post.Pending())
			require.Equal(t, c.posted, !post.RemindAt.IsZero())
			require.Equal(t, !c.posted, post.TellAfter.Equal(store.Never))
			require.True(t, post.LookAt.IsZero(), "nothing is waited for")
		})
	}
}
