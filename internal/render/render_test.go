package render_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/webex"
)

func sample(t *testing.T, name string) alert.Problem {
	t.Helper()
	p, ok := render.Samples()[name]
	require.True(t, ok, name)
	return p
}

// Pieces of markup in any combination are harmless.
func TestPiecesOfMarkupAreHarmless(t *testing.T) {
	r := newRenderer(t)
	pieces := []string{"<", "@", "all", ">", "[", "]", "(", ")", "!", "*", "**", "_", "`", "~~", "|", "#", "\n", "\r", "\t", " ", "  ", "-", "1.", "+", "=", "---",
		"http", ":", "//", "www", ".", "evil.example.com", "mailto:", "\\", "&", "lt;", "#60;", "x", "\u202e", "\u200d", "\x00", "\xff", "{{", "}}", "é"}
	now := time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		strange := func(label string) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 25).Draw(rt, label), "")
		}
		for _, p := range variants(strange("name"), strange("value"), strange("comment"), runbook, "4711") {
			harmless(t, "root", r.Root(p, render.Room{}, now))
			harmless(t, "line", r.Root(p, render.Room{Presentation: config.PresentLine}, now))
			harmless(t, "lines", r.Lines(p, p.Timeline, render.Room{}, now))
			card, fallback := r.Card(p, render.Room{Presentation: config.PresentCard}, now)
			harmless(t, "fallback", fallback)
			harmlessCard(t, p, card)
		}
	})
}

// The message of a resolved problem says "resolved" in every presentation.
func TestResolvedProblemsSaySo(t *testing.T) {
	r := newRenderer(t)
	for _, name := range []string{"resolved", "closed", "gone", "service-resolved"} {
		for _, presentation := range []config.Presentation{config.PresentThread, config.PresentCard, config.PresentLine} {
			p := sample(t, name)
			require.Regexp(t, `\bresolved\b`, r.Root(p, render.Room{Presentation: presentation}, render.SamplesNow), name)
			_, fallback := r.Card(p, render.Room{Presentation: config.PresentCard}, render.SamplesNow)
			require.Regexp(t, `\bresolved\b`, fallback, name)
			require.Empty(t, r.Actions(p), name)
		}
	}
	require.NotRegexp(t, `resolved`, r.Root(sample(t, "open"), render.Room{}, render.SamplesNow))
}

// Each severity has its own colour and a word.
func TestSeverityHasColourAndWord(t *testing.T) {
	r := newRenderer(t)
	seen := make(map[string]bool)
	for _, s := range alert.Severities {
		p := sample(t, "open")
		p.Severity = s
		first, _, _ := strings.Cut(r.Root(p, render.Room{}, render.SamplesNow), "\n")
		emoji, rest, _ := strings.Cut(first, " ")
		require.False(t, seen[emoji], "%s twice", emoji)
		seen[emoji] = true
		require.Contains(t, strings.ToLower(rest), s.String())
	}
}

// Times are in the room's zone, and ids include the source if there are several.
func TestTimesAreInTheRoomsZoneAndIDsAreUnique(t *testing.T) {
	p := sample(t, "open")
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	one := newRenderer(t)
	root := one.Root(p, render.Room{Location: tokyo}, render.SamplesNow)
	require.Contains(t, root, "since 24 Nov 22:18:00 JST · 4711 ·")
	require.Contains(t, one.Root(p, render.Room{}, render.SamplesNow), "13:18:00 UTC")

	two, err := render.New(render.Options{Sources: map[string]string{"main": "https://zabbix.example.com", "lab": "https://lab.example.com/zabbix/"}})
	require.NoError(t, err)
	require.Contains(t, two.Root(p, render.Room{}, render.SamplesNow), "· main/4711 ·")
	p.Key.Source = "lab"
	require.Contains(t, two.Root(p, render.Room{}, render.SamplesNow), "(https://lab.example.com/zabbix/tr_events.php?triggerid=23118&eventid=4711)")
	p.Key.Source = "unknown"
	require.NotContains(t, two.Root(p, render.Room{}, render.SamplesNow), "[Zabbix]")
}

// An open root shows nothing that becomes false with time, except a suppression, at whose end the ledger has it edited.
func TestOpenRootDoesNotDependOnTheTime(t *testing.T) {
	r := newRenderer(t)
	for name, p := range render.Samples() {
		at := r.Root(p, render.Room{}, render.SamplesNow)
		if end := p.SuppressedUntil; !end.IsZero() {
			require.Equal(t, at, r.Root(p, render.Room{}, end.Add(-time.Second)), name)
			at = r.Root(p, render.Room{}, end)
			require.NotContains(t, at, "suppressed", name)
		}
		require.Equal(t, at, r.Root(p, render.Room{}, render.SamplesNow.Add(400*24*time.Hour)), name)
	}
	require.Contains(t, r.Show(sample(t, "open"), render.Room{}, render.SamplesNow), "Open for 12m")
	require.NotContains(t, r.Show(sample(t, "resolved"), render.Room{}, render.SamplesNow), "Open for")
}

