package httpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/simulator/memnet"
)

// far is a server in memory with TLS and an exchangeable certificate.
type far struct {
	*memnet.Listener
	cert atomic.Pointer[tls.Certificate]
}

func (f *far) use(c tls.Certificate) { f.cert.Store(&c) }

// serve answers requests until the test ends.
func serve(t *testing.T, wrap func(net.Listener) net.Listener) *memnet.Listener {
	l := memnet.Listen()
	server := &http.Server{
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	go func() { _ = server.Serve(wrap(l)) }()
	t.Cleanup(func() { _ = server.Close() })
	return l
}

func behindTLS(t *testing.T, cert tls.Certificate, versions ...uint16) *far {
	f := &far{}
	f.use(cert)
	f.Listener = serve(t, func(l net.Listener) net.Listener {
		c := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.cert.Load(), nil }}
		for _, v := range versions {
			c.MinVersion, c.MaxVersion = v, v
		}
		return tls.NewListener(l, c)
	})
	return f
}

type dial func(ctx context.Context, network, address string) (net.Conn, error)

// to directs every connection to one listener.
func to(l *memnet.Listener) dial { return l.DialBuffered }

func transport(t *testing.T, o Options) *Transport {
	t.Helper()
	o.Key = "webex.api_url"
	tr, err := New(o)
	require.NoError(t, err)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func get(tr *Transport) error {
	resp, err := (&http.Client{Transport: tr}).Get("https://webex.test/v1/people/me")
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		err = errors.Join(err, resp.Body.Close())
	}
	tr.CloseIdleConnections() // so that the next call needs a new handshake
	return err
}

func file(t *testing.T, content []byte) string {
	name := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(name, content, 0o600))
	return name
}

// The error of a TLS failure names the fault, the host and the remedy.
func TestTLSHints(t *testing.T) {
	for _, tc := range []struct {
		name string
		cert func(ours, theirs *memnet.Authority) tls.Certificate
		old  bool
		want []string
	}{
		{name: "an unknown authority", cert: func(_, theirs *memnet.Authority) tls.Certificate { return theirs.Valid("webex.test") },
			want: []string{"unknown authority", `signed webex.test's certificate ("CN=Company Proxy CA"), add its own certificate to the file in webex.ca_file`}},
		{name: "expired", cert: func(ours, _ *memnet.Authority) tls.Certificate {
			return ours.Certificate("webex.test", time.Now().Add(-time.Hour), time.Now().Add(-time.Minute))
		}, want: []string{"has expired or is not yet valid", "this machine's clock", "the certificate of webex.test must be renewed"}},
		{name: "not valid yet", cert: func(ours, _ *memnet.Authority) tls.Certificate {
			return ours.Certificate("webex.test", time.Now().Add(time.Minute), time.Now().Add(time.Hour))
		}, want: []string{"has expired or is not yet valid", "this machine's clock"}},
		{name: "another name", cert: func(ours, _ *memnet.Authority) tls.Certificate { return ours.Valid("other.test") },
			want: []string{"valid for other.test, not webex.test", "use a name from the certificate in webex.api_url"}},
		{name: "TLS 1.1", cert: func(ours, _ *memnet.Authority) tls.Certificate { return ours.Valid("webex.test") }, old: true,
			want: []string{"protocol version", "TLS 1.2 or later"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := memnet.NewAuthority("Ours"), memnet.NewAuthority("Company Proxy CA")
				var versions []uint16
				if tc.old {
					versions = []uint16{tls.VersionTLS11}
				}
				there := behindTLS(t, tc.cert(ours, theirs), versions...)
				tr := transport(t, Options{CAFile: file(t, ours.PEM), Dial: to(there.Listener)})
				err := get(tr)
				for _, want := range tc.want {
					require.ErrorContains(t, err, want)
				}
				there.use(ours.Valid("webex.test"))
				if !tc.old {
					require.NoError(t, get(tr), "a corrected certificate needs no restart")
				}
			})
		})
	}
}

// A corrected ca_file is used without a restart; a broken one changes nothing.
func TestACorrectedCAFileIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, renewed := memnet.NewAuthority("Old"), memnet.NewAuthority("New")
		there := behindTLS(t, old.Valid("webex.test"))
		name := file(t, old.PEM)
		tr := transport(t, Options{CAFile: name, Dial: to(there.Listener)})
		require.NoError(t, get(tr))

		there.use(renewed.Valid("webex.test"))
		require.ErrorContains(t, get(tr), "unknown authority")
		require.NoError(t, os.WriteFile(name, []byte("half a file"), 0o600))
		require.ErrorContains(t, get(tr), "unknown authority")
		require.NoError(t, os.WriteFile(name, renewed.PEM, 0o600))
		require.ErrorContains(t, get(tr), "unknown authority", "the client doesn't repeat a failed call")
		require.NoError(t, get(tr))
	})
}

// A server without TLS, or one that never responds.
func TestServersWithoutTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain := serve(t, func(l net.Listener) net.Listener { return l })
		require.ErrorContains(t, get(transport(t, Options{Dial: to(plain)})), "check scheme and port in webex.api_url")

		silent := memnet.Listen()
		defer silent.Close()
		go func() {
			conn, err := silent.Accept()
			if err == nil {
				_, _ = io.Copy(io.Discard, conn)
			}
		}()
		start := time.Now()
		require.ErrorContains(t, get(transport(t, Options{Dial: to(silent)})), "accepts connections but doesn't respond")
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

