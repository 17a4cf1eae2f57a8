package render_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
)

func dirWith(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600))
	}
	return dir
}

func rootBy(t *testing.T, template string, p alert.Problem) string {
	t.Helper()
	r, err := render.New(render.Options{
		Dir: dirWith(t, map[string]string{"root.md.tmpl": template}), Sources: map[string]string{"main": "https://zabbix.example.com"},
		TemplateFailed: func(_ string, err error) { t.Errorf("failed: %v", err) },
	})
	require.NoError(t, err)
	return r.Root(p, render.Room{Name: "noc"}, render.SamplesNow)
}

// No function of templates prints untrusted text unescaped.
func TestTemplatesCannotForgetToEscape(t *testing.T) {
	hostile := sample(t, "hostile")
	hostile.Macros = map[string]string{"user.macro": hostile.Name}
	hostile.TriggerDescription = hostile.Name + "\n" + hostile.Name
	for _, template := range []string{
		`{{.Name}}`, `{{print .Name}}`, `{{println .Name .OpData}}`, `{{printf "%s|%v|%q|%x|%d|%#v|%+v" .Name .Name .Name .Name .Name .Name .Name}}`,
		`x{{slice .Name 0 6}}`, `x{{limit 9 .Name}}`, `x{{limit -1 .Name}}`, `{{upper .Name}} {{lower .Name}}`, `{{html .Name}}`, `{{js .Name}}`, `{{urlquery .Name}}`,
		`{{.Hosts}}`, `{{join ", " .Hosts}}`, `{{some 2 .Tags}}`, `{{range .Tags}}{{.}} {{.Tag}}={{.Value}} {{printf "%#v" .}}{{end}}`, `{{.Tags}}{{.Groups}}`,
		`{{range .Notes}}{{.}}{{printf "%#v" .}}{{.By}}{{.Did}}{{.Comment}}{{said .Comment}}{{end}}`, `x{{.Macro "user.macro"}}`, `x{{.Macro "{EVENT_OPDATA}"}}`,
		`x{{.Tag "service"}}{{(index .Tags 0).Value}}`, `{{.}}`, `{{printf "%#v" .}}`, `{{printf "%+v" $}}`, `{{link .Name .ZabbixURL}}`, `x{{link .Name .RunbookURL}}`,
		`x{{quote .Description}}`, `{{code .Name}}`, "x\n{{with .LastComment}}{{.}}{{end}}",
	} {
		// Samples without tags and notes would be refused when loading.
		guarded := `x {{if and .Tags .Notes}}` + template + `{{else}}x{{end}}`
		out := rootBy(t, guarded, hostile)
		require.NotContains(t, out, "<@", template)
		require.NotContains(t, out, "\u202e", template)
		if !strings.Contains(template, "{{code") { // within a code span nothing is markup
			require.NotContains(t, out, "<b>", template)
			require.NotContains(t, out, "](https://evil", template)
			require.NotContains(t, out, "](javascript", template)
		}
	}
	require.Equal(t, "yes", rootBy(t, `{{if eq (.Macro "event.opdata") "68 °C"}}yes{{else}}no{{end}}`, sample(t, "open")))
}

// The examples of docs/templates.md work.
func TestFunctionsOfTemplates(t *testing.T) {
	p := sample(t, "resolved")
	for template, want := range map[string]string{
		`{{emoji .Severity}} {{word .Severity}} {{.Severity}}`:                     "🟧 High high",
		`{{if ge .Severity 4}}loud{{else}}quiet{{end}}`:                            "loud",
		`{{time .OpenedAt}} {{clock .OpenedAt}} {{date .OpenedAt}}`:                "24 Nov 13:18:00 UTC 13:18 Tue 24 Nov",
		`{{format "2006-01-02" .OpenedAt}}{{with time .SuppressedUntil}}no{{end}}`: "2026-11-24",
		`{{duration .OpenedAt .ResolvedAt}}`:                                       "10m 19s",
		`{{.Tag "site"}}{{.Tag "none"}}`:                                           "Zürich",
		`{{code (.Macro "HOST.IP")}}`:                                              "`192.0.2.1`",
		`{{join "; " .Tags}} {{some 1 .Groups}}`:                                   "service: switching; site: Zürich Network, +1 more",
		`{{limit 5 .Name}} {{upper (.Tag "service")}}`:                             "Temp… SWITCHING",
		`{{link "page" .ZabbixURL}}`:                                               "[page](https://zabbix.example.com/tr_events.php?triggerid=23118&eventid=4711)",
		"a\n\n\n\nb\n c  \n":                                                       "a\n\nb  \n c",
		`{{code .OpData}}`:                                                         "`68 °C`",
		`{{template "headline" .}}`:                                                "✅ resolved · High · **Temperature too high on Core switch 1**",
	} {
		got := rootBy(t, `{{if .RecoveredOpData}}`+template+`{{else}}x{{end}}`, p)
		require.Equal(t, want, strings.TrimSpace(got), template)
	}
}

