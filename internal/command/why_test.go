package command

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// routes are two routes and the default room.
func routes(t *testing.T) *route.Router {
	t.Helper()
	r, err := route.New(&config.Config{
		DefaultRooms: []string{"noc"},
		Routes: []config.Route{
			{Name: "lab", Line: 10, Match: config.Match{ProblemMatch: config.ProblemMatch{Sources: []string{"lab"}}}, Rooms: []string{"db"}},
			{Name: "main <@all>", Line: 20, Match: config.Match{ProblemMatch: config.ProblemMatch{Sources: []string{"main"}}}, Rooms: []string{"noc", "db"}},
		},
	})
	require.NoError(t, err)
	return r
}

// why says which routes matched, and what the room got. Other rooms are named only to those who may see them.
func TestWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.routing = routes(t)
		w.settings = func(room, rule string) (render.Room, bool) {
			return render.Room{Name: room, Tell: []string{render.TellResolved}}, room == "noc"
		}
		k := w.problem("main/4711", "noc", "db")
		p := w.find(k)
		p.Timeline = []alert.Entry{{Seq: 1, Key: "u", Kind: alert.EntryUpdate, Update: &alert.Update{Actions: alert.Actions{Ack: true}}}}
		w.put(p)
		w.setDown("main", true) // so that the stored problem is explained
		r := w.start(t)
		defer r.stop()
		r.receives("M1", Input{Text: "why 4711", Room: "noc"})
		r.receives("M2", Input{Text: "why 4711", Direct: true}) // alice, who may see everything
		synctest.Wait()
		answers := w.answers()
		require.Len(t, answers, 2)
		here := answers[0]
		require.Contains(t, here, "`main/4711` problem 4711")
		require.Regexp(t, `➖ .lab.: .*main.*lab`, here)
		require.Regexp(t, `✅ .main <.*@all>.: .* → \*\*noc\*\*, 1 other room`, here)
		require.Contains(t, here, "➖ `default_rooms`: not evaluated")
		require.Contains(t, here, "**noc**, by the default rooms:\n\n- ✅ Its message shows the present")
		require.Contains(t, here, "🔇 1 change was not posted in the thread: the route tells only resolved.")
		require.Contains(t, here, "It went to 1 other room too")
		require.NotContains(t, here, "**db**")
		require.Contains(t, answers[1], "→ **noc**, **db**")
		require.Contains(t, answers[1], "**db**, by the default rooms:")
		require.Contains(t, answers[1], "⚠️ The room isn't configured any more.")
	})
}

// why knows of the mute that holds a problem back.
func TestWhyDuringAMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.routing = routes(t)
		w.settings = func(room, _ string) (render.Room, bool) { return render.Room{Name: room}, true }
		k, until := w.problem("main/4711"), time.Now().Add(time.Hour)
		w.commit(store.Fold{Posts: []store.Post{{Key: k, Room: "noc", Route: "main <@all>", Desired: 1, Open: true, JoinedAt: time.Now(), TellAfter: until}}})
		w.setDown("main", true)
		r := w.start(t)
		defer r.stop()
		require.NoError(t, r.o.Mutes.set(t.Context(), "main <@all>", Mute{Until: until}))
		r.receives("M1", Input{Text: "why 4711", Room: "noc"})
		synctest.Wait()
		require.Contains(t, w.answers()[0], "🕓 Not posted before 01:00 UTC: the mute of its route.")
	})
}

// A room that the route escalates to isn't muted, so why names what holds the problem back there: its quiet hours.
func TestWhyInARoomThatAMutedRouteEscalatesTo(t *testing.T) {
	for own, want := range map[bool]string{false: "🕓 Not posted before 07:00 UTC: the room's quiet hours.", true: "🕓 Not posted before 07:00 UTC: the mute of its route and the room's quiet hours."} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.routing = fixedTiming{route.Timing{Own: own, Quiet: &config.Quiet{Below: alert.Disaster}}}
			w.settings = func(room, _ string) (render.Room, bool) { return render.Room{Name: room}, true }
			k := w.problem("main/4711")
			w.commit(store.Fold{Posts: []store.Post{{Key: k, Room: "noc", Route: "leads", Desired: 1, Open: true, JoinedAt: time.Now(), ReceivedAt: time.Now(), TellAfter: time.Now().Add(7 * time.Hour)}}})
			w.setDown("main", true)
			r := w.start(t)
			defer r.stop()
			require.NoError(t, r.o.Mutes.set(t.Context(), "leads", Mute{Until: time.Now().Add(3 * time.Hour)}))
			r.receives("M1", Input{Text: "why 4711", Room: "noc"})
			synctest.Wait()
			require.Contains(t, w.answers()[0], want)
		})
	}
}

