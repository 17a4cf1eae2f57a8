package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

const minute = time.Minute

var twoSteps = []config.Escalation{
	{After: config.Duration(15 * minute), Rooms: []string{"leads"}, Mention: []string{"alice@example.com"}},
	{After: config.Duration(60 * minute), Mention: []string{alert.MentionAll}},
}

// quietAtNight is quiet from 22:00 to 07:00 for severities below high.
func quietAtNight(t *testing.T) *config.Quiet {
	hours, err := config.ParseHours("22:00-07:00")
	require.NoError(t, err)
	return &config.Quiet{When: []config.When{{Hours: hours}}, Below: alert.High}
}

// timed is a world at a time, in which room noc has a timing.
func timed(t *testing.T, timing route.Timing, now time.Time) *world {
	w := newWorld(t)
	w.now = now
	w.rules.Timing = func(room, _ string) route.Timing {
		if room == "noc" {
			return timing
		}
		return route.Timing{}
	}
	return w
}

// later lets time pass and folds an update.
func (w *world) later(after time.Duration, change func(*alert.Event)) {
	w.t.Helper()
	w.now = w.now.Add(after)
	e := event(alert.KindUpdate, 0)
	e.Severity = nil
	e.ReceivedAt, e.SentAt, e.At = w.now, w.now, w.now
	e.Update = &alert.Update{At: w.now}
	change(&e)
	w.plan(e)
}

func does(a alert.Actions) func(*alert.Event) { return func(e *alert.Event) { e.Update.Actions = a } }

func becomes(s alert.Severity) func(*alert.Event) {
	return func(e *alert.Event) {
		e.Severity = &s
		e.Update.Actions.Severity = &alert.SeverityChange{New: s}
	}
}

func ends(e *alert.Event) {
	e.Kind, e.Update, e.Resolved, e.ResolvedAt = alert.KindRecovery, nil, true, e.At
}

func (w *world) due() Outcome {
	w.t.Helper()
	var due []store.Post
	for _, posts := range w.known.Posts {
		for i, p := range posts {
			if at := p.DueAt(); !at.IsZero() && !at.After(w.now) {
				due = append(due, posts[i])
			}
		}
	}
	out := w.finish(PlanDue(due, nil, w.known, w.rules, w.now))
	require.Empty(w.t, out.Fold.Applied)
	require.Empty(w.t, out.Faults)
	return out
}

// A new post waits for delay and quiet hours, and its clocks start after them.
func TestScheduleOfNewPost(t *testing.T) {
	at := func(clock string) time.Time {
		if clock == "" {
			return time.Time{}
		}
		day := 24
		if clock < "12:00" {
			day++
		}
		c, err := time.Parse("15:04", clock)
		require.NoError(t, err)
		return time.Date(2026, 11, day, c.Hour(), c.Minute(), 0, 0, time.UTC)
	}
	for name, c := range map[string]struct {
		delay, remind time.Duration
		steps         []config.Escalation
		severity      alert.Severity
		joined        string
		tell          string
		escalate      string
		again         string // reminded
	}{
		"posted at once, no clocks":                {severity: alert.High, joined: "22:30"},
		"a delay":                                  {delay: 5 * minute, severity: alert.High, joined: "12:00", tell: "12:05"},
		"clocks count from the delay's end":        {delay: 5 * minute, remind: 60 * minute, steps: twoSteps, severity: alert.High, joined: "12:00", tell: "12:05", escalate: "12:20", again: "13:05"},
		"quiet hours":                              {severity: alert.Average, joined: "22:30", tell: "07:00"},
		"clocks count from the end of quiet hours": {remind: 60 * minute, steps: twoSteps, severity: alert.Average, joined: "22:30", tell: "07:00", escalate: "07:15", again: "08:00"},
		"no quiet hours for severe problems":       {remind: 60 * minute, severity: alert.High, joined: "22:30", again: "23:30"},
		"a delay that ends in quiet hours":         {delay: 5 * minute, severity: alert.Average, joined: "21:57", tell: "07:00"},
		"quiet hours that end in the delay":        {delay: 5 * minute, severity: alert.Average, joined: "06:57", tell: "07:02"},
		"a reminder that is due in the night":      {remind: 60 * minute, severity: alert.Average, joined: "21:30", again: "22:30"},
	} {
		t.Run(name, func(t *testing.T) {
			w := timed(t, route.Timing{Delay: c.delay, Remind: c.remind, Escalate: c.steps, Quiet: quietAtNight(t)}, at(c.joined))
			e := opened()
			e.Severity = &c.severity
			w.plan(e)
			p := w.post("noc")
			require.Equal(t, w.now, p.JoinedAt)
			require.Equal(t, at(c.tell), p.TellAfter)
			require.Equal(t, at(c.escalate), p.EscalateAt)
			require.Equal(t, at(c.again), p.RemindAt)
			require.Equal(t, c.tell == "", p.Pending())
			require.Equal(t, !p.Pending(), !p.LookAt.IsZero(), "the ledger checks it again when it may be posted")
		})
	}
}

