package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What commands on the relay's own host need of a configuration is found whatever else is wrong with it, and never guessed: a store
// whose path is unknown is unknown.
func TestReadLocal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "relay.yaml")
	token := filepath.Join(dir, "admin-token")
	require.NoError(t, os.WriteFile(token, []byte("token-0123456789\n"), 0o600))
	const server = "server:\n  admin_listen: 127.0.0.1:9191\n  admin_token_file: admin-token\n"
	const store = "store: {path: data/relay.db}\n"
	stored := filepath.Join(dir, "data/relay.db")
	for name, c := range map[string]struct {
		text, store, fault string
		defaults           bool // of the server
	}{
		"faultless":                {text: server + store, store: stored},
		"defaults":                 {text: "rooms: []\n", store: filepath.Join(dir, "relay.db"), defaults: true},
		"an unknown key":           {text: "webex: {bots: [{tokn: x}]}\n" + server + store, store: stored},
		"a faulty value":           {text: "storm: {window: soon}\n" + server + store, store: stored},
		"invalid YAML before":      {text: "webex:\n  bots: [{name: noc\n" + server + store, store: stored},
		"invalid YAML after":       {text: server + store + "rooms:\n- {name: noc\n", store: stored},
		"indented with a tab":      {text: server + "rooms:\n\t- name: noc\n" + store, store: stored},
		"aliases":                  {text: "x-a: &a {admin_listen: 127.0.0.1:9191, admin_token_file: admin-token}\nserver: *a\n" + store, store: stored},
		"invalid YAML, no store":   {text: server + "rooms: [\n", fault: "relay.yaml:4: invalid YAML"},
		"invalid YAML in store":    {text: server + "store: {path: data/relay.db\nrooms: []\n", fault: "invalid YAML"},
		"a misspelt store":         {text: server + "stor: {path: data/relay.db}\n", fault: "stor: unknown key (did you mean store?)"},
		"a misspelt path":          {text: server + "store: {pth: data/relay.db}\n", fault: "store.pth: unknown key (did you mean path?)"},
		"a path that is no string": {text: server + "store: {path: [a, b]}\n", fault: "store.path: expected a string"},
		"an empty path":            {text: server + "store: {path: ''}\n", fault: "store.path: is empty"},
		"no mapping":               {text: "- relay\n", fault: "expected a mapping", defaults: true},
	} {
		require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
		got := ReadLocal(file, Options{Env: env})
		path, err := got.StorePath()
		require.Equal(t, c.store, path, name)
		if c.fault == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.fault, name)
		}
		if c.defaults {
			require.Equal(t, "127.0.0.1:9090", got.Server.AdminListen, name)
			continue
		}
		require.Equal(t, "127.0.0.1:9191", got.Server.AdminListen, name)
		require.Len(t, got.Server.AdminTokens, 1, name)
		require.Equal(t, "token-0123456789", got.Server.AdminTokens[0].Reveal(), name)
	}
	require.NoError(t, os.Remove(token))
	require.NoError(t, os.WriteFile(file, []byte(server), 0o600))
	require.ErrorContains(t, ReadLocal(file, Options{Env: env}).NoToken, "server.admin_token_file: cannot read "+token)
	require.NoError(t, os.Remove(file))
	got := ReadLocal(file, Options{Env: func(string) string { return "of-the-environment-0123456789" }})
	require.Equal(t, "127.0.0.1:9090", got.Server.AdminListen)
	require.Equal(t, "of-the-environment-0123456789", got.Server.AdminTokens[0].Reveal())
	_, err := got.StorePath()
	require.EqualError(t, err, file+": cannot read the file: no such file or directory")
}
