package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// An admin listener that others reach requires a token, client certificates, or admin_insecure.
func TestAdminListener(t *testing.T) {
	const open = "isn't loopback, and everybody who reaches it could read payloads and drop messages"
	for text, want := range map[string]string{
		"admin_listen: '127.0.0.1:9090'": "", "admin_listen: '[::1]:9090'": "", "admin_listen: 'localhost:9090'": "", "admin_listen: '127.0.0.1:0'": "",

		"admin_listen: ':9090'": "relay.yaml:8: server.admin_listen: :9090 " + open +
			" (127.0.0.1:9090, or set admin_token_file ($CREDENTIALS_DIRECTORY/admin-token for a systemd credential), admin_token_env, " +
			"or client_ca_file in admin_tls; admin_insecure: true if a firewall protects it)",
		"admin_listen: '0.0.0.0:9090'":                          "0.0.0.0:9090 " + open,
		"admin_listen: '[::]:9090'":                             "[::]:9090 " + open,
		"admin_listen: '10.0.0.5:9999'":                         "127.0.0.1:9999, or set admin_token_file",
		"admin_listen: 'relay.example.com:9090'":                "relay.example.com:9090 " + open,
		"admin_listen: ':9090', admin_insecure: false":          open,
		"admin_listen: ':9090', admin_insecure: true":           "",
		"admin_listen: ':9090', admin_token_env: OTHER":         "",
		"admin_listen: ':9090', admin_token_env: [OTHER, NONE]": "server.admin_token_env[1]: environment variable NONE is not set",
	} {
		_, err := Parse("relay.yaml", []byte(small+"server: {"+text+"}\n"), Options{Env: env})
		if want == "" {
			require.NoError(t, err, text)
		} else {
			require.ErrorContains(t, err, want, text)
		}
	}
	// The secret itself isn't needed on another machine: that it is configured is enough, and required.
	for _, token := range []string{"admin_token_file: /nowhere/token", "admin_token_file: $CREDENTIALS_DIRECTORY/admin-token", "admin_token_env: ALERT_RELAY_ADMIN_TOKEN"} {
		_, err := Parse("relay.yaml", []byte(small+"server: {admin_listen: ':9090', "+token+"}\n"), Options{Env: env, Elsewhere: true})
		require.NoError(t, err, token)
	}
	_, err := Parse("relay.yaml", []byte(small+"server: {admin_listen: ':9090'}\n"), Options{Env: env, Elsewhere: true})
	require.ErrorContains(t, err, open)

	conventional := func(name string) string {
		if name == "ALERT_RELAY_ADMIN_TOKEN" {
			return "admin-token-0123456789"
		}
		return env(name)
	}
	cfg, err := Parse("relay.yaml", []byte(small+"server: {admin_listen: ':9090'}\n"), Options{Env: conventional})
	require.NoError(t, err)
	require.Equal(t, "admin-token-0123456789", cfg.Server.AdminTokens[0].Reveal())

	require.Contains(t, valid(t, small+"server: {admin_insecure: true}\n").Warnings.Error(), "server.admin_insecure: has no effect")
	require.Contains(t, valid(t, small+"server: {admin_token_env: SHORT}\n").Warnings.Error(), "server.admin_token_file: token 1 is short")
}

// The files of a listener's TLS are checked before the relay starts.
func TestTLSFiles(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(empty, []byte("nothing"), 0o600))
	for text, want := range map[string]string{
		"admin_tls: {client_ca_file: " + empty + "}":                                              "server.admin_tls.cert_file: is missing",
		"tls: {cert_file: a.pem}":                                                                 "server.tls.key_file: is missing",
		"tls: {cert_file: " + empty + ", key_file: " + empty + "}":                                "server.tls.cert_file: cannot use certificate and key",
		"admin_tls: {cert_file: " + empty + ", key_file: " + empty + "}":                          "server.admin_tls.cert_file: cannot use certificate and key",
		"tls: {cert_file: " + empty + ", key_file: " + empty + ", client_ca_file: " + empty + "}": "server.tls.client_ca_file: " + empty + " contains no certificate",
	} {
		_, err := Parse("relay.yaml", []byte(small+"server: {"+text+"}\n"), Options{Env: env})
		require.ErrorContains(t, err, want, text)
	}
}
