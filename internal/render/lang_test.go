package render_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/lang/langtest"
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
		out.WriteString("===== " + name + "\n" + r.Show(p, room, render.SamplesNow) + "\n" + r.Lines(p, p.Timeline, room, render.SamplesNow) + "\n" + langtest.CardWords(card) + "\n" + fallback + "\n")
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

// With each text of the catalogue marked, what is left of a message is the problem's own, times, links and commands.
func TestOnlyDataIsOutsideOfTheCatalogue(t *testing.T) {
	r := newRenderer(t)
	known := "personEmail ack take comment severity suppress graph room remind close unack unsuppress zabbix CET CEST Nov Oct all MST UTC " + "2d until mon 14:30 tomorrow " // as people type them
	room := render.Room{Name: "noc", Lang: lang.Marked, Location: berlin(t), Presentation: config.PresentThread}
	check := func(name, text string) {
		require.Empty(t, langtest.Outside(text, known), "%s: not from the catalogue:\n%s", name, text)
	}
	var items []render.DigestItem
	for name, p := range render.Samples() {
		if name == "hostile" {
			continue
		}
		raw, err := json.Marshal(p)
		require.NoError(t, err)
		known += strings.NewReplacer(`\n`, " ", `\r`, " ").Replace(string(raw))
		card, fallback := r.Card(p, room, render.SamplesNow)
		check(name, r.Show(p, room, render.SamplesNow))
		check(name, r.Lines(p, p.Timeline, room, render.SamplesNow))
		check(name, langtest.CardWords(card))
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
