package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// comment is a comment on a problem, made at the world's time.
func (w *world) comment(id int, words string) alert.Event {
	e := of(commented(0, words), id)
	e.Update.At, e.ReceivedAt, e.SentAt, e.At = w.now, w.now, w.now, w.now
	return e
}

// ackedWide is an acknowledgement of problem 1 with many others, by a command.
func (w *world) ackedWide(words string) alert.Event {
	e := of(event(alert.KindAction, 0), 1)
	e.Update = &alert.Update{Actor: alert.Actor{Name: "Alice", Email: "alice@example.com"}, Actions: alert.Actions{Ack: true}, Message: "signed", Comment: words, Wide: true}
	e.Update.At, e.ReceivedAt, e.SentAt, e.At = w.now, w.now, w.now, w.now
	return e
}

// What people write about a member that stays is a line of its digest: if it is resolved already, or with the same
// batch, and beyond the threshold of members that leave.
func TestWordsAboutMembersAreLines(t *testing.T) {
	for name, c := range map[string]struct {
		before, after func(w *world) []alert.Event
		lines         []store.Line
	}{
		"the recovery came before the comment": {
			func(*world) []alert.Event { return []alert.Event{of(recovered(0), 1)} },
			func(w *world) []alert.Event { return []alert.Event{w.comment(1, "replaced the PSU")} }, []store.Line{{Seq: 3, N: 1}},
		},
		"they came together": {
			nil, func(w *world) []alert.Event {
				return []alert.Event{w.comment(1, "replaced the PSU"), of(recovered(0), 1)}
			}, []store.Line{{Seq: 2, N: 1}},
		},
		"a script comments on many": {nil, func(w *world) (all []alert.Event) {
			for id := 1; id <= 20; id++ {
				all = append(all, w.comment(id, "planned"))
			}
			return all
		}, []store.Line{{Seq: 2, N: 1}}},
		"an acknowledgement of many, with words": {nil, func(w *world) []alert.Event {
			return []alert.Event{w.ackedWide("on it")}
		}, []store.Line{{Seq: 2, N: 1}}},
		"an acknowledgement without words": {nil, func(w *world) []alert.Event {
			return []alert.Event{w.ackedWide("")}
		}, nil},
		"two comments keep their order": {
			func(*world) []alert.Event { return []alert.Event{of(recovered(0), 1)} },
			func(w *world) []alert.Event { return []alert.Event{w.comment(1, "first"), w.comment(1, "second")} }, []store.Line{{Seq: 3, N: 1}, {Seq: 4, N: 2}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := storm(t)
			w.at(time.Minute)
			if c.before != nil {
				w.plan(w.at(time.Minute, c.before(w)...)...)
				w.groups[0].Shown = w.groups[0].Revision
			}
			w.now = epoch.Add(2 * time.Minute)
			out := w.plan(c.after(w)...)
			require.EqualValues(t, 1, w.postOf(1).Group)
			require.Equal(t, c.lines, w.postOf(1).Lines)
			require.Equal(t, len(c.lines) > 0, w.groups[0].Lines > w.groups[0].LinesPosted)
			require.Len(t, out.Fold.Groups, 1)

			w.now = epoch.Add(3 * time.Minute)
			w.plan(w.ackedWide(""))
			require.Equal(t, c.lines, w.postOf(1).Lines, "nothing is added twice")
		})
	}
}

// A member that leaves begins with what its digest hasn't posted.
func TestALeaverHasTheRestOfItsLines(t *testing.T) {
	for posted, from := range []int{1, 2, 3} {
		w := storm(t)
		w.rules.Timing = func(string, string) route.Timing { return route.Timing{} }
		for step, at := range []time.Duration{15 * time.Minute, 30 * time.Minute} {
			w.now = epoch.Add(at)
			n := alert.Nudge{Kind: alert.EntryEscalated, Room: "noc", Step: step, At: w.now}
			d := newDraft(w.known, w.rules, w.now, 1)
			e := effect{problem: d.problem(w.postOf(1).Key), posts: d.postsOf(w.postOf(1).Key)}
			d.addNudge(&e, n, "all")
			d.merge(e)
			w.finish(d)
		}
		require.Equal(t, []store.Line{{Seq: 2, N: 1}, {Seq: 3, N: 2}}, w.postOf(1).Lines)
		w.groups[0].LinesPosted = posted
		w.plan(w.comment(1, "on it"))
		require.Zero(t, w.postOf(1).Group)
		require.Equal(t, from, w.postOf(1).FromSeq, "%d posted", posted)
		require.Empty(t, w.postOf(1).Lines)
	}
}

