package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
)

// answers lets time pass and folds an answer of the API.
func (w *world) answers(after time.Duration, o alert.Observation) {
	w.t.Helper()
	w.now = w.now.Add(after)
	o.At, o.Opened, o.Severity = w.now, epoch, alert.Average
	w.plan(alert.Event{Key: k4711, Kind: alert.KindObservation, ReceivedAt: w.now, Observation: &o})
}

func (w *world) suppressed(after, until time.Duration) {
	w.t.Helper()
	a := alert.Actions{Suppress: true}
	if until != 0 {
		a.SuppressUntil = epoch.Add(until)
	}
	w.later(after, does(a))
}

// When a suppression ends by time, the problem is shown as open again, and escalates as if it had begun then.
func TestSuppressionEndsByTime(t *testing.T) {
	maintenance := func(until time.Duration) alert.Observation {
		return alert.Observation{Suppressed: true, SuppressedUntil: epoch.Add(until)}
	}
	hand := func(until time.Duration) alert.Observation {
		o := maintenance(until)
		o.ByHand = true
		return o
	}
	for name, c := range map[string]struct {
		happens   func(w *world)
		ends      time.Duration // after the problem began; 0: never by itself
		escalates bool          // 15 minutes later
	}{
		"by hand":                      {func(w *world) { w.suppressed(minute, 30*minute) }, 30 * minute, true},
		"in a maintenance":             {func(w *world) { w.answers(minute, maintenance(30*minute)) }, 30 * minute, true},
		"extended":                     {func(w *world) { w.suppressed(minute, 10*minute); w.suppressed(minute, 30*minute) }, 30 * minute, true},
		"shortened":                    {func(w *world) { w.suppressed(minute, 300*minute); w.suppressed(minute, 30*minute) }, 30 * minute, true},
		"extended without a message":   {func(w *world) { w.suppressed(minute, 10*minute); w.answers(minute, hand(30*minute)) }, 30 * minute, true},
		"by hand and by a maintenance": {func(w *world) { w.suppressed(minute, 10*minute); w.answers(minute, maintenance(30*minute)) }, 30 * minute, true},
		"then indefinitely":            {func(w *world) { w.suppressed(minute, 10*minute); w.suppressed(minute, 0) }, 0, false},
		"indefinitely, then until":     {func(w *world) { w.suppressed(minute, 0); w.suppressed(minute, 30*minute) }, 30 * minute, true},
		"unsuppressed before": {func(w *world) {
			w.suppressed(minute, 30*minute)
			w.later(minute, does(alert.Actions{Unsuppress: true}))
		}, 0, true},
		"acknowledged meanwhile": {func(w *world) { w.suppressed(minute, 30*minute); w.later(minute, does(alert.Actions{Ack: true})) }, 30 * minute, false},
		"resolved meanwhile":     {func(w *world) { w.suppressed(minute, 30*minute); w.later(minute, ends) }, 0, false},
		"cancelled meanwhile":    {func(w *world) { w.suppressed(minute, 30*minute); w.later(minute, cancels) }, 30 * minute, false},
		"it was over on arrival": {func(w *world) { w.suppressed(29*minute, 10*minute) }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := timed(t, route.Timing{Escalate: twoSteps[:1]}, epoch)
			w.plan(opened())
			w.deliver("noc")
			c.happens(w)
			w.deliver("noc")
			if c.ends != 0 {
				w.now = epoch.Add(c.ends - time.Second)
				require.Empty(t, w.due().Learned)
				require.True(t, w.known.Problems[k4711].SuppressedAt(w.now))
			}
			w.now = epoch.Add(max(c.ends, 31*minute))
			out := w.due()
			nudged := len(out.Nudged)
			p := w.known.Problems[k4711]
			require.Equal(t, name == "then indefinitely", p.SuppressedAt(w.now))
			if c.ends != 0 {
				require.Equal(t, []alert.Key{k4711}, out.Learned)
				require.True(t, w.post("noc").Pending(), "the room must show it")
				require.Zero(t, nudged, "an escalation counts from now")
			}
			w.deliver("noc")
			require.Empty(t, w.due().Learned, "once")

			// Zabbix may need a minute to end it: a stale answer doesn't suppress the problem again.
			if c.ends != 0 {
				w.answers(time.Second, hand(c.ends))
				require.False(t, w.known.Problems[k4711].SuppressedAt(w.now))
			}
			w.deliver("noc")
			w.now = epoch.Add(max(c.ends, 31*minute) + 15*minute)
			require.Equal(t, c.escalates, nudged+len(w.due().Nudged) > 0)
		})
	}
}