// All errors in a directory are reported at once at start, with file and line.
func TestFaultyTemplatesAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"syntax error":              {map[string]string{"root.md.tmpl": "one\n{{if .Name}", "line.md.tmpl": "{{nosuch}}"}, []string{"root.md.tmpl:2: ", `line.md.tmpl:1: function "nosuch" not defined`}},
		"misspelt field":            {map[string]string{"root.md.tmpl": "one\ntwo {{.Nmae}}"}, []string{"root.md.tmpl:2:", "can't evaluate field Nmae", `with the sample problem`}},
		"misspelt in a rare branch": {map[string]string{"lines.md.tmpl": "{{range .Lines}}{{if .ViaWebex}}{{.Bye}}{{end}}{{end}}"}, []string{"lines.md.tmpl:1:", "Bye"}},
		"out of range":              {map[string]string{"root.md.tmpl": "{{index .Hosts 0}}"}, []string{"root.md.tmpl:1:", "index out of range"}},
		"unknown file":              {map[string]string{"rot.md.tmpl": "x"}, []string{"rot.md.tmpl: unknown template, expected one of card.md.tmpl, "}},
		"nothing there":             {map[string]string{"README": "x"}, []string{"no templates"}},
		"empty":                     {map[string]string{"root.md.tmpl": " \n"}, []string{"root.md.tmpl:1: empty template"}},
		"empty output":              {map[string]string{"root.md.tmpl": "{{if .Gone}}gone{{end}}"}, []string{"root.md.tmpl: the message is empty", `with the sample problem`}},
		"endless output":            {map[string]string{"root.md.tmpl": "{{range 100000}}" + strings.Repeat("x", 1000) + "{{end}}"}, []string{"root.md.tmpl", "wrote more than"}},
		"broken part":               {map[string]string{"parts.md.tmpl": `{{define "headline"}}{{.Nope}}{{end}}`}, []string{"parts.md.tmpl:1:", "Nope"}},
		"wrong argument":            {map[string]string{"root.md.tmpl": `{{join ", " .Name}}`}, []string{"root.md.tmpl:1:", "expected a list (.Hosts, .Groups, .Tags)"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := dirWith(t, c.files)
			for _, o := range []render.Options{{Dir: dir}, {RouteDirs: []string{dir}}} {
				_, err := render.New(o)
				require.Error(t, err)
				for _, want := range append(c.want, dir) {
					require.ErrorContains(t, err, want)
				}
				require.NotContains(t, err.Error(), "template: /")
			}
		})
	}
	_, err := render.New(render.Options{Dir: filepath.Join(t.TempDir(), "missing")})
	require.ErrorContains(t, err, "missing")
}

// A route's templates override the general ones, and those override the built-in ones, file by file.
func TestDirectoriesOverrideEachOther(t *testing.T) {
	general := dirWith(t, map[string]string{
		"root.md.tmpl":  `general {{template "headline" .}}`,
		"lines.md.tmpl": "general line",
		"parts.md.tmpl": `{{define "headline"}}our headline{{end}}`,
	})
	own := dirWith(t, map[string]string{"root.md.tmpl": `own {{template "headline" .}}`})
	r, err := render.New(render.Options{Dir: general, RouteDirs: []string{own, own, ""}})
	require.NoError(t, err)
	p := sample(t, "acknowledged")
	require.Equal(t, "general our headline", r.Root(p, render.Room{}, render.SamplesNow))
	require.Equal(t, "own our headline", r.Root(p, render.Room{Templates: own}, render.SamplesNow))
	require.Equal(t, "general line", r.Lines(p, p.Timeline, render.Room{Templates: own}, render.SamplesNow))
	require.Contains(t, r.Root(p, render.Room{Presentation: config.PresentLine}, render.SamplesNow), "our headline · Core switch 1")
}

// A card has at most 41 lines of text, the last of which says that it was cut.
func TestLongCardsAreCut(t *testing.T) {
	dir := dirWith(t, map[string]string{"card.md.tmpl": strings.Repeat("line\n\n", 60)})
	r, err := render.New(render.Options{Dir: dir})
	require.NoError(t, err)
	card, _ := r.Card(sample(t, "service"), render.Room{}, render.SamplesNow)
	raw, err := json.Marshal(card)
	require.NoError(t, err)
	require.Equal(t, 41, strings.Count(string(raw), "RichTextBlock"))
	require.Contains(t, string(raw), `"…"`)
}

// If a custom template fails on a problem, the built-in one is used, and the failure is reported.
func TestTemplateThatFailsFallsBack(t *testing.T) {
	dir := dirWith(t, map[string]string{
		"root.md.tmpl": `custom{{if eq .Name "boom"}}{{index .Hosts 99}}{{end}}`,
		"line.md.tmpl": `{{if ne .Name "boom"}}custom{{end}}`,
	})
	var failed []string
	r, err := render.New(render.Options{Dir: dir, TemplateFailed: func(name string, err error) {
		require.ErrorContains(t, err, name)
		failed = append(failed, name)
	}})
	require.NoError(t, err)
	p := sample(t, "open")
	require.Equal(t, "custom", r.Root(p, render.Room{}, render.SamplesNow))
	require.Empty(t, failed)

	p.Name = "boom"
	builtin, err := render.New(render.Options{})
	require.NoError(t, err)
	require.Equal(t, builtin.Root(p, render.Room{}, render.SamplesNow), r.Root(p, render.Room{}, render.SamplesNow))
	require.Equal(t, []string{"root.md.tmpl"}, failed)
	line := render.Room{Presentation: config.PresentLine}
	require.Equal(t, builtin.Root(p, line, render.SamplesNow), r.Root(p, line, render.SamplesNow), "an empty message is no message")
	require.Equal(t, []string{"root.md.tmpl", "line.md.tmpl"}, failed)

	forgotten := render.Room{Templates: "nowhere"}
	failed = nil
	require.NotEmpty(t, builtin.Root(p, forgotten, render.SamplesNow), "templates that weren't loaded don't keep a problem from its room")
	require.Equal(t, builtin.Root(p, render.Room{}, render.SamplesNow), builtin.Root(p, forgotten, render.SamplesNow))
}
