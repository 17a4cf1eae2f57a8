package ledger

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// defaults are the settings of a room that sets nothing.
var defaults = Grouping{Threshold: 10, Window: 5 * time.Second, Pace: 5, Individual: alert.Disaster, FlapCount: 3, FlapWindow: 15 * time.Minute}

// A plan reads a room's settings once: the pace changes all the time.
func TestAPlanHasOnePace(t *testing.T) {
	w := grouped(t)
	reads := map[string]int{}
	w.rules.Grouping = func(room string) Grouping {
		reads[room]++
		g := defaults
		g.Pace = float64(reads[room])
		return g
	}
	w.plan(w.at(0, problems(1, 20, alert.Average)...)...)
	require.Equal(t, map[string]int{"noc": 1}, reads)
}

// grouped is a world with default settings in each room.
func grouped(t *testing.T) *world {
	w := newWorld(t)
	w.rules.Grouping = func(string) Grouping { return defaults }
	return w
}

// problems returns new problems with consecutive ids, each of a trigger of its own.
func problems(from, n int, severity alert.Severity) (events []alert.Event) {
	for i := range n {
		e := opened()
		e.Key.EventID, e.Facts.TriggerID, e.Severity = strconv.Itoa(from+i), strconv.Itoa(10_000+from+i), &severity
		events = append(events, e)
	}
	return events
}

// at moves events, and the world, to a time.
func (w *world) at(after time.Duration, events ...alert.Event) []alert.Event {
	w.now = epoch.Add(after)
	for i := range events {
		events[i].ReceivedAt, events[i].SentAt, events[i].At = w.now, w.now, w.now
		switch events[i].Kind {
		case alert.KindProblem:
			events[i].Opened = w.now
		case alert.KindRecovery:
			events[i].ResolvedAt = w.now
		}
	}
	return events
}

// of makes an event be about another problem.
func of(e alert.Event, id int) alert.Event {
	e.Key.EventID, e.Facts.TriggerID, e.Severity, e.Opened = strconv.Itoa(id), strconv.Itoa(10_000+id), nil, time.Time{}
	return e
}

// postOf is the post of a problem in room noc.
func (w *world) postOf(id int) *store.Post {
	w.t.Helper()
	posts := w.known.Posts[alert.Key{Source: "main", EventID: strconv.Itoa(id)}]
	i := slices.IndexFunc(posts, func(p store.Post) bool { return p.Room == "noc" })
	require.GreaterOrEqual(w.t, i, 0)
	return &posts[i]
}

// A batch of more new problems than the threshold becomes a digest. Problems that wait from earlier batches join it;
// severe ones and those that delivery has claimed don't.
func TestAStormSharesADigest(t *testing.T) {
	w := grouped(t)
	w.plan(w.at(0, problems(1, 2, alert.Average)...)...)
	w.postOf(1).Claimed = true
	require.Zero(t, w.postOf(2).Group)
	out := w.plan(w.at(time.Second, append(problems(3, 20, alert.Average), problems(23, 1, alert.Disaster)...)...)...)
	require.Len(t, out.Fold.Groups, 1)
	g := w.groups[0]
	require.Equal(t, store.GroupStorm, g.Kind)
	require.Equal(t, 21, g.Joined)
	require.EqualValues(t, 1, g.Revision)
	require.Equal(t, w.now, g.PendingSince)
	for id := 1; id <= 23; id++ {
		p := w.postOf(id)
		require.Equal(t, id != 1 && id != 23, p.Group == g.ID, "problem %d", id)
		require.Equal(t, id == 1 || id == 23, p.Pending(), "problem %d", id)
	}

	// The storm lasts while new problems keep arriving.
	w.plan(w.at(5*time.Second, problems(30, 1, alert.Average)...)...)
	require.EqualValues(t, 1, w.postOf(30).Group)
	w.plan(w.at(30*time.Second, problems(31, 1, alert.Average)...)...)
	require.Zero(t, w.postOf(31).Group)
}

// A full digest is followed by another one while the storm lasts.
func TestAStormContinuesInTheNextDigest(t *testing.T) {
	w := grouped(t)
	w.plan(w.at(0, problems(1, 20, alert.Average)...)...)
	w.groups[0].MessageID, w.groups[0].Edits, w.groups[0].Shown = "M", 5, 1
	w.plan(w.at(time.Second, problems(21, 1, alert.Average)...)...)
	require.EqualValues(t, 2, w.postOf(21).Group)
	require.Equal(t, 20, w.groups[0].Joined)
}

