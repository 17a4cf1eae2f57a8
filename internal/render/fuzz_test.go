package render_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	goldtext "github.com/yuin/goldmark/text"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/testrace"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
)

// The dialect with the most markup that we know: links of bare addresses, tables, strikethrough.
var dialect = goldmark.New(goldmark.WithExtensions(extension.GFM))

const (
	zabbixBase = "https://zabbix.example.com/"
	runbook    = "https://wiki.example.com/runbooks/temperature"
)

// harmless fails if a message contains markup other than the relay's own.
func harmless(t *testing.T, what, markdown string) {
	t.Helper()
	require.LessOrEqual(t, len(markdown), webex.MaxMessageBytes, what)
	require.True(t, utf8.ValidString(markdown), what)
	require.NotContains(t, markdown, "<@", what)
	for _, r := range markdown {
		if r != '\n' && r != '\u200B' && text.Dangerous(r) {
			t.Fatalf("%s: dangerous character %U in %q", what, r, markdown)
		}
	}
	source := []byte(markdown)
	err := ast.Walk(dialect.Parser().Parse(goldtext.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			target := string(n.Destination)
			if !strings.HasPrefix(target, zabbixBase) && target != runbook {
				t.Fatalf("%s: a stranger's link to %q in %q", what, target, markdown)
			}
		case *ast.Document, *ast.Paragraph, *ast.Text, *ast.String, *ast.Emphasis, *ast.Blockquote:
		case *ast.CodeSpan: // of the hint below a list
			if what != "problems" {
				t.Fatalf("%s: code in %q", what, markdown)
			}
		case *ast.AutoLink, *ast.RawHTML, *ast.HTMLBlock, *ast.Image, *extast.Table, *extast.Strikethrough:
			t.Fatalf("%s: %s in %q", what, n.Kind(), markdown)
		default: // headings, lists, rules, code blocks: strangers' too
			t.Fatalf("%s: the layout is broken by a %s in %q", what, n.Kind(), markdown)
		}
		return ast.WalkContinue, nil
	})
	require.NoError(t, err)
}

func harmlessCard(t *testing.T, p alert.Problem, content any) {
	t.Helper()
	card := checkCard(t, p, content)
	card.walk(func(e part) {
		switch e.Type {
		case "RichTextBlock":
			require.NotEmpty(t, e.Inlines)
		case "TextRun":
			require.NotEmpty(t, e.Text)
			for _, r := range e.Text {
				require.False(t, text.Dangerous(r) && r != '\u200B', "%U in %q", r, e.Text)
			}
		default:
			require.Contains(t, []string{"AdaptiveCard", "ActionSet", "Input.Text", "Input.ChoiceSet", "Action.Submit", "Action.OpenUrl", "Action.ShowCard"}, e.Type,
				"a TextBlock would be markdown")
		}
		if e.URL != "" {
			require.True(t, strings.HasPrefix(e.URL, zabbixBase) || e.URL == runbook, e.URL)
		}
	})
}

// variants are problems of every kind and state, with the same texts in every field.
func variants(name, value, comment, address, id string) []alert.Problem {
	at := time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)
	key := alert.Key{ // its parts are checked before a problem is made
		Source: strings.ToValidUTF8(value[:min(len(value), 60)], "?"), EventID: strings.ToValidUTF8(id[:min(len(id), 60)], "?"),
	}
	update := &alert.Update{At: at.Add(time.Minute), Actor: alert.Actor{Name: name}, Message: comment, Actions: alert.Actions{Comment: true, Other: value}}
	own := &alert.Update{At: at.Add(2 * time.Minute), Actor: alert.Actor{Name: name, Email: value}, Comment: comment,
		Actions: alert.Actions{Ack: true, Close: true, Severity: &alert.SeverityChange{Old: alert.High, New: alert.Average}}}
	base := alert.Problem{
		Key: key, Origin: alert.OriginTrigger, State: alert.StateOpen, Severity: alert.High,
		Acknowledged: true, OpenedAt: at,
		Facts: alert.Facts{
			Name: name, Hosts: []alert.Host{{Host: value, Name: name, IP: value}, {Host: value}}, Groups: []string{name, value},
			Tags:   []alert.Tag{{Tag: name, Value: value}, {Tag: value, Value: name}, {Tag: value}},
			OpData: value, TriggerID: id, TriggerName: name, TriggerDescription: comment, TriggerURL: address, TriggerURLName: value,
			ItemName: value, Service: name, RootCause: comment, CauseEventID: id, Object: "0",
			Macros: map[string]string{
				"event.cause.name": name, "lldrule.name": value, "event.status": value, "host.port": value,
				"discovery.rule.name": name, "discovery.device.ipaddress": value, "discovery.device.dns": name, "discovery.device.status": value,
				"discovery.service.name": name, "discovery.service.port": value, "discovery.service.status": value,
			},
		},
		Timeline: []alert.Entry{
			{Seq: 1, Kind: alert.EntryOpened, At: at},
			{Seq: 2, Kind: alert.EntryUpdate, At: update.At, Update: update},
			{Seq: 3, Kind: alert.EntryUpdate, At: own.At, Update: own},
			{Seq: 4, Kind: alert.EntryCancelled, At: at},
			{Seq: 5, Kind: alert.EntryResolved, At: at.Add(time.Hour)},
		},
	}
	all := []alert.Problem{base}
	resolved := base
	resolved.State, resolved.ResolvedAt, resolved.RecoveredOpData = alert.StateResolved, at.Add(time.Hour), name
	all = append(all, resolved)
	for _, origin := range []alert.Origin{alert.OriginService, alert.OriginInternal, alert.OriginDiscovery, alert.OriginAutoregistration} {
		p := base
		p.Origin = origin
		all = append(all, p)
	}
	nameless := base
	nameless.Name, nameless.TriggerName, nameless.Hosts, nameless.OpData = "", "", nil, ""
	return append(all, nameless)
}

