package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// opens folds one more opening of a trigger, so long after the last, and says whether it flaps.
func (w *world) opens(trigger string, after time.Duration) bool {
	w.now = w.now.Add(after)
	e := opened()
	e.Key.EventID = fmt.Sprint(5000 + w.id)
	e.Facts.TriggerID = trigger
	out := w.plan(e)
	w.openings.add(out.Opened, w.rules.Flapping)
	require.Len(w.t, out.Fold.Posts, 1)
	require.Equal(w.t, w.now, out.Fold.Posts[0].JoinedAt)
	flap := out.Fold.Posts[0].Flap
	require.Contains(w.t, []string{"", "main/trigger/" + trigger}, flap)
	return flap != ""
}

func flappingWorld(t *testing.T) *world {
	w := newWorld(t)
	w.known.Openings = &w.openings
	w.rules.Flapping = func(room string) Flapping {
		if room == "db" {
			return Flapping{}
		}
		return Flapping{Count: 3, Window: 15 * time.Minute}
	}
	return w
}

// From the third opening within the window on a trigger is flapping, and it
// stays so until it hasn't opened for the window.
func TestFlapping(t *testing.T) {
	for name, c := range map[string]struct {
		after []time.Duration
		want  string
	}{
		"once":                     {[]time.Duration{0}, "."},
		"again and again":          {[]time.Duration{0, 30 * time.Second, 30 * time.Second, 30 * time.Second, 0}, "..fff"},
		"at one time":              {[]time.Duration{0, 0, 0, 0}, "..ff"},
		"rarely":                   {[]time.Duration{0, 8 * time.Minute, 8 * time.Minute, 8 * time.Minute}, "...."},
		"just within":              {[]time.Duration{0, 7 * time.Minute, 8*time.Minute - 1}, "..f"},
		"just not":                 {[]time.Duration{0, 7 * time.Minute, 8 * time.Minute}, "..."},
		"more rarely, and goes on": {[]time.Duration{0, time.Minute, time.Minute, 14 * time.Minute, 14 * time.Minute, 15 * time.Minute, time.Minute, time.Minute}, "..fff..f"},
	} {
		w := flappingWorld(t)
		got := ""
		for _, after := range c.after {
			got += map[bool]string{true: "f", false: "."}[w.opens("17", after)]
		}
		require.Equal(t, c.want, got, name)
	}
}

// Each trigger, and each room, counts for itself; a room can be without.
func TestFlappingByTriggerAndRoom(t *testing.T) {
	w := flappingWorld(t)
	for range 2 {
		require.False(t, w.opens("17", time.Second))
		require.False(t, w.opens("18", time.Second))
	}
	require.True(t, w.opens("17", time.Second))
	require.True(t, w.opens("18", time.Second))

	// The fourth of 17 is a disaster, which room db hears of too: there none flaps.
	for n := range 4 {
		e := opened()
		e.Key.EventID, e.Facts.TriggerID = fmt.Sprint(9000+n), "17"
		*e.Severity = alert.Disaster
		out := w.plan(e)
		w.openings.add(out.Opened, w.rules.Flapping)
		for _, p := range out.Fold.Posts {
			require.Equal(t, p.Room == "noc", p.Flap != "", p.Room)
		}
	}
}

// Openings of one batch count for each other; the same event again is no
// opening, and an entry that can't be applied neither.
func TestFlappingInABatch(t *testing.T) {
	w := flappingWorld(t)
	var items []Item
	for n := range 4 {
		e := opened()
		e.Key.EventID, e.Facts.TriggerID = fmt.Sprint(n+1), "17"
		items = append(items, w.item(e, ""), w.item(e, ""), w.item(alert.Event{Kind: alert.KindProblem}, ""))
	}
	out := w.planItems(items...)
	require.Len(t, out.Fold.SetAside, 4)
	require.Len(t, out.Opened, 4)
	for i, p := range out.Fold.Posts {
		require.Equal(t, i >= 2, p.Flap != "", "opening %d", i+1)
	}
}

// What has no trigger's id goes by its name and hosts; what never lasts never flaps.
func TestFlapName(t *testing.T) {
	p := func(change func(*alert.Problem)) alert.Problem {
		p := alert.Problem{Key: k4711, Origin: alert.OriginInternal, Facts: alert.Facts{Name: "Item not supported", Hosts: []alert.Host{{Host: "sw1"}}}}
		change(&p)
		return p
	}
	same := FlapName(p(func(*alert.Problem) {}))
	require.NotEmpty(t, same)
	require.Less(t, len(same), 64)
	require.Equal(t, same, FlapName(p(func(p *alert.Problem) { p.Key.EventID = "4712" })))
	for name, change := range map[string]func(*alert.Problem){
		"another host":   func(p *alert.Problem) { p.Hosts[0].Host = "sw2" },
		"another name":   func(p *alert.Problem) { p.Name += "!" },
		"another origin": func(p *alert.Problem) { p.Origin = alert.OriginService },
		"another source": func(p *alert.Problem) { p.Key.Source = "lab" },
		"a trigger":      func(p *alert.Problem) { p.TriggerID = "17" },
	} {
		require.NotEqual(t, same, FlapName(p(change)), name)
	}
	for _, o := range []alert.Origin{alert.OriginDiscovery, alert.OriginAutoregistration} {
		require.Empty(t, FlapName(p(func(p *alert.Problem) { p.Origin = o })))
	}
	require.Empty(t, FlapName(alert.Problem{Key: k4711, Origin: alert.OriginTrigger}))
}

// However many triggers open, what is remembered is bounded, and the newest are
// never forgotten.
func TestOpeningsAreBounded(t *testing.T) {
	var o openings
	rules := func(string) Flapping { return Flapping{Count: 3, Window: time.Hour} }
	for n := range 5 * openingsMost {
		o.add([]Opening{{Room: "noc", Name: fmt.Sprint(n), At: epoch}, {Room: "noc", Name: "often", At: epoch.Add(time.Duration(n))}}, rules)
		require.LessOrEqual(t, len(o.young)+len(o.old), 2*openingsMost)
	}
	require.Len(t, o.of("noc", fmt.Sprint(5*openingsMost-1)).times, 1)
	require.Len(t, o.of("noc", fmt.Sprint(4*openingsMost)).times, 1)
	require.Len(t, o.of("noc", "often").times, 3, "as many as count")
}

// Whatever opens when: what is read again from the posts decides as what was
// kept in memory, so a restart changes nothing.
func TestOpeningsSurviveARestart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := flappingWorld(t)
		for range rapid.IntRange(1, 30).Draw(rt, "openings") {
			trigger := rapid.SampledFrom([]string{"17", "18"}).Draw(rt, "trigger")
			after := time.Duration(rapid.IntRange(0, 16).Draw(rt, "minutes")) * time.Minute
			var problems []alert.Problem
			posts := map[alert.Key][]store.Post{}
			for k, p := range w.known.Problems {
				for _, post := range w.known.Posts[k] {
					if w.now.Add(after).Sub(post.JoinedAt) <= 15*time.Minute {
						problems, posts[k] = append(problems, p), w.known.Posts[k]
					}
				}
			}
			var again openings
			again.add(openingsOf(problems, posts), w.rules.Flapping)
			h := again.of("noc", "main/trigger/"+trigger)
			want := h.next(w.rules.Flapping("noc"), w.now.Add(after))
			if got := w.opens(trigger, after); got != want {
				rt.Fatalf("flapping %v, after a restart %v: %+v", got, want, h)
			}
		}
	})
}