// A room that Webex limits to one call a second is in a storm sooner, even without new problems.
func TestAStormByPace(t *testing.T) {
	slow := defaults
	slow.Pace = 1
	w := grouped(t)
	w.plan(w.at(0, problems(1, 6, alert.Average)...)...)
	require.Zero(t, w.postOf(1).Group)
	w.rules.Grouping = func(string) Grouping { return slow }
	w.now = epoch.Add(2 * time.Second)
	out := w.finish(PlanDue(nil, []string{"noc"}, Known{}, w.rules, w.now))
	require.Len(t, out.Fold.Posts, 6)
	require.Empty(t, out.Fold.Problems)
	for id := 1; id <= 6; id++ {
		require.EqualValues(t, 1, w.postOf(id).Group)
		require.False(t, w.postOf(id).Pending())
	}
}

// The fourth new problem within half a second waits for half a second, in case more arrive; a disaster doesn't.
func TestABurstWaits(t *testing.T) {
	w := grouped(t)
	w.plan(w.at(0, problems(1, 3, alert.Average)...)...)
	require.Equal(t, w.now, w.postOf(1).PendingSince)
	w.plan(w.at(400*time.Millisecond, append(problems(4, 2, alert.Average), problems(6, 1, alert.Disaster)...)...)...)
	require.Equal(t, w.now.Add(burstTime), w.postOf(4).PendingSince)
	require.Equal(t, w.now.Add(burstTime), w.postOf(5).PendingSince)
	require.Equal(t, w.now, w.postOf(6).PendingSince)
	held := w.postOf(4).PendingSince
	comment := of(commented(0, "on it"), 4)
	w.plan(w.at(500*time.Millisecond, comment)...)
	require.Equal(t, held, w.postOf(4).PendingSince, "it waits once")
	w.plan(w.at(time.Minute, problems(7, 3, alert.Average)...)...)
	require.Equal(t, w.now, w.postOf(7).PendingSince)
}

// A trigger that opens and resolves again and again is flapping from its third opening on: further openings share one
// message.
func TestFlappingOpeningsShareAMessage(t *testing.T) {
	w := grouped(t)
	open := func(id int, after time.Duration) *store.Post {
		e := of(opened(), id)
		e.Facts.TriggerID, e.Severity = "17", new(alert.High)
		w.plan(w.at(after, e)...)
		return w.postOf(id)
	}
	resolve := func(id int, after time.Duration) {
		e := of(recovered(0), id)
		e.Facts.TriggerID = "17"
		w.plan(w.at(after, e)...)
	}
	for id := 1; id <= 2; id++ {
		require.Zero(t, open(id, time.Duration(id)*time.Minute).Group)
		resolve(id, time.Duration(id)*time.Minute+30*time.Second)
	}
	require.EqualValues(t, 1, open(3, 3*time.Minute).Group)
	require.Equal(t, store.GroupFlap, w.groups[0].Kind)
	w.groups[0].MessageID = "M"
	require.Zero(t, open(4, 3*time.Minute+10*time.Second).Group, "the third is still open: this is another opening beside it")
	resolve(3, 4*time.Minute)
	resolve(4, 4*time.Minute)
	require.EqualValues(t, 1, open(5, 17*time.Minute).Group)
	resolve(5, 18*time.Minute)
	require.Zero(t, open(6, 33*time.Minute).Group, "it hasn't opened for the length of the window")
}

// Openings count by Zabbix's times, not by their arrival. An escalation or a reroute isn't an opening.
func TestEscalationsAndReroutesAreNoOpenings(t *testing.T) {
	w := grouped(t)
	var backlog []alert.Event
	for n := range 4 {
		e, over := of(opened(), n+1), of(recovered(0), n+1)
		e.Facts.TriggerID, over.Facts.TriggerID, e.Severity = "17", "17", new(alert.High)
		e.Opened = epoch.Add(time.Duration(n) * 20 * time.Minute)
		e.At, over.ResolvedAt = e.Opened, e.Opened.Add(time.Minute)
		e.ReceivedAt, over.ReceivedAt = epoch.Add(2*time.Hour), epoch.Add(2*time.Hour)
		backlog = append(backlog, e, over)
	}
	w.now = epoch.Add(2 * time.Hour)
	w.plan(backlog...)
	for n := range 4 {
		require.Zero(t, w.postOf(n+1).Group)
	}
	w = grouped(t)
	w.plan(opened())
	w.planItems(Item{Entry: store.Entry{ID: 99, Source: "main", Kind: store.EntryReroute}, Decoded: Decoded{Event: alert.Event{Key: k4711}, Reroute: route.Target{Room: "db"}}})
	require.NotZero(t, w.post("noc").Opening)
	require.Zero(t, w.post("db").Opening)
}

