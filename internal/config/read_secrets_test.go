package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Reread returns a secret file's present content; a secret from the environment doesn't change. Errors don't show the content.
func TestSecretsAreReadAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(name, []byte("first-secret\n"), 0o600))
	cfg, err := Parse("relay.yaml", []byte(`
webex: {bots: [{name: one, token_file: `+name+`}, {name: two, token_env: TOKEN}]}
zabbix: [{name: main, url: "http://127.0.0.1:1", secret_env: SECRET}]
rooms: [{name: noc, id: ROOM}]
default_rooms: [noc]
`), Options{Env: func(name string) string { return name + "-0123456789abcdef" }})
	require.NoError(t, err)
	file, env := cfg.Webex.Bots[0].Token, cfg.Webex.Bots[1].Token
	require.True(t, file.FromFile())
	require.False(t, env.FromFile())

	require.NoError(t, os.WriteFile(name, []byte(" second-secret\n"), 0o600))
	value, err := file.Reread()
	require.NoError(t, err)
	require.Equal(t, "second-secret", value)
	require.Equal(t, "first-secret", file.Reveal())
	value, err = env.Reread()
	require.NoError(t, err)
	require.Equal(t, "TOKEN-0123456789abcdef", value)

	for content, want := range map[string]string{"": "is empty", "old-secret\nnew-secret": "more than one line"} {
		require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		_, err = file.Reread()
		require.ErrorContains(t, err, name+" ")
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "-secret")
	}
	require.NoError(t, os.Remove(name))
	_, err = file.Reread()
	require.ErrorContains(t, err, "cannot read "+name+": no such file")
}

// An unreadable secret file is a fault on any machine, and the fault says what to do.
func TestUnreadableSecretFile(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		_, err := Parse("relay.yaml", []byte(`
webex: {bots: [{name: one, token_file: /run/secrets/token}]}
zabbix: [{name: main, url: "http://127.0.0.1:1", secret_env: SECRET}]
rooms: [{name: noc, id: ROOM}]
default_rooms: [noc]
`), Options{Elsewhere: elsewhere, Env: func(name string) string { return name + "-0123456789abcdef" },
			ReadFile: func(name string) ([]byte, fs.FileMode, error) {
				return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
			}})
		require.ErrorContains(t, err, fmt.Sprintf("relay.yaml:2: webex.bots[0].token_file: cannot read /run/secrets/token: permission denied "+
			"(running as user %d: give it read access to the file (chown or chmod /run/secrets/token) and to its directories)", os.Getuid()))
	}
}
