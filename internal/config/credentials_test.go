package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A secret that the file doesn't name comes from the systemd credential of the conventional name, before the variable. A path may
// begin with $CREDENTIALS_DIRECTORY.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	write := func(name, secret string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(secret+"\n"), 0o600))
	}
	write("webex-noc-token", "from-the-credential")
	write("extra", "second-secret-0123456789")
	in := func(variable string) string {
		if variable == credentialsDirectory {
			return dir
		}
		return env(variable)
	}
	text := strings.Replace(small, "name: main,", "name: main, secret_file: [$CREDENTIALS_DIRECTORY/extra],", 1)
	cfg, err := Parse("relay.yaml", []byte(text), Options{Env: in})
	require.NoError(t, err)
	require.Equal(t, "from-the-credential", cfg.Webex.Bots[0].Token.Reveal())
	require.Equal(t, "file "+filepath.Join(dir, "webex-noc-token"), cfg.Webex.Bots[0].Token.From())
	require.Equal(t, "second-secret-0123456789", cfg.Zabbix[0].Secrets[0].Reveal())

	write("webex-noc-token", "replaced")
	token, err := cfg.Webex.Bots[0].Token.Reread()
	require.NoError(t, err)
	require.Equal(t, "replaced", token)

	write("webex-noc-token", "")
	_, err = Parse("relay.yaml", []byte(text), Options{Env: in})
	require.ErrorContains(t, err, "webex.bots[0].token: "+filepath.Join(dir, "webex-noc-token")+" is empty", "an empty credential doesn't mean the variable")

	_, err = Parse("relay.yaml", []byte(text), Options{Env: env})
	require.ErrorContains(t, err, "($CREDENTIALS_DIRECTORY is set by systemd, for a unit with LoadCredential=)")
}
