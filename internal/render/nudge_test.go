package render_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/webex"
)

// Nudges are posted to their rooms, whatever a route's tell says, until somebody acts on the problem.
func TestNudgesAreTimely(t *testing.T) {
	r, p, now := newRenderer(t), render.Samples()["escalated"], render.SamplesNow
	nudges := p.Timeline[1:]
	noc := render.Room{Name: "noc", Tell: []string{"resolved"}}
	require.Contains(t, r.Lines(p, nudges, noc, now), "⏫ Escalated to leads: nobody acknowledged it for 5m (13:23) <@personEmail:alice@example.com> <@all>")
	require.Contains(t, r.Lines(p, nudges, noc, now), "⏰ Still open after 10m, and nobody has acknowledged it")
	leads := r.Lines(p, nudges, render.Room{Name: "leads"}, now)
	require.Contains(t, leads, "⏫ Escalated from noc: nobody acknowledged it for 5m (13:23) <@personEmail:alice@example.com> <@all>")
	require.NotContains(t, leads, "⏰")
	require.Empty(t, r.Lines(p, nudges, render.Room{Name: "db"}, now))

	for name, change := range map[string]func(p *alert.Problem){
		"acknowledged": func(p *alert.Problem) { p.Acknowledged = true },
		"resolved":     func(p *alert.Problem) { p.State = alert.StateResolved },
		"suppressed":   func(p *alert.Problem) { p.Suppressed = true },
		"for a while":  func(p *alert.Problem) { p.Suppressed, p.SuppressedUntil = true, now.Add(time.Second) },
	} {
		done := p
		change(&done)
		require.Empty(t, r.Lines(done, nudges, noc, now), name)
		require.Contains(t, r.Show(done, noc, now), "⏫ Escalated to leads", name)
		require.NotContains(t, r.Show(done, noc, now), "<@", name)
	}
	awake := p
	awake.Suppressed, awake.SuppressedUntil = true, now
	require.NotEmpty(t, r.Lines(awake, nudges, noc, now))
}

// If two rooms of a route escalate at nearly the same moment, the target room gets one line. A minute later it is another
// escalation.
func TestSameStepOfTwoRoomsIsPostedOnce(t *testing.T) {
	r := newRenderer(t)
	at := opened.Add(15 * time.Minute)
	step := func(room string, at time.Time, step int) alert.Entry {
		return alert.Entry{Kind: alert.EntryEscalated, At: at, Nudge: &alert.Nudge{Kind: alert.EntryEscalated, Room: room, Rooms: []string{"leads"}, Step: step, After: 15 * time.Minute, At: at}}
	}
	for name, c := range map[string]struct {
		second alert.Entry
		posted bool
	}{
		"at the same moment":    {step("noc", at, 0), false},
		"a second later":        {step("noc", at.Add(time.Second), 0), false},
		"just under a minute":   {step("noc", at.Add(time.Minute-time.Second), 0), false},
		"a minute later":        {step("noc", at.Add(time.Minute), 0), true},
		"half an hour later":    {step("noc", at.Add(30*time.Minute), 0), true},
		"another step":          {step("noc", at, 1), true},
		"the same room's later": {step("db", at.Add(time.Second), 1), true},
	} {
		p := updated(func(p *alert.Problem) { p.Timeline = []alert.Entry{step("db", at, 0), c.second} })
		out := r.Lines(p, p.Timeline[1:], render.Room{Name: "leads"}, at.Add(time.Hour))
		require.Equal(t, c.posted, out != "", "%s: %q", name, out)
		require.Contains(t, r.Lines(p, p.Timeline[:1], render.Room{Name: "leads"}, at.Add(time.Hour)), "Escalated from db", name)
	}
}

// A reminder says how long the problem has been open, for a year too, and when it is, in the room's time zone.
func TestRemindersOfLongProblems(t *testing.T) {
	r := newRenderer(t)
	zurich, err := time.LoadLocation("Europe/Zurich")
	require.NoError(t, err)
	for after, want := range map[time.Duration]string{
		36 * time.Hour:                    "⏰ Still open after 1d 12h, and nobody has acknowledged it",
		21*24*time.Hour + 3*time.Hour:     "⏰ Still open after 21d 3h, and nobody has acknowledged it",
		400*24*time.Hour + 59*time.Minute: "⏰ Still open after 400d, and nobody has acknowledged it",
	} {
		at := opened.Add(after)
		p := updated(func(p *alert.Problem) {
			p.Timeline = []alert.Entry{{Kind: alert.EntryReminded, At: at, Nudge: &alert.Nudge{Kind: alert.EntryReminded, Room: "noc", At: at}}}
		})
		room := render.Room{Name: "noc", Location: zurich}
		require.Contains(t, r.Lines(p, p.Timeline, room, at), want+" ("+at.In(zurich).Format("15:04")+")")
		require.Contains(t, r.Lines(p, p.Timeline, room, at.Add(24*time.Hour)), at.In(zurich).Format("2 Jan")+" ", "a line that is a day late has its date")
	}
}

// Replies of templates without mentions, and cut replies, still mention.
func TestMentionsAreNeverLost(t *testing.T) {
	const all = "<@personEmail:alice@example.com> <@all>"
	p := render.Samples()["escalated"]
	for name, c := range map[string]struct{ template, want string }{
		"without":  {"{{range .Lines}}- {{.Did}}\n{{end}}", "- Escalated to leads: nobody acknowledged it for 5m\n" + all},
		"with":     {"{{range .Lines}}{{with .Mention}}{{.}}: {{end}}{{.Did}}\n{{end}}", all + ": Escalated to leads: nobody acknowledged it for 5m"},
		"nothing":  {"{{if false}}x{{end}}", "⏫ Escalated to leads: nobody acknowledged it for 5m\n" + all},
		"too long": {"{{range .Lines}}{{range $.Tags}}{{printf \"%7000s\" \"x\"}}{{end}}{{.Mention}}{{end}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "lines.md.tmpl"), []byte(c.template), 0o600))
			r, err := render.New(render.Options{Dir: dir})
			require.NoError(t, err)
			got := r.Lines(p, p.Timeline[1:2], render.Room{Name: "noc"}, render.SamplesNow)
			if c.want != "" {
				require.Equal(t, c.want, got)
			}
			require.Contains(t, got, all)
			require.LessOrEqual(t, len(got), webex.MaxMessageBytes)
		})
	}
}