// A suppression that ended while the relay was down ends at the start.
func TestSuppressionEndsWhileTheRelayIsDown(t *testing.T) {
	w := timed(t, route.Timing{}, epoch)
	w.plan(opened())
	w.deliver("noc")
	w.suppressed(minute, 10*minute)
	w.deliver("noc")
	due := w.post("noc").DueAt()
	require.Equal(t, epoch.Add(10*minute), due)
	w.now = epoch.Add(24 * 60 * minute)
	out := w.due()
	require.Equal(t, []alert.Key{k4711}, out.Learned)
	require.True(t, w.post("noc").Pending())
	require.Zero(t, w.post("noc").DueAt())
}

// In quiet hours the message is edited, which notifies nobody, and the escalation waits for their end.
func TestSuppressionEndsInQuietHours(t *testing.T) {
	begin := epoch.Add(9*60*minute + 30*minute) // 21:30
	w := timed(t, route.Timing{Escalate: twoSteps[:1], Quiet: quietAtNight(t)}, begin)
	e := opened()
	e.Severity = new(alert.Average)
	w.plan(e)
	w.deliver("noc")
	w.suppressed(minute, 11*60*minute) // 23:00
	w.deliver("noc")
	w.now = epoch.Add(11 * 60 * minute)
	require.Len(t, w.due().Learned, 1)
	require.True(t, w.post("noc").Pending())
	w.deliver("noc")
	w.now = epoch.Add(12 * 60 * minute)
	require.Empty(t, w.due().Nudged)
	w.now = epoch.Add(19 * 60 * minute) // 07:00
	require.Len(t, w.due().Nudged, 1)
}

// cancels is Zabbix's note that it cancelled the escalation.
func cancels(e *alert.Event) { e.Update, e.Cancelled = nil, true }

// A cancelled problem neither escalates nor has reminders until Zabbix sends another message about it.
func TestCancelledProblemDoesNotEscalate(t *testing.T) {
	again := func(w *world, sent time.Duration) {
		e := opened()
		e.SentAt, e.ReceivedAt = epoch.Add(sent), w.now
		w.plan(e)
	}
	for name, c := range map[string]struct {
		happens func(w *world)
		nudged  bool
	}{
		"cancelled":                     {func(w *world) { w.later(minute, cancels) }, false},
		"cancelled by two actions":      {func(w *world) { w.later(minute, cancels); w.later(minute, cancels) }, false},
		"cancelled, a comment later":    {func(w *world) { w.later(minute, cancels); w.later(minute, does(alert.Actions{Comment: true})) }, false},
		"cancelled, an unack later":     {func(w *world) { w.later(minute, cancels); w.later(minute, does(alert.Actions{Unack: true})) }, false},
		"cancelled, then sent again":    {func(w *world) { w.later(minute, cancels); w.now = w.now.Add(minute); again(w, 2*minute) }, true},
		"cancelled, a late retry of it": {func(w *world) { w.later(minute, cancels); w.now = w.now.Add(minute); again(w, 0) }, false},
		"repeated, and cancelled again": {func(w *world) { w.later(minute, cancels); again(w, 2*minute); w.later(2*minute, cancels) }, false},
		"another action continues":      {func(w *world) { w.later(minute, cancels); again(w, 3*minute) }, true},
		"gone from Zabbix":              {func(w *world) { w.answers(minute, alert.Observation{Gone: true}) }, false},
		"gone, then found again": {func(w *world) {
			w.answers(minute, alert.Observation{Gone: true})
			w.answers(minute, alert.Observation{})
		}, true},
		"resolved, with a note": {func(w *world) { w.later(minute, cancels); w.later(minute, ends) }, false},
		"nothing":               {func(*world) {}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := timed(t, route.Timing{Escalate: twoSteps[:1], Remind: 20 * minute}, epoch)
			w.plan(opened())
			w.deliver("noc")
			c.happens(w)
			w.deliver("noc")
			nudged := 0
			for range 60 {
				w.now = w.now.Add(minute)
				nudged += len(w.due().Nudged)
				w.deliver("noc")
			}
			require.Equal(t, c.nudged, nudged > 0)
			p := w.known.Problems[k4711]
			if p.Cancelled {
				require.Zero(t, w.post("noc").DueAt())
			}
			require.False(t, p.Cancelled && p.State == alert.StateResolved, "a resolved problem has no escalation to cancel")
		})
	}
}