// Many triggers that begin to flap at once are a storm.
func TestManyFlappingTriggersShareADigest(t *testing.T) {
	w := grouped(t)
	open := func(id, trigger int, after time.Duration) {
		e, over := of(opened(), id), of(recovered(0), id)
		e.Facts.TriggerID, over.Facts.TriggerID, e.Severity = strconv.Itoa(trigger), strconv.Itoa(trigger), new(alert.High)
		w.plan(w.at(after, e)...)
		w.postOf(id).Claimed, w.postOf(id).PendingSince = w.postOf(id).Group == 0, time.Time{} // delivered
		w.plan(w.at(after+time.Second, over)...)
		w.postOf(id).PendingSince = time.Time{}
	}
	kinds := map[store.GroupKind]int{}
	for round := range 3 {
		for trigger := range 20 {
			open(round*100+trigger+1, trigger+1, time.Duration(round)*4*time.Minute+time.Duration(trigger)*11*time.Second/2)
		}
	}
	for trigger := range 20 {
		require.NotZero(t, w.postOf(200+trigger+1).Group)
	}
	for _, g := range w.groups {
		kinds[g.Kind]++
	}
	require.Equal(t, map[store.GroupKind]int{store.GroupFlap: 20}, kinds, "slowly, each has a message of its own")

	w = grouped(t)
	for round := range 3 {
		for trigger := range 20 {
			open(round*100+trigger+1, trigger+1, time.Duration(round)*4*time.Minute+time.Duration(trigger)*3*time.Second/2)
		}
	}
	clear(kinds)
	for _, g := range w.groups {
		kinds[g.Kind]++
	}
	require.LessOrEqual(t, kinds[store.GroupFlap], 10)
	require.NotZero(t, kinds[store.GroupStorm])
}

// A member that somebody acts on, or that becomes severe, leaves for a message of its own; others stay, and their
// group changes with their headlines.
func TestMembersLeave(t *testing.T) {
	ack := func(id int, wide bool) alert.Event {
		e := of(event(alert.KindAction, 0), id)
		e.Update = &alert.Update{Actor: alert.Actor{Name: "Alice", Email: "alice@example.com"}, Actions: alert.Actions{Ack: true}, Wide: wide}
		return e
	}
	severe := of(event(alert.KindUpdate, 0), 1)
	severe.Severity = new(alert.Disaster)
	severe.Update = &alert.Update{Actions: alert.Actions{Severity: &alert.SeverityChange{Old: alert.Average, New: alert.Disaster}}}
	closable := of(observed(0, alert.Observation{Name: "Disk full", Severity: alert.Average, ManualClose: true}), 1)
	over := of(recovered(0), 1)
	for name, c := range map[string]struct {
		event           alert.Event
		leaves, revised bool
	}{
		"acknowledged":            {ack(1, false), true, true},
		"acknowledged with many":  {ack(1, true), false, true},
		"it became severe":        {severe, true, true},
		"resolved":                {over, false, true},
		"closing became possible": {closable, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := grouped(t)
			w.plan(w.at(0, problems(1, 20, alert.Average)...)...)
			w.groups[0].MessageID, w.groups[0].Shown, w.groups[0].PendingSince = "M", 1, time.Time{}
			w.at(time.Minute)
			if c.event.Observation != nil {
				c.event.Observation.Opened = w.known.Problems[alert.Key{Source: "main", EventID: "1"}].OpenedAt
				c.event.Observation.TriggerID = "10001"
			}
			w.plan(w.at(time.Minute, c.event)...)
			post, g := w.postOf(1), w.groups[0]
			require.Equal(t, c.leaves, post.Group == 0)
			require.Equal(t, c.revised, g.Revision == 2)
			require.Equal(t, c.revised, g.PendingSince.Equal(w.now))
			require.Equal(t, c.leaves, post.Pending())
			if c.leaves {
				require.Equal(t, 1, g.Left)
				require.EqualValues(t, 1, post.LeftGroup)
				require.EqualValues(t, 2, post.LeftRevision)
				require.Equal(t, 1, post.FromSeq)
			}
		})
	}
}

