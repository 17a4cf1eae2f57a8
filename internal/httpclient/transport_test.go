package httpclient

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A certificate of a private authority is trusted only with its ca_file.
func TestCAFile(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))

	transport, err := New(Options{CAFile: ca})
	require.NoError(t, err)
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(server.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 2, resp.ProtoMajor)

	strangers, err := New(Options{})
	require.NoError(t, err)
	defer strangers.CloseIdleConnections()
	_, err = (&http.Client{Transport: strangers}).Get(server.URL)
	require.ErrorContains(t, err, "certificate")
}

func TestProxyIsUsed(t *testing.T) {
	var asked, login string
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked, login = r.RequestURI, r.Header.Get("Proxy-Authorization")
	}))
	defer proxy.Close()
	transport, err := New(Options{ProxyURL: "http://user:secret@" + proxy.Listener.Addr().String()})
	require.NoError(t, err)
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://webex.example/v1/people/me")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "http://webex.example/v1/people/me", asked)
	require.Equal(t, "Basic dXNlcjpzZWNyZXQ=", login)
}

// Errors say what is wrong, without the password of the proxy.
func TestInvalidOptions(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, []byte("nothing"), 0o600))
	for _, tc := range []struct{ proxy, ca, want string }{
		{"socks5://user:secret@proxy:1080", "", "proxy_url"},
		{"http://user:secret@proxy:port", "", "proxy_url"},
		{"proxy:3128", "", "proxy_url"},
		{"http://", "", "proxy_url"},
		{"", "/does/not/exist.pem", "/does/not/exist.pem"},
		{"", empty, empty},
	} {
		_, err := New(Options{ProxyURL: tc.proxy, CAFile: tc.ca})
		require.ErrorContains(t, err, tc.want)
		require.NotContains(t, err.Error(), "secret")
	}
}

// An invalid proxy in the environment is an error without its password.
func TestProxyOfTheEnvironment(t *testing.T) {
	for _, address := range []string{"http://admin:hunter2%zz@proxy", "http://admin:hun ter2@proxy:x", "socks9://admin:hunter2@proxy:port"} {
		_, err := withoutAddress(func(*http.Request) (*url.URL, error) {
			return nil, fmt.Errorf("invalid proxy address %q", address)
		})(nil)
		require.ErrorContains(t, err, "HTTPS_PROXY")
		require.NotContains(t, err.Error(), "ter2")
	}
	want := &url.URL{Scheme: "http", Host: "proxy:3128"}
	got, err := withoutAddress(func(*http.Request) (*url.URL, error) { return want, nil })(nil)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
