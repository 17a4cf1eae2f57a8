package render_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
)

var opened = time.Date(2026, 11, 24, 13, 18, 0, 0, time.UTC)

// updated returns an open problem with these updates, a minute apart.
func updated(change func(*alert.Problem), updates ...alert.Update) alert.Problem {
	p := alert.Problem{
		Key: alert.Key{Source: "main", EventID: "4711"}, Origin: alert.OriginTrigger, State: alert.StateOpen, Severity: alert.High, OpenedAt: opened,
		Facts: alert.Facts{Name: "Link down", Hosts: []alert.Host{{Host: "sw1"}}, TriggerID: "7"},
	}
	for i, u := range updates {
		u.At = opened.Add(time.Duration(i+1) * time.Minute)
		p.Timeline = append(p.Timeline, alert.Entry{Seq: i + 1, Kind: alert.EntryUpdate, At: u.At, Update: &u})
	}
	change(&p)
	return p
}

func by(name, words string, a alert.Actions) alert.Update {
	return alert.Update{Actor: alert.Actor{Name: name}, Message: words, Actions: a}
}

// A root shows only updates that are still in effect; comments stay.
func TestRootShowsOnlyWhatIsInEffect(t *testing.T) {
	r := newRenderer(t)
	alice := func(words string, a alert.Actions) alert.Update { return by("alice", words, a) }
	ack, unack := alert.Actions{Ack: true}, alert.Actions{Unack: true}
	severity := func(from, to alert.Severity) alert.Actions {
		return alert.Actions{Severity: &alert.SeverityChange{Old: from, New: to}}
	}
	for name, c := range map[string]struct {
		p        alert.Problem
		has, not []string
	}{
		"acknowledged with words, unacknowledged without": {updated(func(*alert.Problem) {}, alice("on my way", ack), by("bob", "", unack)),
			[]string{"💬 **alice** commented", "on my way"}, []string{"acknowledged", "✋"}},
		"acknowledged and unacknowledged with words": {updated(func(*alert.Problem) {}, alice("on my way", ack), by("bob", "sorry", unack)),
			[]string{"↩️ **bob** unacknowledged", "sorry"}, []string{"✋", "on my way"}},
		"without words": {updated(func(*alert.Problem) {}, alice("", ack), by("bob", "", unack)), nil, []string{"✋", "acknowledged", "💬"}},
		"acknowledged again by another": {updated(func(p *alert.Problem) { p.Acknowledged = true }, alice("on my way", ack), by("bob", "", unack), by("carol", "", ack)),
			[]string{"✋ **carol** acknowledged", "💬 **alice** commented"}, []string{"✋ **alice**"}},
		"unacknowledged and acknowledged again": {updated(func(p *alert.Problem) { p.Acknowledged = true }, by("bob", "not mine", unack), alice("", ack)),
			[]string{"✋ **alice** acknowledged", "💬 **bob** commented", "not mine"}, []string{"unacknowledged"}},
		"suppressed with words, and over": {updated(func(*alert.Problem) {}, alice("until noon", alert.Actions{Suppress: true, SuppressUntil: opened.Add(time.Hour)})),
			[]string{"💬 **alice** commented", "until noon"}, []string{"🔕", "suppressed"}},
		"a suppression that was extended since": {updated(func(p *alert.Problem) { p.Suppressed, p.SuppressedUntil = true, opened.Add(48*time.Hour) },
			alice("until noon", alert.Actions{Suppress: true, SuppressUntil: opened.Add(time.Hour)})),
			[]string{"🔕 Suppressed until " + opened.Add(48*time.Hour).Format("2 Jan"), "💬 **alice** commented", "until noon"}, []string{"suppressed it until", "indefinitely"}},
		"a suppression that became indefinite": {updated(func(p *alert.Problem) { p.Suppressed = true },
			alice("", alert.Actions{Suppress: true, SuppressUntil: opened.Add(time.Hour)})), []string{"problem, suppressed"}, []string{"until", "🔕"}},
		"an indefinite suppression that got an end": {updated(func(p *alert.Problem) { p.Suppressed, p.SuppressedUntil = true, opened.Add(48*time.Hour) },
			alice("", alert.Actions{Suppress: true})), []string{"🔕 Suppressed until"}, []string{"indefinitely"}},
		"an unchanged suppression": {updated(func(p *alert.Problem) { p.Suppressed, p.SuppressedUntil = true, opened.Add(48*time.Hour) },
			alice("", alert.Actions{Suppress: true, SuppressUntil: opened.Add(48 * time.Hour)})), []string{"🔕 **alice** suppressed it until"}, nil},
		"a severity that was changed again": {updated(func(p *alert.Problem) { p.Severity = alert.Disaster }, alice("it is small", severity(alert.High, alert.Warning)), by("bob", "", severity(alert.Warning, alert.Disaster))),
			[]string{"⬆️ **bob** changed the severity from Warning to Disaster", "💬 **alice** commented"}, []string{"to Warning"}},
		"a severity that Zabbix's API contradicts": {updated(func(p *alert.Problem) { p.Severity = alert.Average }, alice("", severity(alert.High, alert.Warning))), nil, []string{"Warning"}},
		"no longer a symptom":                      {updated(func(*alert.Problem) {}, alice("same cable", alert.Actions{ToSymptom: true})), []string{"💬 **alice** commented"}, []string{"symptom"}},
		"acknowledged and severity, the severity outdated": {updated(func(p *alert.Problem) { p.Acknowledged = true },
			alice("mine", alert.Actions{Ack: true, Severity: &alert.SeverityChange{Old: alert.High, New: alert.Average}}), by("bob", "", severity(alert.Average, alert.High))),
			[]string{"✋ **alice** acknowledged (", "mine", "⬆️ **bob**"}, []string{"to Average"}},
	} {
		for _, present := range []config.Presentation{config.PresentThread, config.PresentLine} {
			out := r.Root(c.p, render.Room{Presentation: present}, opened.Add(3*time.Hour))
			for _, s := range c.has {
				if present == config.PresentThread {
					require.Contains(t, out, s, name)
				}
			}
			for _, s := range c.not {
				require.NotContains(t, out, s, "%s: %s", name, present)
			}
		}
	}
}