// Updates stop and restart a problem's clocks.
func TestScheduleFollowsTheProblem(t *testing.T) {
	timing := route.Timing{Remind: 60 * minute, Escalate: twoSteps}
	ack, unack := does(alert.Actions{Ack: true}), does(alert.Actions{Unack: true})
	suppress := does(alert.Actions{Suppress: true})
	for name, c := range map[string]struct {
		steps    []func(*alert.Event) // ten minutes apart
		escalate time.Duration        // after now; 0 for never
		remind   time.Duration
	}{
		"a comment changes nothing":           {[]func(*alert.Event){does(alert.Actions{Comment: true})}, 5 * minute, 50 * minute},
		"acknowledged":                        {[]func(*alert.Event){ack}, 0, 0},
		"acknowledged twice":                  {[]func(*alert.Event){ack, ack}, 0, 0},
		"the acknowledgement is taken back":   {[]func(*alert.Event){ack, unack}, 15 * minute, 60 * minute},
		"taken back and commented on":         {[]func(*alert.Event){ack, unack, does(alert.Actions{Comment: true})}, 5 * minute, 50 * minute},
		"suppressed for good":                 {[]func(*alert.Event){suppress}, 0, 0},
		"unsuppressed, from then on":          {[]func(*alert.Event){suppress, does(alert.Actions{Unsuppress: true})}, 15 * minute, 60 * minute},
		"suppressed for a time":               {[]func(*alert.Event){does(alert.Actions{Suppress: true, SuppressUntil: epoch.Add(100 * minute)})}, 105 * minute, 150 * minute},
		"the end is postponed":                {[]func(*alert.Event){does(alert.Actions{Suppress: true, SuppressUntil: epoch.Add(50 * minute)}), does(alert.Actions{Suppress: true, SuppressUntil: epoch.Add(100 * minute)})}, 95 * minute, 140 * minute},
		"acknowledged while suppressed":       {[]func(*alert.Event){does(alert.Actions{Suppress: true, SuppressUntil: epoch.Add(100 * minute)}), ack}, 0, 0},
		"over":                                {[]func(*alert.Event){ends}, 0, 0},
		"a comment after the end":             {[]func(*alert.Event){ends, does(alert.Actions{Comment: true})}, 0, 0},
		"unacknowledged after the end":        {[]func(*alert.Event){ack, ends, unack}, 0, 0},
		"more severe, outside of quiet hours": {[]func(*alert.Event){becomes(alert.Disaster)}, 5 * minute, 50 * minute},
		"made a cause":                        {[]func(*alert.Event){does(alert.Actions{ToCause: true})}, 5 * minute, 50 * minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := timed(t, timing, epoch)
			w.plan(opened())
			w.deliver("noc")
			for _, step := range c.steps {
				w.later(10*minute, step)
			}
			p := w.post("noc")
			check := func(what string, after time.Duration, got time.Time) {
				want := time.Time{}
				if after != 0 {
					want = w.now.Add(after)
				}
				require.Equal(t, want, got, what)
			}
			check("escalation", c.escalate, p.EscalateAt)
			check("reminder", c.remind, p.RemindAt)
		})
	}
}