// With texts of any length a message keeps its id and links.
func TestLongTextsKeepTheLinks(t *testing.T) {
	r := newRenderer(t)
	long := strings.Repeat("<@all> *x* ", 2000)
	p := sample(t, "acknowledged")
	p.Name, p.OpData, p.Hosts = long, long, nil
	for range 60 {
		p.Hosts = append(p.Hosts, alert.Host{Name: long})
		p.Tags = append(p.Tags, alert.Tag{Tag: long, Value: long})
	}
	p.Timeline = slices.Clone(p.Timeline)
	for i := range 200 {
		p.Timeline = append(p.Timeline, alert.Entry{Seq: 10 + i, Kind: alert.EntryUpdate, At: p.OpenedAt,
			Update: &alert.Update{At: p.OpenedAt, Actor: alert.Actor{Name: long}, Actions: alert.Actions{Comment: true}, Message: long}})
	}
	root := r.Root(p, render.Room{}, render.SamplesNow)
	harmless(t, "root", root)
	require.Contains(t, root, "· 4711 · [Zabbix](https://zabbix.example.com/")
	require.Contains(t, root, "[runbook")
	harmless(t, "lines", r.Lines(p, p.Timeline, render.Room{}, render.SamplesNow))
	harmless(t, "show", r.Show(p, render.Room{}, render.SamplesNow))
}

// A runbook is linked only if its address is plainly a web page's, and the label shows the host.
func TestRunbookLinks(t *testing.T) {
	r := newRenderer(t)
	for address, want := range map[string]string{
		"https://wiki.example.com/a":                            `[runbook \(wiki.example.com\)](https://wiki.example.com/a)`,
		" http://wiki.example.com:8080/?a=b&c ":                 `[runbook \(wiki.example.com:8080\)](http://wiki.example.com:8080/?a=b&c)`,
		"https://wiki.example.com/a)[x](y":                      `(https://wiki.example.com/a%29[x]%28y)`,
		"https://wiki.example.com/<@all>":                       `(https://wiki.example.com/%3C%40all%3E)`,
		"javascript:alert(1)":                                   "",
		"ftp://wiki.example.com/":                               "",
		"https://user:pw@wiki.example.com/":                     "",
		"https://wiki.exаmple.com/":                             "", // a Cyrillic а
		"//wiki.example.com/":                                   "",
		"https:///nowhere":                                      "",
		"https://wiki.example.com/" + strings.Repeat("x", 2000): "",
	} {
		p := sample(t, "open")
		p.TriggerURL = address
		root := r.Root(p, render.Room{}, render.SamplesNow)
		if want == "" {
			require.NotContains(t, root, "runbook", address)
			require.Equal(t, 1, strings.Count(root, "]("), address)
			continue
		}
		require.Contains(t, root, want, address)
	}
	p := sample(t, "open")
	p.TriggerURLName = "How to <b>cool</b>"
	require.Contains(t, r.Root(p, render.Room{}, render.SamplesNow), `[How to &lt;b&gt;cool&lt;/b&gt; \(wiki.example.com\)](`)
	p.TriggerID = "1) [x](https://evil.example.com"
	require.Contains(t, r.Root(p, render.Room{}, render.SamplesNow), "[Zabbix](https://zabbix.example.com/zabbix.php?action=problem.view)")
}

func entries(kinds ...any) []alert.Entry {
	at := render.SamplesNow
	var list []alert.Entry
	for i, k := range kinds {
		e := alert.Entry{Seq: i + 1, At: at}
		switch k := k.(type) {
		case alert.EntryKind:
			e.Kind = k
		case alert.Actions:
			e.Kind, e.Update = alert.EntryUpdate, &alert.Update{At: at, Actor: alert.Actor{Name: "Bob"}, Actions: k}
		}
		list = append(list, e)
	}
	return list
}

// A room gets the kinds it wants. An update with several actions is one line, posted if any of its kinds is wanted. The opening
// is the root's.
func TestTellFiltersLines(t *testing.T) {
	r := newRenderer(t)
	p := sample(t, "open")
	all := entries(alert.EntryOpened, alert.Actions{Ack: true, Comment: true}, alert.Actions{Unack: true},
		alert.Actions{Severity: &alert.SeverityChange{Old: alert.High, New: alert.Warning}}, alert.Actions{Suppress: true}, alert.Actions{Unsuppress: true},
		alert.Actions{ToSymptom: true}, alert.Actions{Other: "did <@all> something"}, alert.Actions{}, alert.Actions{Close: true}, alert.EntryResolved, alert.EntryCancelled, alert.EntryOccurred)
	for tell, want := range map[string]int{
		"": 11, "opened": 0, "acknowledged": 2, "commented": 1, "severity": 1, "suppressed": 2, "ranked": 1, "other": 2, "closed": 1, "resolved": 1, "cancelled": 1,
		"commented acknowledged resolved": 3,
	} {
		lines := r.Lines(p, all, render.Room{Tell: strings.Fields(tell)}, render.SamplesNow)
		got := 0
		if lines != "" {
			got = 1 + strings.Count(lines, "\n")
		}
		require.Equal(t, want, got, "%q: %s", tell, lines)
	}
	require.Empty(t, r.Lines(p, nil, render.Room{}, render.SamplesNow))
	require.Equal(t, "⬇️ **Bob** changed the severity from High to Warning (13:30)",
		r.Lines(p, all[3:4], render.Room{}, render.SamplesNow))
	require.Equal(t, "🔒 **Bob** closed it, acknowledged and unsuppressed it (24 Nov 13:30)",
		r.Lines(p, entries(alert.Actions{Close: true, Ack: true, Unsuppress: true}), render.Room{}, render.SamplesNow.Add(24*time.Hour)))
}