// A message says "suppressed" only during a suppression, also in the first words, which a notification shows.
func TestSuppressedOnlyDuringASuppression(t *testing.T) {
	r := newRenderer(t)
	until := opened.Add(time.Hour)
	p := updated(func(p *alert.Problem) { p.Suppressed, p.SuppressedUntil = true, until })
	for now, want := range map[time.Time]bool{opened: true, until.Add(-time.Second): true, until: false, until.Add(time.Hour): false} {
		for _, present := range []config.Presentation{config.PresentThread, config.PresentLine, config.PresentCard} {
			out := r.Root(p, render.Room{Presentation: present}, now)
			require.Equal(t, want, strings.Contains(out, "High problem, suppressed"), "%s at %s: %s", present, now, out)
			if !want {
				require.NotContains(t, out, "suppressed until")
			}
			card, fallback := r.Card(p, render.Room{Presentation: present}, now)
			raw, err := json.Marshal(card)
			require.NoError(t, err)
			require.Equal(t, want && present == config.PresentCard, strings.Contains(string(raw)+fallback, "suppressed"), "%s at %s", present, now)
		}
	}
	p.SuppressedUntil = time.Time{} // indefinitely, or by a maintenance without an end
	require.Contains(t, r.Root(p, render.Room{}, opened.Add(1000*time.Hour)), "High problem, suppressed")
}

