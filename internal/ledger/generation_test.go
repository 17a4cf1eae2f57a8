package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// another is an event of the problem that got the same event id three days later.
func another(kind alert.Kind, after time.Duration) alert.Event {
	e := event(kind, 72*time.Hour+after)
	e.Opened, e.Facts = epoch.Add(72*time.Hour), alert.Facts{Name: "Link down", TriggerID: "777"}
	e.Severity = new(alert.Disaster)
	switch kind {
	case alert.KindRecovery:
		e.Resolved, e.ResolvedAt = true, e.At
	case alert.KindUpdate:
		e.Update = &alert.Update{At: e.At, Actions: alert.Actions{Comment: true}, Message: "looking"}
	}
	return e
}

// first is an event of the first problem, with a trigger.
func first(e alert.Event) alert.Event {
	e.Facts.TriggerID = "51"
	return e
}

var k4711Before = k4711.Earlier(1)

// An event id that comes back with another trigger is another problem. It is new, and the earlier one is closed as gone.
func TestReusedEventID(t *testing.T) {
	for name, c := range map[string]struct {
		before []alert.Event
		gone   bool
	}{
		"while the first is open":   {[]alert.Event{first(opened())}, true},
		"after the first resolved":  {[]alert.Event{first(opened()), first(recovered(time.Minute))}, false},
		"after an update alone":     {[]alert.Event{first(commented(time.Minute, "on it"))}, true},
		"after the API's answer":    {[]alert.Event{first(opened()), observed(time.Second, alert.Observation{TriggerID: "51"})}, true},
		"after it was acknowledged": {[]alert.Event{first(opened()), first(commented(time.Minute, "on it"))}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.plan(c.before...)
			w.deliver("noc")
			root := w.post("noc").RootID
			out := w.plan(another(alert.KindProblem, 0))
			require.True(t, out.Results[0].Change.Opened)
			require.Equal(t, "Disk full", out.Results[0].Replaced)

			now, before := w.known.Problems[k4711], w.known.Problems[k4711Before]
			require.Equal(t, "Link down", now.Name)
			require.Equal(t, alert.Disaster, now.Severity)
			require.Equal(t, alert.StateOpen, now.State)
			require.Len(t, now.Timeline, 1)
			require.Equal(t, "Disk full", before.Name)
			require.Equal(t, alert.StateResolved, before.State)
			require.Equal(t, c.gone, before.Gone)

			require.Len(t, w.known.Posts[k4711], 2, "noc, and db for disasters")
			require.Empty(t, w.post("noc").RootID, "a message of its own")
			require.True(t, w.post("noc").Pending())
			require.Len(t, w.known.Posts[k4711Before], 1)
			old := w.known.Posts[k4711Before][0]
			require.Equal(t, root, old.RootID)
			require.Equal(t, c.gone, old.Pending(), "the first one's message is still to show that it is gone")
			require.Greater(t, w.post("noc").Desired, old.Delivered, "a cursor of the first, saved late, isn't mistaken for the second's")

			// Late events of the first problem change the first alone, and post nothing new.
			w.plan(first(commented(2*time.Minute, "late")), first(opened()))
			require.Equal(t, now.Revision, w.known.Problems[k4711].Revision)
			require.Len(t, w.known.Posts[k4711Before], 1)
			require.Greater(t, len(w.known.Problems[k4711Before].Timeline), len(before.Timeline))
		})
	}
}

// The order and the batches in which the events of both arrive don't matter.
func TestReusedEventIDInAnyOrder(t *testing.T) {
	events := []alert.Event{
		first(opened()), first(commented(time.Minute, "on it")), first(recovered(2 * time.Minute)),
		another(alert.KindProblem, 0), another(alert.KindUpdate, time.Minute),
	}
	var order func(rest, done []alert.Event)
	n := 0
	order = func(rest, done []alert.Event) {
		if len(rest) == 0 {
			n++
			for _, batches := range [][][]alert.Event{{done}, {done[:1], done[1:]}, {done[:1], done[1:2], done[2:3], done[3:4], done[4:], done}} {
				w := newWorld(t)
				for _, batch := range batches {
					w.plan(batch...)
				}
				now, before := w.known.Problems[k4711], w.known.Problems[k4711Before]
				text := fmt.Sprint(n, len(batches))
				require.Equal(t, []any{"Link down", alert.StateOpen, 2, 1}, []any{now.Name, now.State, len(now.Timeline), now.Generation}, text)
				require.Equal(t, []any{"Disk full", alert.StateResolved, 3, false}, []any{before.Name, before.State, len(before.Timeline), before.Gone}, text)
				require.Len(t, w.known.Problems, 2, text)
				require.Len(t, w.known.Posts[k4711], 2, text)
			}
			return
		}
		for i := range rest {
			order(append(append([]alert.Event{}, rest[:i]...), rest[i+1:]...), append(append([]alert.Event{}, done...), rest[i]))
		}
	}
	order(events, nil)
	require.Equal(t, 120, n)
}

// If two servers send as one source in turn, each problem is kept, and neither is posted twice.
func TestTwoServersWithOneEventID(t *testing.T) {
	w := newWorld(t)
	w.plan(first(opened()))
	w.deliver("noc")
	w.plan(another(alert.KindProblem, 0))
	w.deliver("noc")
	for i := range 5 {
		w.plan(first(commented(time.Duration(i+1)*time.Minute, "a")), another(alert.KindUpdate, time.Duration(i+1)*time.Minute))
	}
	w.plan(first(recovered(time.Hour)))
	require.Len(t, w.known.Problems, 2)
	require.Equal(t, alert.StateOpen, w.known.Problems[k4711].State)
	before := w.known.Problems[k4711Before]
	require.False(t, before.Gone, "its recovery arrived after all")
	require.Equal(t, epoch.Add(time.Hour), before.ResolvedAt)
	require.Len(t, w.known.Posts[k4711Before], 1)
}

// Events of ever more earlier problems with one id don't fill the store.
func TestEarlierProblemsOfOneIDAreBounded(t *testing.T) {
	w := newWorld(t)
	w.plan(another(alert.KindProblem, 0))
	w.deliver("noc")
	for i := range 3 * maxEarlier {
		e := opened()
		e.Facts.TriggerID = fmt.Sprint(100 + i)
		w.plan(e)
	}
	require.Len(t, w.known.Problems, 1+maxEarlier)
	require.Equal(t, "Link down", w.known.Problems[k4711].Name)
	require.Equal(t, alert.StateOpen, w.known.Problems[k4711].State)
}