// A problem that becomes severe in quiet hours is posted at once, and its clocks start. A resolved one keeps its TellAfter.
func TestScheduleInQuietHours(t *testing.T) {
	night := time.Date(2026, 11, 24, 22, 30, 0, 0, time.UTC)
	timing := route.Timing{Delay: 5 * minute, Remind: 60 * minute, Escalate: twoSteps, Quiet: quietAtNight(t)}
	average := alert.Average
	begin := func() *world {
		w := timed(t, timing, night)
		e := opened()
		e.Severity = &average
		w.plan(e)
		require.Equal(t, night.Add(510*minute), w.post("noc").TellAfter)
		return w
	}
	w := begin()
	w.later(2*minute, becomes(alert.Disaster))
	require.Equal(t, night.Add(5*minute), w.post("noc").TellAfter, "after its delay")
	require.Equal(t, night.Add(20*minute), w.post("noc").EscalateAt)

	w = begin()
	w.later(60*minute, becomes(alert.Disaster))
	require.Equal(t, night.Add(5*minute), w.post("noc").TellAfter, "long ago")
	require.Equal(t, w.now.Add(15*minute), w.post("noc").EscalateAt, "clocks count from its first possible message")
	w.later(minute, becomes(alert.Warning))
	require.Equal(t, night.Add(510*minute), w.post("noc").TellAfter, "nothing has been posted yet")
	require.Equal(t, night.Add(525*minute), w.post("noc").EscalateAt)

	w = begin()
	w.later(60*minute, ends)
	require.Equal(t, night.Add(510*minute), w.post("noc").TellAfter)
	require.Zero(t, w.post("noc").DueAt())

	// In a room that has the problem, postponed reminders and escalations happen at once.
	w = timed(t, timing, night.Add(-60*minute))
	e := opened()
	e.Severity = &average
	w.plan(e)
	w.deliver("noc")
	w.now = night
	require.Empty(t, w.due().Nudged)
	require.Equal(t, night.Add(510*minute), w.post("noc").EscalateAt)
	w.later(minute, becomes(alert.High))
	require.Equal(t, w.now, w.post("noc").EscalateAt)
	require.Len(t, w.due().Nudged, 1)
}

// A problem that resolves within the delay is never posted, whatever the order of its events.
func TestResolvedWithinTheDelay(t *testing.T) {
	for name, events := range map[string][]alert.Event{
		"in order":  {opened(), recovered(minute)},
		"overtaken": {recovered(minute), opened()},
	} {
		w := timed(t, route.Timing{Delay: 5 * minute, Remind: 60 * minute}, epoch)
		w.plan(events...)
		require.Equal(t, epoch.Add(5*minute), w.post("noc").TellAfter, name)
		require.Zero(t, w.post("noc").DueAt(), name)
	}
}

// A problem that resolved in quiet hours is never posted, even if the recovery arrives after them.
func TestResolvedInQuietHours(t *testing.T) {
	night := time.Date(2026, 11, 24, 22, 30, 0, 0, time.UTC)
	w := timed(t, route.Timing{Quiet: quietAtNight(t)}, night)
	average := alert.Average
	e := opened()
	e.Severity = &average
	w.plan(e)
	morning := w.post("noc").TellAfter
	require.Equal(t, night.Add(510*minute), morning)

	w.later(600*minute, becomes(alert.Disaster))
	require.Equal(t, morning, w.post("noc").TellAfter)
	w.later(minute, ends)
	require.Equal(t, morning, w.post("noc").TellAfter)
}

// Escalations and reminders are done once, in their rooms, until somebody acknowledges.
func TestPlanDue(t *testing.T) {
	timing := route.Timing{Remind: 60 * minute, Escalate: twoSteps}
	w := timed(t, timing, epoch)
	w.plan(opened())
	require.Empty(t, w.due().Fold.Posts, "nothing is due")
	w.deliver("noc")

	// The first step: a line in the room, and a post in the other one.
	w.now = epoch.Add(15 * minute)
	revision := w.known.Problems[k4711].Revision
	out := w.due()
	require.Equal(t, []Nudged{{k4711, alert.Nudge{Kind: alert.EntryEscalated, Room: "noc", Rooms: []string{"leads"}, Mention: []string{"alice@example.com"}, After: 15 * minute, At: w.now}}}, out.Nudged)
	require.Len(t, out.Fold.Problems, 1)
	require.Equal(t, revision+1, w.known.Problems[k4711].Revision)
	require.Equal(t, out.Nudged[0].Nudge, *w.known.Problems[k4711].Timeline[1].Nudge)
	require.True(t, w.post("noc").Pending())
	require.Equal(t, w.now, w.post("noc").PendingSince)
	require.Equal(t, epoch.Add(60*minute), w.post("noc").EscalateAt, "the second step")
	require.Equal(t, 1, w.post("noc").Escalated)
	leads := w.post("leads")
	require.True(t, leads.Pending())
	require.Equal(t, w.now, leads.JoinedAt)
	require.Zero(t, leads.DueAt(), "an escalation doesn't escalate again")
	require.Empty(t, w.due().Nudged, "no escalation or reminder repeats")

	// A reminder that comes with an escalation is left out.
	w.deliver("noc")
	w.deliver("leads")
	w.now = epoch.Add(60 * minute)
	out = w.due()
	require.Len(t, out.Nudged, 1)
	require.Equal(t, alert.EntryEscalated, out.Nudged[0].Nudge.Kind)
	require.Equal(t, 1, out.Nudged[0].Nudge.Step)
	require.Zero(t, w.post("noc").EscalateAt, "there is no third step")
	require.Equal(t, epoch.Add(120*minute), w.post("noc").RemindAt)
	require.False(t, w.post("leads").Pending(), "this step isn't for it")

	// The next reminder counts from the last one. Those that were missed while the relay was down aren't made up for.
	w.deliver("noc")
	w.now = epoch.Add(300 * minute)
	out = w.due()
	require.Equal(t, []Nudged{{k4711, alert.Nudge{Kind: alert.EntryReminded, Room: "noc", At: w.now}}}, out.Nudged)
	require.Equal(t, epoch.Add(360*minute), w.post("noc").RemindAt)

	// Until somebody acknowledges.
	w.later(minute, does(alert.Actions{Ack: true}))
	require.Zero(t, w.post("noc").DueAt())
}