// A cancelled escalation says that Zabbix won't report the recovery, unless the problem is resolved.
func TestCancelledEscalationOfAResolvedProblem(t *testing.T) {
	r := newRenderer(t)
	p := updated(func(p *alert.Problem) { p.Cancelled = true })
	p.Timeline = []alert.Entry{{Seq: 1, Kind: alert.EntryCancelled, At: opened.Add(time.Minute)}}
	require.Contains(t, r.Lines(p, p.Timeline, render.Room{}, opened), "won't report the recovery")
	require.Contains(t, r.Root(p, render.Room{}, opened), "won't report the recovery")

	p.State, p.ResolvedAt = alert.StateResolved, opened.Add(2*time.Minute)
	p.Timeline = append(p.Timeline, alert.Entry{Seq: 2, Kind: alert.EntryResolved, At: p.ResolvedAt})
	for _, out := range []string{r.Lines(p, p.Timeline, render.Room{}, opened), r.Root(p, render.Room{}, opened), r.Show(p, render.Room{}, opened)} {
		require.NotContains(t, out, "won't report the recovery")
	}
	require.Contains(t, r.Lines(p, p.Timeline, render.Room{}, opened), "🚫 Zabbix cancelled the escalation")
}

// A symptom names its cause from the stored problem, else from Zabbix's macros, else by its event id.
func TestSymptomNamesItsCause(t *testing.T) {
	cause := alert.Problem{Key: alert.Key{Source: "main", EventID: "17"}, Origin: alert.OriginTrigger,
		Facts: alert.Facts{Name: "Core switch [down]", TriggerID: "99", Hosts: []alert.Host{{Host: "core1", Name: "Core 1"}}}}
	r, err := render.New(render.Options{Sources: map[string]string{"main": "https://zabbix.example.com"}, Problem: func(k alert.Key) (alert.Problem, bool) {
		return cause, k == cause.Key
	}})
	require.NoError(t, err)
	symptom := func(id, name string) alert.Problem {
		return updated(func(p *alert.Problem) {
			p.CauseEventID = id
			if name != "" {
				p.Macros = map[string]string{"event.cause.name": name}
			}
		}, by("alice", "", alert.Actions{ToSymptom: true}))
	}
	for name, c := range map[string]struct {
		p          alert.Problem
		root, line string
	}{
		"stored":          {symptom("17", ""), `🔗 Symptom of [Core switch \[down\]](https://zabbix.example.com/tr_events.php?triggerid=99&eventid=17) · Core 1 · 17`, `made it a symptom of Core switch \[down\] \(17\)`},
		"stored and sent": {symptom("17", "sent"), `🔗 Symptom of [Core switch`, `symptom of Core switch`},
		"sent only":       {symptom("18", "Uplink <down>"), "🔗 Symptom of Uplink &lt;down&gt; · 18", `made it a symptom of Uplink &lt;down&gt; \(18\)`},
		"neither":         {symptom("18", ""), "🔗 Symptom of event 18", "made it a symptom of event 18"},
	} {
		require.Contains(t, r.Root(c.p, render.Room{}, opened)+"\n", c.root, name)
		require.Contains(t, r.Lines(c.p, c.p.Timeline, render.Room{}, opened), c.line, name)
	}
	require.NotContains(t, r.Root(updated(func(*alert.Problem) {}), render.Room{}, opened), "Symptom")
}

