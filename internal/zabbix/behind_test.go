package zabbix

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

const (
	gatewayKey  = "key-of-the-gateway"
	gatewayWord = "password-of-the-gateway"
)

// gateway lets calls with its key and, if basic is true, the user's password through to Zabbix below a path. It refuses all others with a page that
// repeats their headers. It passes Authorization on, as most do.
func gateway(zabbix http.Handler, basic bool) http.Handler {
	return http.StripPrefix("/monitoring/zabbix", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, word, ok := r.BasicAuth()
		if r.Header.Get("X-Api-Key") != gatewayKey || basic && (!ok || user != "relay" || word != gatewayWord) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<h1>no</h1>"+r.Header.Get("X-Api-Key")+" "+r.Header.Get("Authorization")+" "+word)
			return
		}
		zabbix.ServeHTTP(w, r)
	}))
}

// A gateway before Zabbix gets its header with each call, below a path. With a user and a password the API token goes into the body; versions that
// don't read it there are refused with a sentence, and no call is made.
func TestZabbixBehindAGateway(t *testing.T) {
	for _, version := range zabbixsim.Versions {
		for _, basic := range []bool{false, true} {
			t.Run(version+map[bool]string{true: " with a password"}[basic], func(t *testing.T) {
				sim, _, _ := simulated(t, version)
				server := httptest.NewServer(gateway(sim, basic))
				defer server.Close()
				var log bytes.Buffer
				var results []string
				o := Options{URL: server.URL + "/monitoring/zabbix/", Token: zabbixsim.RelayToken, Headers: http.Header{"X-Api-Key": {gatewayKey}}, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
				o.Observe = observing(&results)
				o.HeaderStripped = func(stripped bool) { require.False(t, stripped) }
				if basic {
					o.Username, o.Password = "relay", gatewayWord
				}
				c := New(o)
				for range 2 {
					seen, err := c.Observe(t.Context(), []string{"4701"})
					if basic && version >= "7.2" {
						require.Equal(t, Unsupported, KindOf(err))
						require.EqualError(t, err, "zabbix: event.get: Zabbix "+version+" reads the API token only in the header Authorization, which basic_auth needs: no call to Zabbix is possible until a relay's administrator changes that.")
						require.Zero(t, sim.Calls()["event.get"])
						continue
					}
					require.NoError(t, err)
					require.False(t, seen["4701"].Gone)
					require.Equal(t, "Network", seen["4701"].Groups[0])
				}
				if basic && version >= "7.2" {
					require.Equal(t, []string{"apiinfo.version ok", "event.get unsupported", "event.get unsupported"}, results)
					require.Equal(t, 1, strings.Count(log.String(), "basic_auth can't be used with Zabbix 7.2 and later"), log.String())
				} else {
					require.NotContains(t, log.String(), "level=WARN")
					require.NotContains(t, log.String(), "level=ERROR")
				}

				// Another key, as after a reload: refused with a hint, and nothing secret in error or log.
				o.Headers, o.Password = http.Header{"X-Api-Key": {"another-key"}}, "another-password"
				c.Reconfigure(o)
				_, err := c.Version(t.Context()) // remembered: the address is the same
				require.NoError(t, err)
				_, err = c.ask(t.Context())
				require.ErrorContains(t, err, "HTTP 403")
				for _, secret := range []string{gatewayKey, gatewayWord, "another-key", "another-password", "Basic cmVsYXk"} {
					require.NotContains(t, err.Error()+log.String(), secret)
				}
				o.Headers, o.Username, o.Password = http.Header{"X-Api-Key": {gatewayKey}}, "relay", gatewayWord
				c.Reconfigure(o)
				_, err = c.ask(t.Context())
				require.NoError(t, err)
			})
		}
	}
}

// A wrong token isn't tried in the header, which the password needs, and isn't blamed on a proxy.
func TestAWrongTokenBesideAPassword(t *testing.T) {
	sim, _, _ := simulated(t, "7.0.22")
	server := httptest.NewServer(gateway(sim, true))
	defer server.Close()
	var log bytes.Buffer
	c := New(Options{URL: server.URL + "/monitoring/zabbix", Token: strings.Repeat("f", 64), Headers: http.Header{"X-Api-Key": {gatewayKey}}, Username: "relay", Password: gatewayWord,
		Log: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := c.Observe(t.Context(), []string{"4701"})
	require.Equal(t, NotAuthorised, KindOf(err))
	require.Equal(t, 1, sim.Calls()["event.get"])
	require.Contains(t, log.String(), "Zabbix refuses the API token")
	require.NotContains(t, log.String(), "may not reach Zabbix")
}

// A client certificate is shown to a server that requires one. A renewed one needs another transport.
func TestAClientCertificateIsShown(t *testing.T) {
	authority := memnet.NewAuthority("Ours")
	sim, _, _ := simulated(t, "7.0.22")
	server := httptest.NewUnstartedServer(sim)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(authority.PEM))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Valid("127.0.0.1")}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, authority.PEM, 0o600))
	version := func(o httpclient.Options) (*httpclient.Transport, error) {
		transport, err := httpclient.New(o)
		require.NoError(t, err)
		t.Cleanup(transport.CloseIdleConnections)
		_, err = New(Options{URL: server.URL, Transport: transport}).Version(t.Context())
		return transport, err
	}
	o := httpclient.Options{CAFile: ca}
	_, err := version(o)
	require.ErrorContains(t, err, "certificate required")
	first := authority.Valid("relay.test")
	o.Certificate = &first
	transport, err := version(o)
	require.NoError(t, err)
	require.True(t, transport.Unchanged(o))
	require.False(t, transport.Unchanged(httpclient.Options{CAFile: ca}))
	second := authority.Valid("relay.test")
	o.Certificate = &second
	require.False(t, transport.Unchanged(o))
	_, err = version(o)
	require.NoError(t, err)
}

func observing(results *[]string) func(method, result string, took time.Duration) {
	return func(method, result string, _ time.Duration) { *results = append(*results, method+" "+result) }
}
