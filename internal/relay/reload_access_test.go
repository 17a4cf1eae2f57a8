package relay

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/memnet"
)

// kept returns a function that requests a URL on a connection that it keeps: the status, and whether the connection was open already.
// An http.Transport doesn't always keep one: on a slow machine it takes its own write for unfinished.
func kept(t *testing.T, server *memnet.Authority, client tls.Certificate) func(address string) (status int, reused bool) {
	t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &client, nil }}
	require.True(t, c.RootCAs.AppendCertsFromPEM(server.PEM))
	type connection struct {
		*tls.Conn
		answers *bufio.Reader
	}
	open := map[string]connection{} // by host
	return func(address string) (status int, reused bool) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		conn, reused := open[req.URL.Host]
		if !reused {
			dialled, err := tls.Dial("tcp", req.URL.Host, c)
			if err != nil {
				return 0, false
			}
			t.Cleanup(func() { _ = dialled.Close() }) // the relay may have closed it
			conn = connection{dialled, bufio.NewReader(dialled)}
		}
		delete(open, req.URL.Host)
		if req.Write(conn) != nil {
			return 0, reused
		}
		resp, err := http.ReadResponse(conn.answers, req)
		if err != nil {
			return 0, reused
		}
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		if !resp.Close {
			open[req.URL.Host] = conn
		}
		return resp.StatusCode, reused
	}
}

// A client whose authority was removed loses access at once, also on a connection that is open. Without the section of the admin
// listener's TLS, or with another address of it, access stays as it was until a restart, but for such a client.
func TestReloadOfClientAuthorities(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ours, first, second := memnet.NewAuthority("relay"), memnet.NewAuthority("first"), memnet.NewAuthority("second")
	issue(t, ours, file("crt"), file("key"))
	trust := func(a *memnet.Authority) { require.NoError(t, os.WriteFile(file("ca"), a.PEM, 0o600)) }
	trust(first)
	files := fmt.Sprintf("{cert_file: %s, key_file: %s, client_ca_file: %s}", file("crt"), file("key"), file("ca"))
	both := room("noc") + "server: {tls: " + files + ", admin_tls: " + files + "}\n"
	o := startOnDisk(t, both)
	public, admin := "https://"+o.Addr()+"/", "https://"+o.AdminAddr()+"/metrics"
	requireStatus := func(get func(string) (int, bool), url string, status int, reused bool) {
		t.Helper()
		got, again := get(url)
		require.Equal(t, status, got)
		require.Equal(t, reused, again)
	}
	one, other := kept(t, ours, first.Valid("operator")), kept(t, ours, second.Valid("operator"))
	for _, url := range []string{public, admin} {
		requireStatus(one, url, http.StatusOK, false)
		requireStatus(one, url, http.StatusOK, true)
	}
	trust(second)
	o.mustReload()
	for _, url := range []string{public, admin} {
		requireStatus(one, url, http.StatusUnauthorized, true)
		requireStatus(one, url, 0, false) // the connection was closed, and TLS refuses another one
		requireStatus(other, url, http.StatusOK, false)
		requireStatus(other, url, http.StatusOK, true)
	}

	o.configure(room("noc"))
	require.Equal(t, []string{"server.tls", "server.admin_tls"}, o.mustReload().RestartNeeded)
	requireStatus(other, admin, http.StatusOK, true)
	status, err := browse(t, ours, nil, "")(admin)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, status, "no certificate")

	trust(first)
	o.configure(room("noc") + "server: {admin_listen: '127.0.0.1:1', tls: " + files + ", admin_tls: " + files + "}\n")
	require.Equal(t, []string{"server.admin_listen"}, o.mustReload().RestartNeeded)
	requireStatus(other, admin, http.StatusUnauthorized, true)
	requireStatus(one, admin, http.StatusOK, false)
}

// What was checked and digested is what is used: a snapshot reads neither certificates nor authorities from the disk.
func TestSnapshotsUseWhatWasRead(t *testing.T) {
	o := startOnDisk(t, room("noc"))
	authority := memnet.NewAuthority("relay")
	o.write("ca", string(authority.PEM))
	pair := issue(t, authority, o.file("crt"), o.file("key"))
	const files = "{cert_file: crt, key_file: key, client_ca_file: ca}"
	o.write("relay.yaml", fmt.Sprintf(`
webex: {api_url: "%s/v1", ca_file: ca, bots: [{name: relay, token_file: token, listen: "off"}]}
zabbix: [{name: main, url: "https://127.0.0.1:1", secret_file: secret, api_token_file: ci, ca_file: ca}]
server: {tls: %s, admin_tls: %s}
tracing: {endpoint: "https://127.0.0.1:1", ca_file: ca}
`, o.api, files, files)+room("noc"))
	cfg, err := config.Read(o.file("relay.yaml"), config.Options{})
	require.NoError(t, err)
	require.Equal(t, authority.PEM, cfg.Tracing.HTTP.CA)
	for _, name := range []string{"ca", "crt", "key"} {
		require.NoError(t, os.Remove(o.file(name)))
	}
	s, err := o.snapshot(cfg)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(authority.PEM))
	for _, c := range []*tls.Config{s.publicTLS, s.adminTLS} {
		require.Equal(t, pair.Certificate, c.Certificates[0].Certificate)
		require.True(t, pool.Equal(c.ClientCAs))
	}
	again, err := newTransports(cfg, s.via)
	require.NoError(t, err)
	require.Same(t, s.via.webex, again.webex)
	require.Same(t, s.via.zabbix["main"], again.zabbix["main"])
	cfg.Webex.HTTP.CA = memnet.NewAuthority("next").PEM
	again, err = newTransports(cfg, s.via)
	require.NoError(t, err)
	require.NotSame(t, s.via.webex, again.webex)
}
