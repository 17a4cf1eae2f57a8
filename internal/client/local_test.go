package client

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/memnet"
)

// On its own host a relay with TLS is called by its certificate alone, whatever name that has: no other server gets the token. A probe
// sends no token, and accepts any certificate.
func TestLocalAdminWithTLS(t *testing.T) {
	pair, other := memnet.NewAuthority("ours").Valid("relay.example.com"), memnet.NewAuthority("other").Valid("relay.example.com")
	var tokens []string
	serve := func(c tls.Certificate) string {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tokens = append(tokens, r.Header.Get("Authorization"))
			if r.URL.Path == Alive {
				_, _ = w.Write([]byte("alive\n"))
			} else {
				_, _ = w.Write([]byte(`{}`))
			}
		}))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	cert := filepath.Join(t.TempDir(), "tls.crt")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
	cfg := &config.Config{Server: config.Server{AdminTokens: []config.Secret{config.NewSecret("first"), config.NewSecret("second")}, AdminTLS: config.TLS{CertFile: cert}}}

	cfg.Server.AdminListen = serve(pair)
	r, err := LocalAdmin(cfg)
	require.NoError(t, err)
	require.Equal(t, "https://"+cfg.Server.AdminListen, r.URL)
	_, err = Ask[struct{}](t.Context(), r, "/v1/deadletters", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"Bearer first"}, tokens)

	cfg.Server.AdminListen, tokens = serve(other), nil
	r, err = LocalAdmin(cfg)
	require.NoError(t, err)
	_, err = Ask[struct{}](t.Context(), r, "/v1/deadletters", nil)
	require.ErrorContains(t, err, "its certificate isn't that of server.admin_tls.cert_file")
	word, err := Probe(t.Context(), r, Alive)
	require.NoError(t, err)
	require.Equal(t, "alive", word)
	require.Equal(t, []string{""}, tokens)

	require.NoError(t, os.WriteFile(cert, []byte("x"), 0o600))
	_, err = Ask[struct{}](t.Context(), r, "/v1/deadletters", nil)
	require.ErrorContains(t, err, "contains no certificate")
	cfg.Server.AdminTLS = config.TLS{}
	r, err = LocalAdmin(cfg)
	require.NoError(t, err)
	require.Equal(t, Relay{URL: "http://" + cfg.Server.AdminListen, Token: "first"}, r)
}
