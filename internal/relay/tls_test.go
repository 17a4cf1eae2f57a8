package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/testlog"
)

// issue writes a certificate for 127.0.0.1 and its key.
func issue(t *testing.T, ca *memnet.Authority, certFile, keyFile string) tls.Certificate {
	t.Helper()
	pair := ca.Valid("127.0.0.1")
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	return pair
}

// browse returns a function that requests a URL on a new connection: the status, or an error of TLS.
func browse(t *testing.T, ca *memnet.Authority, client *tls.Certificate, token string) func(url string) (int, error) {
	t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	require.True(t, c.RootCAs.AppendCertsFromPEM(ca.PEM))
	if client != nil {
		// Whether the server names its authority or not.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return client, nil }
	}
	h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: c}}
	return func(url string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := h.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
}

// Both listeners speak TLS. The public one requires a client certificate, the admin one a token or a client certificate, except for
// probes.
func TestListenersWithTLS(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ours, clients := memnet.NewAuthority("relay"), memnet.NewAuthority("clients")
	issue(t, ours, file("tls.crt"), file("tls.key"))
	client, stranger := clients.Valid("operator"), ours.Valid("stranger")
	require.NoError(t, os.WriteFile(file("clients.crt"), clients.PEM, 0o600))
	const token = "admin-token-0123456789"
	require.NoError(t, os.WriteFile(file("token"), []byte(token), 0o600))
	files := "{cert_file: " + file("tls.crt") + ", key_file: " + file("tls.key") + ", client_ca_file: " + file("clients.crt") + "}"
	cfg, err := config.Parse("relay.yaml", []byte(quiet+"server: {admin_token_file: "+file("token")+", tls: "+files+", admin_tls: "+files+"}\n"), config.Options{Env: secretEnv})
	require.NoError(t, err)
	cfg.Store.Path = file("relay.db")
	r := newIdle(t, cfg, new(testlog.Lines))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	defer func() {
		stop()
		require.NoError(t, <-done)
	}()

	public, admin := "https://"+r.Addr()+"/", "https://"+r.AdminAddr()
	for name, c := range map[string]struct {
		client *tls.Certificate
		token  string
		url    string
		status int // 0: TLS fails
	}{
		"public, with a certificate":        {&client, "", public, 200},
		"public, without":                   {nil, "", public, 0},
		"public, of another authority":      {&stranger, "", public, 0},
		"a probe without anything":          {nil, "", admin + "/readyz", 200},
		"metrics without anything":          {nil, "", admin + "/metrics", 401},
		"metrics with the token":            {nil, token, admin + "/metrics", 200},
		"metrics with another token":        {nil, token + "x", admin + "/metrics", 401},
		"metrics with a certificate":        {&client, "", admin + "/metrics", 200},
		"metrics, of another authority":     {&stranger, "", admin + "/metrics", 0},
		"dead letters with the certificate": {&client, "", admin + "/v1/deadletters", 200},
		"dead letters without anything":     {nil, "", admin + "/v1/deadletters", 401},
	} {
		t.Run(name, func(t *testing.T) {
			status, err := browse(t, ours, c.client, c.token)(c.url)
			if c.status == 0 {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, c.status, status)
		})
	}
}
