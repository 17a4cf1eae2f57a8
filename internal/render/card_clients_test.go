package render_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// nativeBlock returns the text that the native renderer of phones shows for a TextBlock, as far as EscapeMarkdown is
// concerned. It escapes & < > before parsing, so that entities show literally; it removes backslashes only before ]
// and ); and emphasis doesn't end after a bracket.
func nativeBlock(markdown string) string {
	emphasis := regexp.MustCompile(`\*\*([^*]*[^*)\]])\*\*`)
	markdown = emphasis.ReplaceAllString(markdown, "$1")
	return strings.NewReplacer(`\)`, `)`, `\]`, `]`).Replace(markdown)
}

var dateMacro = regexp.MustCompile(`\{\{(DATE|TIME)\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)(, ?(SHORT|LONG|COMPACT))?\)\}\}`)

// nativeRun returns the text that every renderer shows for a TextRun: its own, except for date macros.
func nativeRun(s string) string { return dateMacro.ReplaceAllString(s, "1/1/2026") }

// The model agrees with an experiment with the native parser.
func TestModelOfTheNativeParser(t *testing.T) {
	for name, want := range map[string]string{
		"**" + webex.EscapeMarkdown("Linux: High memory utilization (>90% for 5m)") + "** · 6500": `**Linux: High memory utilization \(&gt;90% for 5m)** · 6500`,
		webex.EscapeMarkdown("R&D_web_01"):                      `R&amp;D\_web\_01`,
		"**" + webex.EscapeMarkdown("Alice (via Webex)") + "**": `**Alice \(via Webex)**`,
		"**bold** text": "bold text",
	} {
		require.Equal(t, want, nativeBlock(name))
	}
}

type shownCard struct {
	lines []string
	urls  []string
}

// shownOf returns the content of a card as a phone shows it, without what is behind buttons.
func shownOf(t *testing.T, content any) shownCard {
	t.Helper()
	card, _ := cardOf(t, content)
	var shown shownCard
	for _, block := range card.Body {
		line := nativeBlock(block.Text)
		for _, run := range block.Inlines {
			line += nativeRun(run.Text)
		}
		shown.lines = append(shown.lines, line)
	}
	card.walk(func(e part) {
		if e.URL != "" {
			shown.urls = append(shown.urls, e.URL)
		}
	})
	return shown
}

// named returns a problem with the same text in every field that people write.
func named(name string) alert.Problem {
	at := time.Date(2026, 11, 24, 13, 18, 0, 0, time.UTC)
	update := alert.Update{At: at, Actor: alert.Actor{Name: name}, Message: name, Actions: alert.Actions{Ack: true, Comment: true}}
	return alert.Problem{
		Key: alert.Key{Source: "main", EventID: "4711"}, Origin: alert.OriginTrigger, State: alert.StateOpen, Severity: alert.High,
		Acknowledged: true, OpenedAt: at,
		Facts: alert.Facts{Name: name, OpData: "value " + name, Hosts: []alert.Host{{Host: "h", Name: name}}, Tags: []alert.Tag{{Tag: name, Value: "x " + name}},
			TriggerID: "7"},
		Timeline: []alert.Entry{{Seq: 1, Kind: alert.EntryUpdate, At: at, Update: &update}},
	}
}

// A card shows names of triggers, hosts, tags, values and people literally, on phones too: no backslash, entity, style or link.
func TestCardsShowNamesLiterally(t *testing.T) {
	r := newRenderer(t)
	for _, name := range testdata.Names {
		p := named(name)
		card, _ := r.Card(p, render.Room{Presentation: config.PresentThread}, render.SamplesNow)
		plain := strings.ReplaceAll(text.LineWith(name, " ⏎ "), "{{DATE(", "{\u200b{DATE(")
		require.Equal(t, "🟧 High · "+plain+" · 4711", shownOf(t, card).lines[0])

		card, _ = r.Card(p, render.Room{Presentation: config.PresentCard}, render.SamplesNow)
		shown := shownOf(t, card)
		all := strings.Join(shown.lines, "\n")
		require.Contains(t, shown.lines[0], "🟧 High problem, acknowledged · "+plain)
		require.Contains(t, all, "\n"+plain+" · 📈 value "+plain+"\n")
		require.Contains(t, all, "✋ "+plain+" acknowledged")
		if plain == text.Line(name) { // of several lines a comment is a quote
			require.Contains(t, all, "): "+plain+"\n")
		}
		if len([]rune(name)) < 38 {
			require.Contains(t, all, "🏷️ "+plain+": x "+plain)
		}
		for _, url := range shown.urls {
			require.True(t, strings.HasPrefix(url, zabbixBase), url)
		}
	}
}

// Custom templates show names literally too: escaping depends on the type of the printed value.
func TestCustomCardsShowNamesLiterally(t *testing.T) {
	for _, template := range []string{
		"{{.Name}}", "x **{{.Name}}** y", "> {{.Name}}", "# {{.Name}}", "- {{.Name}}", "_{{.Name}}_", "{{link .Name .ZabbixURL}}", "x {{printf \"%v\" .Name}}", "x{{range .Tags}}{{.Tag}}{{end}}",
		"{{join \", \" .Hosts}} x", "{{.Name}}{{.Name}}", "`{{\"x\"}}` {{.Name}}",
	} {
		r, err := render.New(render.Options{Dir: dirWith(t, map[string]string{"card.md.tmpl": "{{if .Name}}" + template + "{{else}}x{{end}}"}), Sources: map[string]string{"main": "https://zabbix.example.com"}})
		require.NoError(t, err, template)
		for _, name := range testdata.Names {
			card, _ := r.Card(named(name), render.Room{}, render.SamplesNow)
			shown := shownOf(t, card)
			plain := strings.ReplaceAll(text.LineWith(text.Shorten(name, 40), " ⏎ "), "{{DATE(", "{\u200b{DATE(")
			require.Contains(t, shown.lines[0], strings.TrimSuffix(plain, "…"), "%s: %q", template, name)
			for _, url := range shown.urls {
				require.True(t, strings.HasPrefix(url, zabbixBase), url)
			}
		}
	}
}
