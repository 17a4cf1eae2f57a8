package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
)

// Each file with a secret has a line of its own if it is gone, or if everybody can write it.
func TestEachSecretFileHasItsLine(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "relay.yaml")
	require.NoError(t, os.WriteFile(name, []byte(`
server: {admin_token_file: admin}
webex: {bots: [{name: noc, token_file: bot, listen: off}]}
zabbix:
  - name: main
    url: https://zabbix.example.com
    api_token_file: api
    secret_file: [old, new]
    basic_auth: {username: relay, password_file: password}
    headers: [{name: X-Gateway, value_file: gateway}]
rooms: [{name: noc, id: `+webexsim.RoomID("noc")+`}]
default_rooms: [noc]
people: [{domain: example.com, role: viewer}]
notify: [{name: cron, token_file: cron, rooms: [noc]}]
`), 0o600))
	files := map[string]string{"admin": "server.admin_token", "bot": "token of bot noc", "api": "API token of source main", "old": "secret of source main", "new": "secret of source main",
		"password": "password of source main", "gateway": "header X-Gateway of source main", "cron": "token of notify sender cron"}
	for file := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte("secret-0123456789-"+file), 0o600))
	}
	cfg, err := config.Read(name, config.Options{})
	require.NoError(t, err)
	lines := func() (all []string) {
		for _, c := range fileChecks(t.Context(), Options{Config: cfg}) {
			all = append(all, c.line())
		}
		return all
	}
	require.Equal(t, []string{"ok       files: modes: nobody else can write the configuration and the secrets (files: 9)"}, lines())
	for file, key := range files {
		path := filepath.Join(dir, file)
		require.NoError(t, os.Chmod(path, 0o602))
		require.Equal(t, []string{"warning  files: " + key + ": " + path + " is writable by everybody on this machine (chmod o-w " + path + ")"}, lines())
		require.NoError(t, os.Rename(path, path+".away"))
		require.Equal(t, []string{"failure  files: " + key + ": cannot read " + path + ": no such file or directory (give this user read access, or correct the path)"}, lines())
		require.NoError(t, os.Rename(path+".away", path))
		require.NoError(t, os.Chmod(path, 0o600))
	}
}