// A due escalation or reminder is skipped if problem, route or post have changed.
func TestPlanDueAfterChanges(t *testing.T) {
	timing := route.Timing{Remind: 60 * minute, Escalate: twoSteps}
	for name, c := range map[string]struct {
		change func(w *world, p *alert.Problem, post *store.Post)
		nudged int
		next   time.Duration // of the post, after now; 0 for never
	}{
		"as it was":    {func(*world, *alert.Problem, *store.Post) {}, 1, 45 * minute},
		"acknowledged": {func(_ *world, p *alert.Problem, _ *store.Post) { p.Acknowledged = true }, 0, 0},
		"over":         {func(_ *world, p *alert.Problem, _ *store.Post) { p.State = alert.StateResolved }, 0, 0},
		"suppressed":   {func(_ *world, p *alert.Problem, _ *store.Post) { p.Suppressed = true }, 0, 0},
		"suppressed until later": {func(w *world, p *alert.Problem, _ *store.Post) {
			p.Suppressed, p.SuppressedUntil = true, w.now.Add(minute)
		}, 0, minute}, // checked again when that ends
		"suppressed until now":    {func(w *world, p *alert.Problem, _ *store.Post) { p.Suppressed, p.SuppressedUntil = true, w.now }, 1, 45 * minute},
		"the route is gone":       {func(w *world, _ *alert.Problem, _ *store.Post) { w.rules.Timing = nil }, 0, 45 * minute},
		"no reminders any more":   {func(w *world, _ *alert.Problem, p *store.Post) { w.rules.Timing = nil; p.RemindAt = w.now }, 0, 0},
		"fewer steps":             {func(_ *world, _ *alert.Problem, p *store.Post) { p.Escalated = 2 }, 0, 45 * minute},
		"a dead letter escalates": {func(_ *world, _ *alert.Problem, p *store.Post) { p.State = store.PostDead }, 1, 45 * minute},
		"a dead letter has no reminders": {func(w *world, _ *alert.Problem, p *store.Post) {
			p.State, p.RemindAt, p.EscalateAt = store.PostDead, w.now, time.Time{}
		}, 0, 0},
		"not yet posted, it escalates": {func(_ *world, _ *alert.Problem, p *store.Post) { p.Claimed, p.RootID = false, "" }, 1, 45 * minute},
		"not yet posted, no reminder": {func(w *world, _ *alert.Problem, p *store.Post) {
			p.Claimed, p.RootID, p.RemindAt, p.EscalateAt = false, "", w.now, time.Time{}
		}, 0, 60 * minute},
		"the problem was pruned": {func(w *world, p *alert.Problem, _ *store.Post) { *p = alert.Problem{} }, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := timed(t, timing, epoch)
			w.plan(opened())
			w.deliver("noc")
			w.now = epoch.Add(15 * minute)
			p, post := w.known.Problems[k4711], w.known.Posts[k4711][0]
			c.change(w, &p, &post)
			w.known.Problems[k4711], w.known.Posts[k4711][0] = p, post
			out := w.due()
			require.Len(t, out.Nudged, c.nudged)
			want := time.Time{}
			if c.next != 0 {
				want = w.now.Add(c.next)
			}
			require.Equal(t, want, w.post("noc").DueAt())
		})
	}
	require.Empty(t, PlanDue([]store.Post{{Key: k4711, Room: "noc", EscalateAt: epoch}}, nil, Known{}, Rules{}, epoch).Finish(nil, nil).Fold.Posts, "the post was pruned too")
}