// When many members are acted on within a short time, no more than the threshold leave.
func TestAMassAcknowledgementStays(t *testing.T) {
	for name, together := range map[string]bool{"one by one": false, "in one batch": true} {
		t.Run(name, func(t *testing.T) {
			w := grouped(t)
			w.plan(w.at(0, problems(1, 100, alert.Average)...)...)
			var all []alert.Event
			for id := 1; id <= 50; id++ {
				e := of(commented(0, "on it"), id)
				w.at(time.Minute+time.Duration(id)*100*time.Millisecond, e)
				e.ReceivedAt, e.SentAt, e.At, e.Update.At = w.now, w.now, w.now, w.now
				if all = append(all, e); !together {
					w.plan(e)
					if p := w.postOf(id); p.Group == 0 {
						p.Claimed, p.PendingSince = true, time.Time{} // delivered
					}
				}
			}
			if together {
				w.plan(all...)
			}
			require.Equal(t, map[bool]int{false: 10, true: 0}[together], w.groups[0].Left)
			one := of(commented(0, "and this one"), 90)
			w.at(2*time.Minute, one)
			one.Update.At, one.ReceivedAt, one.SentAt, one.At = w.now, w.now, w.now, w.now
			w.plan(one)
			require.Zero(t, w.postOf(90).Group)
		})
	}
}

// Reminders and escalations of a member go to its group's thread. If it leaves afterwards, nobody is mentioned twice.
func TestNudgesOfMembers(t *testing.T) {
	w := grouped(t)
	w.rules.Timing = func(string, string) route.Timing { return route.Timing{Remind: time.Hour} }
	w.plan(w.at(0, problems(1, 20, alert.Average)...)...)
	w.groups[0].MessageID, w.groups[0].Shown = "M", 1
	w.now = epoch.Add(time.Hour)
	w.due()
	require.EqualValues(t, 2, w.groups[0].Revision)
	require.Equal(t, []any{20, w.now, w.now}, []any{w.groups[0].Lines, w.groups[0].LinesAt, w.groups[0].LinesSince})
	require.False(t, w.postOf(1).Pending())
	w.groups[0].LinesPosted = 20
	e := of(commented(0, "on it"), 1)
	w.at(time.Hour+time.Minute, e)
	e.Update.At, e.ReceivedAt, e.SentAt, e.At = w.now, w.now, w.now, w.now
	w.plan(e)
	require.Equal(t, 2, w.postOf(1).FromSeq)
	require.Len(t, w.known.Problems[w.postOf(1).Key].Timeline, 3)
}

// A storm that escalates to another room is a digest there. Its thread mentions the people that the escalation names.
func TestAnEscalatedStormIsNudged(t *testing.T) {
	w := grouped(t)
	w.rules.Timing = func(room, _ string) route.Timing {
		if room == "noc" {
			return route.Timing{Escalate: twoSteps}
		}
		return route.Timing{}
	}
	w.plan(w.at(0, problems(1, 20, alert.Average)...)...)
	w.now = epoch.Add(15 * time.Minute)
	require.Len(t, w.due().Nudged, 20)
	require.Len(t, w.groups, 2)
	for _, g := range w.groups {
		require.Equal(t, 20, g.Joined, g.Room)
		require.Equal(t, []any{20, w.now}, []any{g.Lines, g.LinesAt}, g.Room)
	}
}

