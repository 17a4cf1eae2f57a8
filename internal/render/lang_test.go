package render_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/render"
)

// The samples' messages and cards in German. The files are read by people: a text that is cut or English shows.
func TestGermanGolden(t *testing.T) {
	r := newRenderer(t)
	room := render.Room{Name: "noc", Lang: lang.German, Location: berlin(t), Presentation: config.PresentThread}
	var out strings.Builder
	for _, name := range []string{"open", "again", "acknowledged", "taken", "severity-changed", "suppressed", "resolved", "closed", "cancelled", "escalated",
		"escalated-here", "asked", "gone", "symptom", "update-only", "service", "internal", "discovery", "autoregistration"} {
		p := render.Samples()[name]
		card, fallback := r.Card(p, room, render.SamplesNow)
		out.WriteString("===== " + name + "\n" + r.Show(p, room, render.SamplesNow) + "\n" + r.Lines(p, p.Timeline, room, render.SamplesNow) + "\n" + cardWords(t, card) + "\n" + fallback + "\n")
	}
	golden(t, "german.txt", out.String())
}

// An escalation says whom it couldn't reach, and why, in its thread and in that of a digest.
func TestGapsOfDuty(t *testing.T) {
	r := newRenderer(t)
	room := render.Room{Name: "noc", Lang: lang.German, Location: berlin(t)}
	for why, want := range map[alert.GapReason]string{
		alert.GapNobody:     "in network \\(primary\\) ist niemand im Dienst",
		alert.GapUnwritable: "das Relay darf denen nicht schreiben, die in network \\(primary\\) im Dienst sind",
		alert.GapUnread:     "wer in network \\(primary\\) im Dienst ist, ist unbekannt: der Kalender ließ sich noch nicht lesen",
		alert.GapNoSchedule: "den Dienstplan network \\(primary\\) gibt es nicht mehr",
	} {
		p := render.Samples()["escalated"]
		nudge := alert.Nudge{Kind: alert.EntryEscalated, Room: "noc", After: time.Hour, At: render.SamplesNow, Gaps: []alert.Gap{{Why: why, Schedule: "network", Layer: "primary"}}}
		lines := r.Lines(p, []alert.Entry{{Kind: alert.EntryEscalated, Nudge: &nudge}}, room, render.SamplesNow)
		require.Contains(t, lines, "nicht quittiert · "+want)
		digest, _ := r.DigestLines([]render.DigestLine{{Nudge: nudge, Item: r.DigestItem(p, room)}}, room)
		require.Contains(t, digest, " · "+want)
	}
}

// cardWords are the texts of a card, one a line.
func cardWords(t *testing.T, card any) string {
	t.Helper()
	raw, err := json.Marshal(card)
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(raw, &v))
	var words []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for _, key := range []string{"text", "title", "label", "placeholder"} {
				if s, ok := v[key].(string); ok {
					words = append(words, s)
				}
			}
			for _, key := range []string{"body", "inlines", "choices", "actions", "card"} {
				walk(v[key])
			}
		}
	}
	walk(v)
	return strings.Join(words, "\n")
}

var innermost = regexp.MustCompile(`⟦[^⟦⟧]*⟧`)

// unmarked removes what comes from the catalogue.
func unmarked(s string) string {
	for innermost.MatchString(s) {
		s = innermost.ReplaceAllString(s, " ")
	}
	return s
}

var letters = regexp.MustCompile(`\p{L}{2,}`)

// With each text of the catalogue marked, what is left of a message is the problem's own, times, links and commands.
func TestOnlyDataIsOutsideOfTheCatalogue(t *testing.T) {
	r := newRenderer(t)
	known := map[string]bool{}
	learn := func(text string) {
		for _, w := range letters.FindAllString(text, -1) {
			known[strings.ToLower(w)] = true
		}
	}
	learn("https zabbix example com tr_events.php triggerid eventid zabbix.php action problem.view CET CEST Nov Oct personEmail all MST UTC")
	room := render.Room{Name: "noc", Lang: lang.Marked, Location: berlin(t), Presentation: config.PresentThread}
	check := func(name, text string) {
		for _, w := range letters.FindAllString(unmarked(text), -1) {
			require.True(t, known[strings.ToLower(w)], "%s: %q isn't from the catalogue:\n%s", name, w, text)
		}
	}
	var items []render.DigestItem
	for name, p := range render.Samples() {
		if name == "hostile" {
			continue
		}
		raw, err := json.Marshal(p)
		require.NoError(t, err)
		learn(strings.NewReplacer(`\n`, " ", `\r`, " ").Replace(string(raw)))
		learn("2d until mon 14:30 tomorrow") // lengths as people type them
		card, fallback := r.Card(p, room, render.SamplesNow)
		check(name, r.Show(p, room, render.SamplesNow))
		check(name, r.Lines(p, p.Timeline, room, render.SamplesNow))
		check(name, cardWords(t, card))
		check(name, fallback)
		items = append(items, r.DigestItem(p, room))
	}
	for _, d := range []render.Digest{{Items: items}, {Items: items, Flap: true, Left: 2, Last: true}, {Items: items, Symptoms: true}, {Items: items[:1], Account: true, Gone: items[1:]}, {}} {
		text, _ := r.Digest(d, room)
		check("digest", text)
		check("digest's file", string(r.DigestFile(d, room, render.SamplesNow)))
		check("flap line", r.FlapLine(d, room))
	}
	list, _ := r.Problems([]alert.Problem{render.Samples()["open"]}, 1, 40, room, render.SamplesNow)
	check("problems", list)
	check("test", r.Test("main", room, render.SamplesNow))
	check("canary", r.Canary("noc", room))
	for _, kind := range []string{"alerts", "found", "server", "reconcile", "gone", "action"} {
		check(kind, r.SourceTrouble(render.SourceTrouble{Source: "main", Kind: kind, Since: render.SamplesNow, Count: 2}, room))
	}
	check("heartbeat", r.HeartbeatMissing(render.MissingHeartbeat{Name: "noc", Interval: time.Minute, Known: render.SamplesNow}, room))
	check("first found", r.FirstFound("main", room, []render.SeverityCount{{Severity: alert.High, Count: 2}}, render.SamplesNow))
}