// A panic at one post stops its clocks alone.
func TestPlanDuePanic(t *testing.T) {
	w := timed(t, route.Timing{Remind: 60 * minute}, epoch)
	w.plan(opened())
	w.deliver("noc")
	other := alert.Key{Source: "main", EventID: "2"}
	e := opened()
	e.Key = other
	w.plan(e)
	posts := w.known.Posts[other]
	posts[0].Claimed, posts[0].RootID = true, "ROOT"
	w.now = epoch.Add(60 * minute)
	timing := w.rules.Timing
	calls := 0
	w.rules.Timing = func(room, rule string) route.Timing {
		if calls++; calls == 1 {
			panic("a broken route")
		}
		return timing(room, rule)
	}
	out := w.finish(PlanDue([]store.Post{w.post("noc"), posts[0]}, nil, w.known, w.rules, w.now))
	require.Len(t, out.Faults, 1)
	require.ErrorContains(t, out.Faults[0], "main/4711 in room noc")
	require.Len(t, out.Nudged, 1)
	require.Equal(t, other, out.Nudged[0].Key)
	require.Zero(t, w.post("noc").DueAt())
}

// For any clocks, problem and rules, a due post is no longer due once it is handled, and is nudged at most once.
func TestDueIsDoneOnce(t *testing.T) {
	quiet := quietAtNight(t)
	rapid.Check(t, func(t *rapid.T) {
		pick := func(label string, of ...time.Duration) time.Duration { return rapid.SampledFrom(of).Draw(t, label) }
		now := epoch.Add(pick("now", 0, 11*60*minute, 20*60*minute))
		ago := func(label string) time.Time {
			if d := pick(label, -1, 0, minute, 2*60*minute, -5*minute); d != -1 {
				return now.Add(-d)
			}
			return time.Time{}
		}
		timing := route.Timing{Delay: pick("delay", 0, 5*minute), Remind: pick("remind", 0, 60*minute), Escalate: twoSteps[:rapid.IntRange(0, 2).Draw(t, "steps")]}
		if rapid.Bool().Draw(t, "quiet") {
			timing.Quiet = quiet
		}
		var p alert.Problem
		state := rapid.SampledFrom([]alert.State{alert.StateOpen, alert.StateOpen, alert.StateResolved, alert.StateUnknown}).Draw(t, "state")
		if state != alert.StateUnknown {
			p, _ = alert.Apply(p, opened())
		}
		u := event(alert.KindUpdate, time.Second)
		u.Severity = new(rapid.SampledFrom([]alert.Severity{alert.Average, alert.High}).Draw(t, "severity"))
		u.Update = &alert.Update{At: u.At, Actions: alert.Actions{Ack: rapid.Bool().Draw(t, "acked"), Suppress: rapid.Bool().Draw(t, "suppressed"), SuppressUntil: ago("until")}}
		u.Resolved = state == alert.StateResolved
		p, _ = alert.Apply(p, u)
		require.Equal(t, state, p.State)
		known := Known{Problems: map[alert.Key]alert.Problem{k4711: p}, Posts: map[alert.Key][]store.Post{}}
		var due []store.Post
		for _, room := range []string{"noc", "db"} {
			post := store.Post{Key: k4711, Room: room, JoinedAt: epoch, EscalateAt: ago("escalate"), RemindAt: ago("again"), Escalated: rapid.IntRange(0, 3).Draw(t, "escalated"), TellAfter: ago("tell")}
			post.State = rapid.SampledFrom([]store.PostState{store.PostLive, store.PostDead}).Draw(t, "post")
			post.Claimed = rapid.Bool().Draw(t, "claimed")
			known.Posts[k4711] = append(known.Posts[k4711], post)
			if at := post.DueAt(); !at.IsZero() && !at.After(now) {
				due = append(due, post)
			}
		}
		out := PlanDue(due, nil, known, Rules{Timing: func(room, _ string) route.Timing {
			if room == "leads" {
				return route.Timing{}
			}
			return timing
		}}, now).Finish(nil, nil)
		require.Empty(t, out.Faults)
		seen := map[string]bool{}
		for _, post := range out.Fold.Posts {
			at := post.DueAt()
			require.True(t, at.IsZero() || at.After(now), "%s is due again: %+v", post.Room, post)
			require.False(t, seen[post.Room])
			seen[post.Room] = true
		}
		for _, post := range due {
			require.True(t, seen[post.Room])
		}
		require.LessOrEqual(t, len(out.Nudged), len(due))
		if _, unattended := p.Unattended(now); !unattended {
			require.Empty(t, out.Nudged)
			require.Len(t, out.Fold.Problems, len(out.Learned))
		}
	})
}
