package doctor

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

const signing = "s3cr3t-that-signs-events"

// rig is a configuration with simulated neighbours, in which everything is as it should be.
type rig struct {
	t       *testing.T
	webex   *webexsim.Server
	zabbix  *zabbixsim.Server
	running bool
	opts    Options
}

func newRig(t *testing.T, version string) *rig {
	t.Helper()
	return newRigWith(t, zabbixsim.Options{Version: version, Quick: true})
}

func newRigWith(t *testing.T, o zabbixsim.Options) *rig {
	t.Helper()
	r := &rig{t: t, webex: webexsim.NewDefault(webexsim.Options{}), running: true}
	t.Cleanup(r.webex.Close)
	var err error
	r.zabbix, err = zabbixsim.New(o)
	require.NoError(t, err)
	webexServer, zabbixServer := httptest.NewServer(r.webex), httptest.NewServer(r.zabbix)
	t.Cleanup(webexServer.Close)
	t.Cleanup(zabbixServer.Close)
	dir := t.TempDir()
	file := filepath.Join(dir, "relay.yaml")
	text := `
webex:
  api_url: ` + webexServer.URL + `/v1
  bots: [{name: noc, token_env: BOT, listen: off}]
zabbix:
  - {name: main, url: "` + zabbixServer.URL + `", api_token_env: API, secret_env: SECRET}
rooms:
  - {name: noc, id: ` + webexsim.RoomID("noc") + `}
  - {name: db, id: ` + webexsim.RoomID("db") + `}
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
`
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	cfg, err := config.Read(file, config.Options{Env: func(name string) string {
		return map[string]string{"BOT": webexsim.DefaultBotToken, "API": zabbixsim.RelayToken, "SECRET": signing}[name]
	}})
	require.NoError(t, err)
	r.opts = Options{
		Config: cfg, StorePath: filepath.Join(dir, "relay.db"), Now: time.Now, Timeout: 10 * time.Second, PartTimeout: time.Minute,
		Store: func(context.Context, string) (Store, error) {
			return Store{Bytes: 4096, Mode: 0o600, Schema: 3, Newest: 3, Free: 10 << 30, FreeKnown: true, Pending: 7}, nil
		},
		Ready: func(context.Context) (string, bool, error) {
			if !r.running {
				return "", false, errors.New("nothing answers")
			}
			return "ready", true, nil
		},
	}
	return r
}

// run makes all checks and returns their lines.
func (r *rig) run() string {
	r.t.Helper()
	checks := Run(r.t.Context(), r.opts)
	var lines []string
	for _, c := range checks {
		lines = append(lines, c.line())
	}
	text := strings.Join(lines, "\n")
	for _, secret := range []string{signing, webexsim.DefaultBotToken, zabbixsim.RelayToken, zabbixsim.SetupToken} {
		require.NotContains(r.t, text, secret)
	}
	return text
}

// line returns the line of a check: "webex noc: token".
func (r *rig) line(where string) string {
	r.t.Helper()
	all := r.run()
	for _, line := range strings.Split(all, "\n") {
		if strings.HasPrefix(line[min(9, len(line)):], where+": ") {
			return line
		}
	}
	require.Fail(r.t, "no line for "+where, all)
	return ""
}