// Only open problems of triggers have buttons, and Close only if the trigger allows it.
func TestButtonsOfEachState(t *testing.T) {
	r := newRenderer(t)
	for name, want := range map[string]string{
		"open": "ack,take,comment,suppress,severity,graph,room,remind", "acknowledged": "unack,take,comment,suppress,severity,graph,room,remind", "taken": "ack,take,comment,suppress,severity,graph,room,remind",
		"severity-changed": "ack,take,comment,suppress,severity,graph,room,remind,close", "cancelled": "ack,take,comment,suppress,severity,graph,room,remind",
		"suppressed": "ack,take,comment,suppress,unsuppress,severity,graph,room,remind", "zabbix-6.0": "ack,take,comment,severity,graph,room,remind,close", "update-only": "unack,take,comment,severity,room,remind",
		"resolved": "", "closed": "", "gone": "", "service": "", "internal": "", "discovery": "", "autoregistration": "",
	} {
		require.Equal(t, want, r.Actions(sample(t, name)), name)
	}
	_, fallback := r.Card(sample(t, "severity-changed"), render.Room{Presentation: config.PresentThread}, render.SamplesNow)
	require.Contains(t, fallback, "ack, take, comment, suppress, severity, graph, room, remind, close")
	_, fallback = r.Card(sample(t, "open"), render.Room{Presentation: config.PresentThread, NoIncidents: true}, render.SamplesNow)
	require.Contains(t, fallback, "graph")
	require.NotContains(t, fallback, "room")
}

// A list accounts for every problem, shown or not.
func TestListsAccountForEveryProblem(t *testing.T) {
	r := newRenderer(t)
	none, _ := r.Problems(nil, 0, 0, render.Room{}, render.SamplesNow)
	require.Equal(t, "No problems.", none)
	p := sample(t, "open")
	p.Name = strings.Repeat("long name ", 20)
	var list []alert.Problem
	for i := range 100 {
		p.Key.EventID = fmt.Sprint(5000 + i)
		list = append(list, p)
	}
	for total, n := range map[int]int{1: 1, 3: 3, 250: 100, 40: 5} {
		out, _ := r.Problems(list[:n], 0, total, render.Room{}, render.SamplesNow)
		require.LessOrEqual(t, len(out), webex.MaxMessageBytes)
		shown, more := strings.Count(out, "[50"), 0
		if i := strings.Index(out, "… and "); i >= 0 {
			_, err := fmt.Sscanf(out[i:], "… and %d more", &more)
			require.NoError(t, err)
		}
		require.Equal(t, total, shown+more, out)
		require.Positive(t, shown)
	}
}

// Who takes care of a problem is in its headline, escaped, and each change of that is a line.
func TestOwnerIsShown(t *testing.T) {
	r := newRenderer(t)
	p := sample(t, "open")
	require.NotContains(t, r.Show(p, render.Room{}, render.SamplesNow), "👤")
	p.Owner = alert.Owner{Email: "alice@example.com", Name: "Alice <@all>"}
	shown := r.Show(p, render.Room{}, render.SamplesNow)
	require.Contains(t, strings.SplitN(shown, "\n", 2)[0], "👤 Alice ")
	require.NotContains(t, shown, "<@all>")
	for _, c := range []struct {
		owner alert.Owner
		want  string
	}{
		{alert.Owner{Email: "Alice@example.com"}, "👤 **Alice \\(via Webex\\)** took it (13:30)"},
		{alert.Owner{Email: "bob@example.com", Name: "Bob"}, "👤 **Alice \\(via Webex\\)** assigned it to Bob (13:30)"},
		{alert.Owner{}, "👤 **Alice \\(via Webex\\)** released it (13:30)"},
	} {
		list := entries(alert.Actions{Comment: true})
		list[0].Update.Owner, list[0].Update.Actor = &c.owner, alert.Actor{Name: "Alice", Email: "alice@example.com"}
		require.Equal(t, c.want, r.Lines(p, list, render.Room{Tell: []string{"taken"}}, render.SamplesNow))
	}
}