// Each state of a post has its own explanation.
func TestFateOfAPost(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	soon, before := now.Add(10*time.Minute), now.Add(-10*time.Minute)
	open, over := alert.Problem{State: alert.StateOpen, Severity: alert.High}, alert.Problem{State: alert.StateResolved, ResolvedAt: before}
	acked := open
	acked.Acknowledged = true
	held, occurred := open, alert.Problem{State: alert.StateOccurred}
	held.HeldBack = true
	muted := route.Timing{Delay: time.Minute, Muted: soon}
	quiet := &config.Quiet{Below: alert.Disaster}
	delay := route.Timing{Delay: 20 * time.Minute}
	escalates := route.Timing{Escalate: []config.Escalation{{After: config.Duration(time.Minute)}}}
	dead := store.Cursor{State: store.PostDead, DeadAt: before, LastError: "404 **gone**", TrackingID: "NA_1"}
	for name, c := range map[string]struct {
		fate
		want string
	}{
		"delivered":          {fate{problem: open, post: store.Post{Cursor: store.Cursor{RootID: "R", DeliveredAt: before, TrackingID: "NA_3"}}}, "✅ Its message shows the present, since 11:50 UTC (tracking id of the last call `NA_3`)."},
		"behind":             {fate{problem: open, post: store.Post{PendingSince: before, Cursor: store.Cursor{RootID: "R"}}}, "🕓 Its message isn't up to date: it has waited for its turn since 11:50 UTC: 12 messages to this room due, at the pace that Webex allows."},
		"waiting":            {fate{problem: open, post: store.Post{PendingSince: before}}, "🕓 Not posted yet: it has waited for its turn since 11:50 UTC: 12 messages to this room due, at the pace that Webex allows."},
		"failing":            {fate{problem: open, post: store.Post{PendingSince: before, Cursor: store.Cursor{Attempts: 2, NotBefore: soon, LastError: "503", TrackingID: "NA_2"}}}, "🕓 Not posted yet: sending it failed.\n⚠️ 2 attempts in a row failed. The last error: 503 (tracking id `NA_2`). The next attempt is at 12:10 UTC."},
		"refused":            {fate{problem: open, post: store.Post{Cursor: dead}}, "🛑 Webex refused it for good (11:50 UTC): 404 \\*\\*gone\\*\\* (tracking id `NA_1`). It is a dead letter."},
		"delayed":            {fate{problem: open, timing: delay, post: store.Post{ReceivedAt: before, TellAfter: soon}}, "🕓 Not posted before 12:10 UTC: the route's delay of 20m."},
		"quiet hours":        {fate{problem: open, timing: route.Timing{Quiet: quiet}, post: store.Post{ReceivedAt: before, TellAfter: soon}}, "🕓 Not posted before 12:10 UTC: the room's quiet hours."},
		"delay, then quiet":  {fate{problem: open, timing: route.Timing{Delay: time.Minute, Quiet: quiet}, post: store.Post{ReceivedAt: before, TellAfter: soon}}, "🕓 Not posted before 12:10 UTC: the route's delay of 1m and the room's quiet hours."},
		"resolved in time":   {fate{problem: over, timing: delay, post: store.Post{ReceivedAt: before, TellAfter: before.Add(20 * time.Minute)}}, "🔇 Not posted: it resolved at 11:50 UTC, within the route's delay of 20m."},
		"known before":       {fate{problem: open, post: store.Post{TellAfter: store.Never}}, "🔇 Not posted: it was known before this room got it, or nothing is new about it. It is posted once somebody reports a change."},
		"known before, over": {fate{problem: over, post: store.Post{TellAfter: store.Never}}, "🔇 Not posted: it was known before this room got it, or nothing was new about it, until it resolved at 11:50 UTC."},
		"held back":          {fate{problem: held, post: store.Post{}}, "🔇 Not posted: only the API reported it so far, and a maintenance holds it back in Zabbix."},
		"muted":              {fate{problem: open, timing: muted, post: store.Post{ReceivedAt: before, TellAfter: soon}}, "🕓 Not posted before 12:10 UTC: the mute of its route."},
		"muted, then quiet":  {fate{problem: open, timing: route.Timing{Muted: soon, Quiet: quiet}, post: store.Post{ReceivedAt: before, TellAfter: soon.Add(time.Hour)}}, "🕓 Not posted before 13:10 UTC: the mute of its route and the room's quiet hours."},
		"a delay after that": {fate{problem: open, timing: route.Timing{Delay: time.Hour, Muted: soon}, post: store.Post{ReceivedAt: before, TellAfter: before.Add(time.Hour)}}, "🕓 Not posted before 12:50 UTC: the route's delay of 1h."},
		"resolved in a mute": {fate{problem: over, post: store.Post{ReceivedAt: before, TellAfter: now}}, "🔇 Not posted: it resolved at 11:50 UTC, within a delay, a mute or quiet hours that aren't there any more."},
		"quiet occurrence":   {fate{problem: occurred, timing: route.Timing{Quiet: quiet}, post: store.Post{ReceivedAt: before, TellAfter: soon}}, "🕓 Not posted before 12:10 UTC: the room's quiet hours."},
		"digest refused":     {fate{problem: open, post: store.Post{Group: 1}, group: store.Group{ID: 1, Kind: store.GroupCause, Joined: 1, GroupCursor: store.GroupCursor{State: store.PostDead, LastError: "404"}}}, "🛑 It shares a message in the thread of its cause with 1 symptom. Webex refused that for good: 404. It is a dead letter."},
		"digest failing":     {fate{problem: open, post: store.Post{Group: 1}, group: store.Group{ID: 1, Kind: store.GroupStorm, Joined: 2, GroupCursor: store.GroupCursor{MessageID: "D", Attempts: 1, LastError: "503"}}}, "⚠️ It shares the message of a storm with 2 problems, because the room was too far behind. 1 attempt in a row failed. The last error: 503."},
		"backing off":        {fate{problem: open, post: store.Post{PendingSince: before, Cursor: store.Cursor{NotBefore: soon}}}, "🕓 Not posted yet: it is sent at 12:10 UTC."},
		"every step taken":   {fate{problem: open, timing: escalates, post: store.Post{Escalated: 1, Cursor: store.Cursor{RootID: "R"}}}, "✅ Its message shows the present.\n⏸️ It doesn't escalate or remind: it took every step."},
		"no clocks, held":    {fate{problem: held, timing: escalates, post: store.Post{Cursor: store.Cursor{RootID: "R"}}}, "✅ Its message shows the present.\n⏸️ It doesn't escalate or remind: it is suppressed."},
		"an update alone":    {fate{problem: open, post: store.Post{HoldUntil: soon}}, "🕓 Not posted before 12:10 UTC: so far only an update of it arrived, which waits for its problem."},
		"storm":              {fate{problem: open, post: store.Post{Group: 1}, group: store.Group{ID: 1, Kind: store.GroupStorm, Joined: 40, GroupCursor: store.GroupCursor{MessageID: "D"}}}, "👥 It shares the message of a storm with 40 problems, because the room was too far behind."},
		"storm, not yet":     {fate{problem: open, post: store.Post{Group: 1}, group: store.Group{ID: 1, Kind: store.GroupStorm, Joined: 40}}, "👥 It shares the message of a storm with 40 problems, because the room was too far behind. That isn't posted yet."},
		"flapping":           {fate{problem: open, post: store.Post{Group: 1}, group: store.Group{ID: 1, Kind: store.GroupFlap, Joined: 3, GroupCursor: store.GroupCursor{MessageID: "D"}}}, "👥 It shares the message of a flapping trigger with 3 openings."},
		"pruned group":       {fate{problem: over, post: store.Post{Group: 1}}, "👥 It shares a message with other problems, which is gone."},
		"escalates":          {fate{problem: open, timing: escalates, post: store.Post{EscalateAt: soon, RemindAt: soon, Cursor: store.Cursor{RootID: "R"}}}, "✅ Its message shows the present.\n⏫ It escalates at 12:10 UTC unless somebody acknowledges it.\n⏰ The next reminder is at 12:10 UTC unless somebody acknowledges it."},
		"acknowledged":       {fate{problem: acked, timing: escalates, post: store.Post{Cursor: store.Cursor{RootID: "R"}}}, "✅ Its message shows the present.\n⏸️ It doesn't escalate or remind: it is acknowledged."},
		"edited, left":       {fate{problem: open, post: store.Post{LeftGroup: 3, Cursor: store.Cursor{RootID: "R", Edits: 1}}}, "✅ Its message shows the present.\n✏️ Its message was edited 1 time, of 10 that Webex allows.\n↗️ It left a message that it shared, because somebody acted on it or it became severe."},
		"nothing to be told": {fate{problem: over, post: store.Post{}}, "🔇 Not posted: nothing about it is to be posted in this room."},
	} {
		c.now, c.queue = now, 12
		require.Equal(t, c.want, strings.Join(c.lines(), "\n"), name)
	}
}