// A failed lookup names the host, and works again without further action once the resolver answers.
func TestDNSHints(t *testing.T) {
	_, err := (&net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("network is unreachable")
	}}}).DialContext(t.Context(), "tcp", "webex.test:443")
	require.ErrorAs(t, err, new(*net.DNSError))
	for _, fault := range []error{
		err, // the resolver's own error
		&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "webex.test", Server: "192.0.2.53:53", IsNotFound: true}},
		&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: "webex.test", Server: "192.0.2.53:53", IsTimeout: true, IsTemporary: true}},
		&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "webex.test", IsTemporary: true}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ours := memnet.NewAuthority("Ours")
			there := behindTLS(t, ours.Valid("webex.test"))
			mended := time.Now().Add(time.Hour)
			tr := transport(t, Options{CAFile: file(t, ours.PEM), Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if time.Now().Before(mended) {
					return nil, fault
				}
				return there.DialBuffered(ctx, network, address)
			}})
			for range 2 {
				err := get(tr)
				require.ErrorContains(t, err, "cannot look up webex.test: check webex.api_url and this machine's DNS; if a proxy is needed, set webex.proxy_url or HTTPS_PROXY")
				require.ErrorAs(t, err, new(*net.DNSError))
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			require.NoError(t, get(tr))
		})
	}
}

// Nobody listens, or a firewall drops packets.
func TestUnreachable(t *testing.T) {
	refused := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errors.New("connection refused"))}
	}
	require.ErrorContains(t, get(transport(t, Options{Dial: refused})), "connection refused (check webex.api_url; if a proxy is needed, set webex.proxy_url or HTTPS_PROXY)")
	swallowed := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
	require.ErrorContains(t, get(transport(t, Options{Dial: swallowed})), "a firewall may block the connection")
}

// proxy answers CONNECT with a status; after a 200 it connects the client to there.
func proxy(t *testing.T, status string, there *memnet.Listener) *memnet.Listener {
	l := memnet.Listen()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\n\r\n")
				if there == nil {
					return
				}
				on, err := there.DialBuffered(context.Background(), "", "")
				if err != nil {
					return
				}
				defer on.Close()
				go func() { _, _ = io.Copy(on, conn); _ = on.Close() }()
				_, _ = io.Copy(conn, on)
			}()
		}
	}()
	return l
}

// A failing proxy is named with a hint, and never with its password.
func TestProxyHints(t *testing.T) {
	const url = "http://user:s3cr3t-s3cr3t@proxy.test:3128"
	for _, tc := range []struct {
		name string
		dial func(t *testing.T) dial
		want string
	}{
		{"a login is required", func(t *testing.T) dial { return to(proxy(t, "407 Whatever", nil)) },
			"the proxy proxy.test:3128 answered 407 Proxy Authentication Required (set the proxy's user and password in webex.proxy_url or HTTPS_PROXY)"},
		{"the destination is forbidden", func(t *testing.T) dial { return to(proxy(t, "403 Forbidden", nil)) },
			"the proxy proxy.test:3128 answered 403 Forbidden (the proxy must allow CONNECT to webex.test"},
		{"the destination is unreachable", func(t *testing.T) dial { return to(proxy(t, "502 Bad Gateway", nil)) }, "answered 502 Bad Gateway"},
		{"it isn't running", func(*testing.T) dial {
			return func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
			}
		}, "connection refused (cannot reach the proxy: check webex.proxy_url or HTTPS_PROXY, and that it is running)"},
		{"its name is unknown", func(*testing.T) dial {
			return func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "proxy.test", IsNotFound: true}}
			}
		}, "lookup proxy.test: no such host (cannot reach the proxy: check webex.proxy_url"},
		{"it intercepts TLS", func(t *testing.T) dial {
			return to(proxy(t, "200 OK", behindTLS(t, memnet.NewAuthority("Company Proxy CA").Valid("webex.test")).Listener))
		}, `signed webex.test's certificate ("CN=Company Proxy CA"), add its own certificate to the file in webex.ca_file`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := get(transport(t, Options{ProxyURL: url, Dial: tc.dial(t)}))
				require.ErrorContains(t, err, tc.want)
				require.NotContains(t, err.Error(), "s3cr3t")
			})
		})
	}
	t.Run("a working proxy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ours := memnet.NewAuthority("Ours")
			there := behindTLS(t, ours.Valid("webex.test"))
			require.NoError(t, get(transport(t, Options{ProxyURL: url, CAFile: file(t, ours.PEM), Dial: to(proxy(t, "200 OK", there.Listener))})))
		})
	})
}

// A cancelled call is not an error of the neighbour.
func TestACancelledCallHasNoHint(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://webex.test", nil)
	require.NoError(t, err)
	tr := transport(t, Options{})
	_, err = tr.RoundTrip(req)
	require.Equal(t, context.Canceled, err)
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: context.Canceled}
	require.Equal(t, error(dial), tr.failure(dial, req))
}