// A long line that is both name and value is shown once; short values stay.
func TestLongTextIsShownOnce(t *testing.T) {
	r := newRenderer(t)
	log := strings.Repeat("ERROR replication broken on node 7, ", 60)
	for name, c := range map[string]struct {
		name, value string
		shown       string // of the value; "" for nothing
	}{
		"equal":                      {log, log, ""},
		"equal and short":            {"Link down", "Link down", ""},
		"equal but for line breaks":  {"a line\nof a log that is longer than forty characters", "a line of a log that is longer than forty characters", ""},
		"the value is in the name":   {"Log line: " + log, log, ""},
		"the name was cut":           {("Log line: " + log)[:600], log, ""},
		"the name was cut with dots": {("Log line: " + log)[:200] + "...", log[:400], "… "},
		"the name is in the value":   {log[:107], "2026-11-24 13:18 app1 " + log[:107] + " retry", "2026-11-24 13:18 app1 … retry"},
		"a short value in the name":  {"Disk 1 is full on a machine with a rather long name", "1", "1"},
		"something else":             {log, "68 °C", "68 °C"},
	} {
		p := updated(func(p *alert.Problem) { p.Name, p.OpData = c.name, c.value })
		for _, present := range []config.Presentation{config.PresentThread, config.PresentLine} {
			out := r.Root(p, render.Room{Presentation: present}, opened)
			if c.shown == "" {
				require.NotContains(t, out, "📈", name)
			} else {
				require.Contains(t, out, "📈 "+c.shown, name)
			}
		}
	}
	p := updated(func(p *alert.Problem) { p.Name = log })
	card, fallback := r.Card(p, render.Room{Presentation: config.PresentThread}, opened)
	raw, err := json.Marshal(card)
	require.NoError(t, err)
	require.Less(t, strings.Count(string(raw), "replication"), 5, "the root above shows it all")
	require.NotEmpty(t, fallback)
}

// A time without a date is today's. A message that is edited in place is read later, so all its times have dates.
func TestTimesHaveDates(t *testing.T) {
	r := newRenderer(t)
	p := updated(func(p *alert.Problem) { p.Acknowledged = true }, by("alice", "on it", alert.Actions{Ack: true}))
	hour := time.Hour
	for name, c := range map[string]struct {
		now, opened time.Time
		line        string
	}{
		"the same day":                       {opened.Add(hour), opened, "acknowledged (13:19)"},
		"the next day":                       {opened.Add(24 * hour), opened, "acknowledged (24 Nov 13:19)"},
		"opened the day before":              {opened.Add(hour), opened.Add(-24 * hour), "acknowledged (13:19)"},
		"the year after":                     {opened.Add(100 * 24 * hour), opened, "acknowledged (24 Nov 2026 13:19)"},
		"the same day of another month":      {opened.Add(30 * 24 * hour), opened, "acknowledged (24 Nov 13:19)"},
		"the same day of another year":       {opened.Add(365 * 24 * hour), opened, "acknowledged (24 Nov 2026 13:19)"},
		"in a zone where it is the next day": {opened.Add(11 * hour), opened, "acknowledged (24 Nov 13:19)"},
	} {
		p.OpenedAt = c.opened
		require.Contains(t, r.Root(p, render.Room{}, c.now), "acknowledged (24 Nov 13:19)", name)
		require.Contains(t, r.Lines(p, p.Timeline, render.Room{}, c.now), c.line, name)
		show := r.Show(p, render.Room{}, c.now)
		_, timeline, ok := strings.Cut(show, "**Timeline**")
		require.True(t, ok, show)
		require.Contains(t, timeline, c.line, name)
		card, _ := r.Card(p, render.Room{Presentation: config.PresentCard}, c.now)
		require.Contains(t, strings.Join(shownOf(t, card).lines, "\n"), "acknowledged (24 Nov 13:19)", name)
	}
	p.OpenedAt = opened
	require.Contains(t, r.Root(p, render.Room{}, opened.Add(100*24*hour)), "since 24 Nov 13:18:00 UTC")
}

// A problem that is gone from Zabbix has no buttons, open or not.
func TestGoneProblemsHaveNoButtons(t *testing.T) {
	r := newRenderer(t)
	for _, state := range []alert.State{alert.StateOpen, alert.StateUnknown, alert.StateResolved} {
		p := updated(func(p *alert.Problem) { p.State, p.CanClose = state, true })
		require.Equal(t, state != alert.StateResolved, r.Actions(p) != "", state)
		p.Gone = true
		require.Empty(t, r.Actions(p), state)
		card, fallback := r.Card(p, render.Room{}, opened)
		raw, err := json.Marshal(card)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "Action.Submit")
		require.NotContains(t, string(raw), "Input.Text")
		require.NotContains(t, fallback, "By button")
	}
}