// After any sequence of events, each post has its own message or is in one group, and groups count their members.
func TestEveryPostIsInOneMessage(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := grouped(t)
		rules := defaults
		rules.Threshold = rapid.SampledFrom([]int{2, defaults.Threshold}).Draw(rt, "threshold")
		w.rules.Grouping = func(string) Grouping { return rules }
		after, next := time.Duration(0), 1
		for range rapid.IntRange(1, 12).Draw(rt, "batches") {
			after += time.Duration(rapid.SampledFrom([]int{1, 100, 3000, 60_000}).Draw(rt, "ms")) * time.Millisecond
			w.now = epoch.Add(after)
			var events []alert.Event
			for range rapid.IntRange(0, 25).Draw(rt, "events") {
				trigger := 10_000 + rapid.IntRange(1, 6).Draw(rt, "trigger")
				e := of(opened(), next)
				switch kind := rapid.IntRange(0, 5).Draw(rt, "kind"); {
				case kind <= 2 || next == 1:
					severity := rapid.SampledFrom([]alert.Severity{alert.Average, alert.High, alert.Disaster}).Draw(rt, "severity")
					e.Severity, e.Facts.TriggerID = &severity, strconv.Itoa(trigger)
					if kind == 0 {
						e.Facts.TriggerID = strconv.Itoa(20_000 + next)
					}
					next++
				case kind == 3:
					e = of(recovered(0), rapid.IntRange(1, next-1).Draw(rt, "id"))
				case kind == 4:
					e = of(commented(0, fmt.Sprint("comment ", len(events))), rapid.IntRange(1, next-1).Draw(rt, "id"))
				default:
					e = of(event(alert.KindUpdate, 0), rapid.IntRange(1, next-1).Draw(rt, "id"))
					e.Severity = new(rapid.SampledFrom([]alert.Severity{alert.Average, alert.Disaster}).Draw(rt, "severity"))
					e.Update = &alert.Update{Actions: alert.Actions{Severity: &alert.SeverityChange{New: *e.Severity}}}
				}
				if e.Kind != alert.KindProblem {
					e.Facts.TriggerID = ""
				}
				events = append(events, w.at(after, e)[0])
			}
			w.plan(events...)
			w.checkGroups(rt)
			// Delivery claims some, and shows some groups. Some are refused, some are replayed.
			for _, posts := range w.known.Posts {
				for i := range posts {
					if p := &posts[i]; p.Fresh() && p.Pending() && rapid.Bool().Draw(rt, "claimed") {
						p.Claimed = true
						if rapid.Bool().Draw(rt, "delivered") {
							p.RootID, p.Delivered, p.PendingSince = "ROOT", p.Desired, time.Time{}
						}
					}
				}
			}
			for i := range w.groups {
				g := &w.groups[i]
				if rapid.Bool().Draw(rt, "shown") {
					g.MessageID, g.Shown, g.Edits = "M", g.Revision, g.Edits+1
				}
				g.State = rapid.SampledFrom([]store.PostState{store.PostLive, store.PostLive, store.PostDead}).Draw(rt, "state")
			}
		}
	})
}

func (w *world) checkGroups(rt *rapid.T) {
	members := make([]int, len(w.groups))
	left := make([]int, len(w.groups))
	for key, posts := range w.known.Posts {
		for _, p := range posts {
			switch {
			case p.Group < 0 || int(p.Group) > len(w.groups):
				rt.Fatalf("%s is in group %d, which doesn't exist", key, p.Group)
			case p.Group > 0:
				members[p.Group-1]++
				if p.LeftGroup > 0 {
					rt.Fatalf("%s joined group %d after it had left group %d", key, p.Group, p.LeftGroup)
				}
				if p.Pending() || p.Claimed {
					rt.Fatalf("%s has its own message and a group: %+v", key, p)
				}
				if w.groups[p.Group-1].Room != p.Room {
					rt.Fatalf("%s is in a group of another room", key)
				}
				if p.Open && p.Severity >= defaults.Individual {
					rt.Fatalf("%s is severe and in a group", key)
				}
			case !p.Claimed && !p.Pending():
				rt.Fatalf("%s has no message: %+v", key, p)
			}
			if p.LeftGroup > 0 {
				left[p.LeftGroup-1]++
			}
			if (p.Group > 0 || p.LeftGroup > 0) != (p.FromSeq > 0) {
				rt.Fatalf("%s is in group %d, left group %d, and entries up to %d are provided for", key, p.Group, p.LeftGroup, p.FromSeq)
			}
		}
	}
	for i, g := range w.groups {
		if g.Joined-g.Left != members[i] || g.Left != left[i] {
			rt.Fatalf("group %d has %d members, %d left: %+v", g.ID, members[i], left[i], g)
		}
	}
	for _, g := range w.groups {
		if g.Kind != store.GroupFlap {
			continue
		}
		open := 0
		for _, posts := range w.known.Posts {
			open += len(slices.DeleteFunc(slices.Clone(posts), func(p store.Post) bool { return p.Group != g.ID || !p.Open }))
		}
		if open > 1 {
			rt.Fatalf("%d openings of one trigger that are open at once are in group %d", open, g.ID)
		}
	}
}
