package render_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/internal/zabbix"
)

var update = flag.Bool("update", false, "write the golden files anew")

func newRenderer(t testing.TB) *render.Renderer {
	t.Helper()
	r, err := render.New(render.Options{
		Sources: map[string]string{"main": "https://zabbix.example.com/"},
		TemplateFailed: func(name string, err error) {
			t.Errorf("a built-in template failed: %s: %v", name, err)
		},
	})
	require.NoError(t, err)
	return r
}

func berlin(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	return loc
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", filepath.FromSlash(name))
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update to write it")
	require.Equal(t, string(want), got)
}

// everything renders all messages of a problem on one page.
func everything(t *testing.T, r *render.Renderer, p alert.Problem, now time.Time) string {
	t.Helper()
	room := render.Room{Name: "noc", Location: berlin(t), Presentation: config.PresentThread}
	asCard, asLine := room, room
	asCard.Presentation, asLine.Presentation = config.PresentCard, config.PresentLine
	var out strings.Builder
	section := func(name, body string) { fmt.Fprintf(&out, "--- %s ---\n%s\n", name, body) }
	section("root", r.Root(p, room, now))
	section("line", r.Root(p, asLine, now))
	section("lines", r.Lines(p, p.Timeline, room, now))
	section("show", r.Show(p, room, now))
	section("actions", r.Actions(p))
	for _, in := range []render.Room{room, asCard} {
		card, fallback := r.Card(p, in, now)
		section("card in presentation "+string(in.Presentation), cardLines(t, card))
		section("its fallback", fallback)
	}
	return out.String()
}

// cardLines returns a card with one line per element and action.
func cardLines(t *testing.T, card any) string {
	t.Helper()
	encode := func(v any) string {
		var out strings.Builder
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		require.NoError(t, e.Encode(v))
		return out.String()
	}
	var parts struct{ Body, Actions []json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(encode(card)), &parts))
	var lines []string
	for _, part := range append(parts.Body, parts.Actions...) {
		lines = append(lines, strings.TrimSpace(encode(part)))
	}
	return strings.Join(lines, "\n")
}

// The messages of each sample problem.
func TestSamplesGolden(t *testing.T) {
	r := newRenderer(t)
	for name, p := range render.Samples() {
		t.Run(name, func(t *testing.T) {
			golden(t, "samples/"+name+".txt", everything(t, r, p, render.SamplesNow))
		})
	}
}

type fixtureCase struct {
	Case  string
	Files []string
}

// The messages of all recorded events; each case applies to the problems of the cases before it.
func TestRecordedEventsGolden(t *testing.T) {
	r := newRenderer(t)
	for _, version := range []string{"zabbix-6.0", "zabbix-7.0"} {
		var manifest struct{ Cases []fixtureCase }
		raw, err := fs.ReadFile(testdata.Fixtures, path.Join("fixtures", version, "MANIFEST.json"))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &manifest))
		problems := make(map[alert.Key]alert.Problem)
		rendered := 0
		for _, c := range manifest.Cases {
			events := fixtureEvents(t, version, c)
			if len(events) == 0 {
				continue
			}
			t.Run(version+"/"+c.Case, func(t *testing.T) {
				now := time.Time{}
				touched := make(map[alert.Key]bool)
				for _, e := range events {
					p, _ := alert.Apply(problems[e.Key], e)
					problems[e.Key] = p
					touched[e.Key] = true
					now = e.ReceivedAt
				}
				var out strings.Builder
				for _, key := range slices.SortedFunc(maps.Keys(touched), func(a, b alert.Key) int { return strings.Compare(a.EventID, b.EventID) }) {
					fmt.Fprintf(&out, "===== %s =====\n%s", key, everything(t, r, problems[key], now))
				}
				golden(t, version+"/"+c.Case+".txt", out.String())
			})
			rendered++
		}
		require.Greater(t, rendered, 30, version)
	}
}

// fixtureEvents returns a case's events, received when Zabbix sent them.
func fixtureEvents(t *testing.T, version string, c fixtureCase) []alert.Event {
	t.Helper()
	var events []alert.Event
	var first time.Time
	for i, file := range c.Files {
		body, err := fs.ReadFile(testdata.Fixtures, path.Join("fixtures", version, file))
		require.NoError(t, err)
		if c.Case == "cut-at-64k" {
			continue // input of the media type's script, not a payload
		}
		payload, faults := zabbix.Parse(body)
		require.Empty(t, faults, file)
		sent, err := time.Parse("2006.01.02 15:04:05", payload.Macro("date")+" "+payload.Macro("time"))
		require.NoError(t, err, file)
		if first.IsZero() {
			first = sent
		}
		if sent.Sub(first) > 8*time.Hour { // the recipient in Tokyo
			sent = sent.Add(-9 * time.Hour)
		}
		e, err := payload.Event(zabbix.DecodeOptions{Source: "main", ReceivedAt: sent.Add(time.Duration(i) * time.Millisecond)})
		require.NoError(t, err, file)
		events = append(events, e)
	}
	return events
}

// A list of problems, and the other messages that need no problem.
func TestRepliesGolden(t *testing.T) {
	r := newRenderer(t)
	samples := render.Samples()
	var list []alert.Problem
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		list = append(list, samples[name])
	}
	room := render.Room{Name: "noc", Location: berlin(t)}
	listed, _ := r.Problems(list, 0, 40, room, render.SamplesNow)
	golden(t, "problems.txt", listed+"\n")
	golden(t, "test.txt", r.Test("main", room, render.SamplesNow)+"\n")
}
