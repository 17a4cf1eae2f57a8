package tryout

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/testdata"
)

var previewNow = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)

// recorded writes a payload recorded from a real Zabbix to a file and returns its path.
func recorded(t *testing.T, name string) string {
	body, err := fs.ReadFile(testdata.Fixtures, "fixtures/zabbix-7.0/events/"+name)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), filepath.Base(name))
	require.NoError(t, os.WriteFile(path, body, 0o600))
	return path
}

func previewConfig(t *testing.T) *config.Config {
	cfg, err := config.Parse("relay.yaml", []byte(`
webex: {bots: [{name: noc, token_env: X, listen: off}]}
zabbix: [{name: main, url: "https://zabbix.example.com", secret_env: X, api_token_env: X, time_zone: Asia/Tokyo}]
rooms:
  - {name: noc, id: R1}
  - {name: db, id: R2, presentation: card}
  - {name: lab, id: R3, presentation: line}
routes:
  - {name: all, match: {severity: ">=high"}, rooms: [db, lab]}
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
`), config.Options{Env: func(string) string { return "s3cr3t-0123456789" }})
	require.NoError(t, err)
	return cfg
}

// Every built-in problem can be previewed and routed.
func TestPreviewSamples(t *testing.T) {
	cfg := previewConfig(t)
	for name := range render.Samples() {
		p, err := Preview(Options{Now: previewNow, Payloads: []string{"sample:" + name}})
		require.NoError(t, err, name)
		require.NotEmpty(t, p.Root, name)
		require.Equal(t, p.Buttons != "", p.Card != nil, "%s: has a card if it has buttons", name)
		e, err := ExplainRoute(Options{Config: cfg, Now: previewNow, Payloads: []string{"sample:" + name}})
		require.NoError(t, err, name)
		require.NotEmpty(t, e.Rooms, name)
	}
}

// Recorded payloads of one problem are applied in order; the message and its thread show the acknowledgement.
func TestPreviewOfRecordedPayloads(t *testing.T) {
	problem := recorded(t, "problem-severity-4.json")
	p, err := Preview(Options{Now: previewNow, Payloads: []string{problem}})
	require.NoError(t, err)
	require.Equal(t, "open", p.State)
	require.Contains(t, p.Root, "High problem · **Severity high on Core switch 1**")
	require.Empty(t, p.Thread)
	require.Equal(t, "ack,take,comment,severity,graph,room,remind", p.Buttons)

	file, err := os.Open(problem)
	require.NoError(t, err)
	defer file.Close()
	again, err := Preview(Options{Now: previewNow, Payloads: []string{"-"}, Stdin: file})
	require.NoError(t, err)
	require.Equal(t, p, again, "standard input counts as a file")

	p, err = Preview(Options{Now: previewNow, Payloads: []string{recorded(t, "update-ack-message.json")}})
	require.NoError(t, err)
	require.Contains(t, p.Root, "acknowledged")
	require.Contains(t, p.Thread, "acknowledged")
}

// The preview uses the first room of routing, or the one asked for, with that room's presentation; times are read in the source's
// zone.
func TestPreviewRooms(t *testing.T) {
	cfg := previewConfig(t)
	problem := recorded(t, "problem-severity-4.json")
	for room, want := range map[string]string{"": "card", "db": "card", "lab": "line", "noc": "thread"} {
		p, err := Preview(Options{Config: cfg, Room: room, Now: previewNow, Payloads: []string{problem}})
		require.NoError(t, err)
		require.Equal(t, want, p.Presentation, room)
		require.Contains(t, p.Root, "04:51:52 UTC", "13:51:52 in Tokyo")
		if want == "line" {
			require.Nil(t, p.Card, "a line has no card")
			require.Empty(t, p.Buttons)
			require.NotContains(t, strings.TrimSpace(p.Root), "\n")
		} else {
			require.NotNil(t, p.Card)
		}
	}
	_, err := Preview(Options{Config: cfg, Room: "nowhere", Now: previewNow, Payloads: []string{problem}})
	require.EqualError(t, err, `unknown room "nowhere" (known: noc, db, lab)`)
}

// A directory of templates to try replaces the routes' own too, and leaves the given configuration unchanged.
func TestPreviewTemplatesTried(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "root.md.tmpl"), []byte("TRIED {{ .Title }}"), 0o600))
	cfg := previewConfig(t)
	cfg.Routes[0].Templates = filepath.Join(dir, "of the route")
	p, err := Preview(Options{Config: cfg, Templates: dir, Now: previewNow, Payloads: []string{recorded(t, "problem-severity-4.json")}})
	require.NoError(t, err)
	require.Equal(t, "TRIED Severity high on Core switch 1", strings.TrimSpace(p.Root))
	require.NotEmpty(t, cfg.Routes[0].Templates)
	require.Empty(t, cfg.Templates.Dir)
	require.Error(t, CheckTemplates(cfg), "the route's own directory is missing")
}

// A payload that the receiver would refuse is refused.
func TestPreviewRefuses(t *testing.T) {
	for want, body := range map[string]string{
		"empty: expected the JSON object": " \n",
		"longer than 1 MiB":               `{"EVENT.ID": "` + strings.Repeat("4", maxPayload) + `"}`,
		"standard input: ":                `[]`,
		"event.id: missing ":              `{"EVENT.VALUE": "1"}`,
	} {
		_, err := Preview(Options{Now: previewNow, Payloads: []string{"-"}, Stdin: strings.NewReader(body)})
		require.ErrorContains(t, err, want)
	}
}
