package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Encryption keys are read in their order. A text that isn't a key is a fault with its line and without the text; a key that is given
// twice is a warning.
func TestEncryptionKeys(t *testing.T) {
	keys := map[string]string{"NEW": strings.Repeat("0a", 32), "OLD": strings.Repeat("0b", 32), "BAD": "correct-horse-battery"}
	read := func(list string) (*Config, error) {
		return Parse("relay.yaml", []byte(`webex: {bots: [{name: one, token_env: TOKEN}]}
zabbix: [{name: main, url: "http://127.0.0.1:1", secret_env: SECRET}]
rooms: [{name: noc, id: ROOM}]
default_rooms: [noc]
encryption: {keys_env: `+list+`}
`), Options{Env: func(name string) string {
			if key := keys[name]; key != "" {
				return key
			}
			return name + "-0123456789abcdef"
		}})
	}
	cfg, err := read("[NEW, OLD]")
	require.NoError(t, err)
	ring := cfg.Encryption.Keyring()
	require.Len(t, ring, 2)
	sealed, err := ring.Seal("x", "place")
	require.NoError(t, err)
	require.True(t, ring[:1].Current(sealed), "the first key encrypts")

	_, err = read("[NEW, BAD]")
	require.ErrorContains(t, err, "relay.yaml:5: encryption.keys_env[1]: key 2 (environment variable BAD) isn't a key of 32 bytes")
	require.NotContains(t, err.Error(), keys["BAD"])
	cfg, err = read("[NEW, NEW]")
	require.NoError(t, err)
	require.Contains(t, cfg.Warnings.Error(), "key 2 (environment variable NEW) is the same as key 1")
}
