package relay

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
)

// docs/operations.md names no metric and no label that a relay doesn't have from the start.
func TestOperationsNamesMetricsThatAreThere(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	cfg, err := config.Parse("relay.yaml", []byte(`
webex: {bots: [{name: relay, token_env: BOT}]}
zabbix: [{name: main, url: "http://127.0.0.1:1", secret_env: SECRET}]
rooms: [{name: noc, id: ROOM}]
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
`), config.Options{Env: func(name string) string { return name + "-0123456789abcdef" }})
	require.NoError(t, err)
	cfg.Store.Path = filepath.Join(t.TempDir(), "relay.db")
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		return l
	}
	r, err := New(t.Context(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Public: listen(), Admin: listen()})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()

	families, err := r.Gatherer().Gather()
	require.NoError(t, err)
	labels := map[string]map[string]bool{}
	for _, f := range families {
		labels[f.GetName()] = map[string]bool{}
		for _, pair := range f.GetMetric()[0].GetLabel() {
			labels[f.GetName()][pair.GetName()] = true
		}
	}
	named := regexp.MustCompile(`\b(alert_relay_[a-z_]+)(?:\{([a-z_,]+)(?:="[^}]*)?\})?`).FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, named)
	for _, m := range named {
		require.Contains(t, labels, m[1])
		for label := range strings.SplitSeq(m[2], ",") {
			if label != "" {
				require.True(t, labels[m[1]][label], m[0])
			}
		}
	}
}