// Lines that were posted are forgotten. What is new waits from its own time on, and later lines don't move that.
func TestLinesWaitFromTheFirstThatIsNotPosted(t *testing.T) {
	w := storm(t)
	w.plan(w.at(time.Minute, of(recovered(0), 1), of(recovered(0), 2))...)
	say := func(id int, after time.Duration) {
		w.now = epoch.Add(after)
		w.plan(w.comment(id, fmt.Sprint("comment at ", after)))
	}
	say(1, 2*time.Minute)
	say(2, 3*time.Minute)
	require.Equal(t, []any{2, epoch.Add(2 * time.Minute), epoch.Add(3 * time.Minute)}, []any{w.groups[0].Lines, w.groups[0].LinesSince, w.groups[0].LinesAt})
	w.groups[0].LinesPosted = 2
	say(1, 4*time.Minute)
	require.Equal(t, []any{3, epoch.Add(4 * time.Minute)}, []any{w.groups[0].Lines, w.groups[0].LinesSince})
	require.Equal(t, []store.Line{{Seq: 4, N: 3}}, w.postOf(1).Lines)
}

// A problem that escalated to a room before it joins a digest there mentions, however many later nudges the digest has
// posted.
func TestAnEscalationBeforeJoiningIsALine(t *testing.T) {
	w := storm(t)
	w.groups[0].Lines, w.groups[0].LinesPosted = 9, 9
	w.now = epoch.Add(time.Minute)
	escalated := alert.Event{Kind: alert.KindNudge, At: epoch.Add(time.Second), Nudge: &alert.Nudge{
		Kind: alert.EntryEscalated, Room: "db", Rooms: []string{"noc"}, Mention: []string{"all"}, At: epoch.Add(time.Second),
	}}
	late := problems(50, 12, alert.Average)
	w.plan(w.at(time.Minute, late[0])...)
	key := late[0].Key
	w.known.Problems[key], _ = alert.Apply(w.known.Problems[key], escalated)
	w.plan(late[1:]...)
	require.EqualValues(t, 1, w.postOf(50).Group)
	require.Equal(t, []store.Line{{Seq: 2, N: 10}}, w.postOf(50).Lines)
	require.Equal(t, 10, w.groups[0].Lines)
}

// A digest that is a dead letter gets lines too: a replay posts them.
func TestADeadDigestGetsLines(t *testing.T) {
	w := storm(t)
	w.groups[0].State = store.PostDead
	w.now = epoch.Add(time.Minute)
	w.plan(w.ackedWide("replaced the PSU"))
	require.Equal(t, []store.Line{{Seq: 2, N: 1}}, w.postOf(1).Lines)
	require.Equal(t, 1, w.groups[0].Lines)
	require.EqualValues(t, 2, w.groups[0].Revision)
}

// A fresh post of a problem that loses its event id keeps its own problem: a storm in its room doesn't show the new one
// there, which no route sends to that room.
func TestAFreshPostOfASupersededProblemIsNotTheNewProblems(t *testing.T) {
	w := grouped(t)
	w.rules.Timing = func(string, string) route.Timing { return route.Timing{} }
	w.rules.Rooms = func(p alert.Problem, _ string, _ time.Time) []route.Target {
		if p.Name == "Link down" {
			return []route.Target{{Room: "db", Route: "links"}}
		}
		return []route.Target{{Room: "noc", Route: "all"}}
	}
	w.plan(first(opened()))
	require.True(t, w.post("noc").Fresh())
	w.now = epoch.Add(72 * time.Hour)
	w.plan(append([]alert.Event{another(alert.KindProblem, 0)}, problems(100, 20, alert.Average)...)...)
	for _, p := range w.known.Posts[k4711] {
		require.Equal(t, "db", p.Room)
	}
	require.Len(t, w.known.Posts[k4711], 1)
	require.Len(t, w.known.Posts[k4711Before], 1)
}