// With any text from Zabbix and people, no message mentions anybody, links elsewhere than to Zabbix and the runbook, or loses its
// layout.
func FuzzUntrustedTextIsHarmless(f *testing.F) {
	testrace.Skip(f)
	hostile := `Disk Ünïcødé 磁盘 🔥 "quoted" \back\ <script>alert(1)</script> <@all> <@personEmail:a@example.com> [click](https://evil.example.com) **bold** ` + "`code` \u202egnp.exe &lt;b&gt; \u2028line"
	for _, s := range []string{
		hostile, "", " ", "\x07\x1b[31m\r\n", "# heading\n- list\n1. one\n> quote\n---\n===\n\n    code\n```\nfence",
		"https://evil.example.com www.evil.example.com mailto:a@example.com a@example.com ftp://evil.example.com",
		"<@all", "@all>", `\`, `\\\`, "**", "__a__", "~~gone~~", "| a | b |\n| - | - |\n| 1 | 2 |", "![x](https://evil.example.com/x.png)",
		"](https://evil.example.com)", "[a]: https://evil.example.com", "&lt;@all&gt;", "\xff\xfe", "<!-- -->", "&#60;@all>",
		strings.Repeat("nx", 2000), strings.Repeat("<@all>", 500), strings.Repeat("磁", 2000), strings.Repeat("line\n", 300), strings.Repeat("*", 2000),
	} {
		f.Add(s, s, s, runbook, "4711")
		f.Add("Disk full", s, "on it", s, s)
	}
	f.Add("a", "b", "c", "https://wiki.example.com/a)(b", "1")
	f.Add("a", "b", "c", "https://user:secret@wiki.example.com/", "1)")
	f.Add("a", "b", "c", "javascript:alert(1)//https://x", "<@all>")

	r, err := render.New(render.Options{Sources: map[string]string{"main": zabbixBase}})
	require.NoError(f, err)
	now := time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, name, value, comment, address, id string) {
		if len(name)+len(value)+len(comment)+len(address)+len(id) > 40_000 {
			t.Skip("longer texts are cut to the same")
		}
		if address != runbook && strings.Contains(address, "://") {
			address = "javascript:" + address // any other web address would be a link by right: TestRunbookLinks
		}
		all := variants(name, value, comment, address, id)
		for _, p := range all {
			if p.Key.Source != "main" {
				known := p
				known.Key.Source = "main"
				all = append(all, known)
			}
		}
		for _, p := range all {
			for _, presentation := range []config.Presentation{config.PresentThread, config.PresentCard, config.PresentLine} {
				room := render.Room{Name: name, Presentation: presentation}
				root := r.Root(p, room, now)
				require.NotEmpty(t, strings.TrimSpace(root))
				if presentation == config.PresentLine {
					require.NotContains(t, root, "\n")
				}
				harmless(t, "root", root)
				card, fallback := r.Card(p, room, now)
				harmless(t, "fallback", fallback)
				harmlessCard(t, p, card)
			}
			room := render.Room{Name: name}
			harmless(t, "lines", r.Lines(p, p.Timeline, room, now))
			harmless(t, "show", r.Show(p, room, now))
		}
		listed, _ := r.Problems(all, 0, 100, render.Room{}, now)
		harmless(t, "problems", listed)
		harmless(t, "test", r.Test(name, render.Room{}, now))
	})
}
