package httpclient

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// Connect opens a connection and requests nothing.
func TestConnect(t *testing.T) {
	asked := 0
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ })
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	secure.Config.ErrorLog = nil
	defer secure.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	for _, c := range []struct{ address, proxy, through, err string }{
		{address: plain.URL + "/hook?key=secret"},
		{address: nobody + "/?key=secret", err: "check actions[0].url; if a proxy is needed"},
		{address: secure.URL, err: "if you trust the authority"},
		{address: "https" + plain.URL[len("http"):], err: "doesn't speak TLS there: check scheme and port in actions[0].url"},
		{address: "https://endpoint.example.com", proxy: plain.URL, through: plain.Listener.Addr().String()},
		{address: "https://endpoint.example.com", proxy: nobody, through: l.Addr().String(), err: "cannot reach the proxy: check actions[0].proxy_url"},
	} {
		tr, err := New(Options{ProxyURL: c.proxy, Key: "actions[0].url"})
		require.NoError(t, err)
		through, err := tr.Connect(t.Context(), c.address)
		require.Equal(t, c.through, through, c.address)
		if c.err == "" {
			require.NoError(t, err, c.address)
		} else {
			require.ErrorContains(t, err, c.err, c.address)
			require.NotContains(t, err.Error(), "secret")
		}
	}
	tr, err := New(Options{})
	require.NoError(t, err)
	tr.next.TLSClientConfig.RootCAs = secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	_, err = tr.Connect(t.Context(), secure.URL)
	require.NoError(t, err)
	require.Zero(t, asked)
}
