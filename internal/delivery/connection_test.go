package delivery

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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/simulator/memnet"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/testlog"
	"nms-alert-relay/internal/webex"
)

// way is the connection to Webex: TLS, DNS and an optional proxy, each of which can be broken and repaired.
type way struct {
	ours, theirs *memnet.Authority // the first is in the ca_file
	caFile       string
	cert         atomic.Pointer[tls.Certificate]
	webex        *memnet.Listener

	mu      sync.Mutex
	dial    func(context.Context) (net.Conn, error) // nil: it works
	connect string                                  // what the proxy answers; "" for 200
	dials   int
}

func (w *way) use(c tls.Certificate) { w.cert.Store(&c) }

func (w *way) set(change func(w *way)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

func (w *way) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dials++
	dial, answer := w.dial, w.connect
	w.mu.Unlock()
	switch {
	case dial != nil:
		return dial(ctx)
	case address != "proxy.test:3128":
		return w.webex.DialBuffered(ctx, "", "")
	}
	ours, proxys := net.Pipe()
	go func() {
		defer proxys.Close()
		if _, err := http.ReadRequest(bufio.NewReader(proxys)); err != nil {
			return
		}
		if answer != "" {
			_, _ = io.WriteString(proxys, "HTTP/1.1 "+answer+"\r\n\r\n")
			return
		}
		_, _ = io.WriteString(proxys, "HTTP/1.1 200 OK\r\n\r\n")
		on, err := w.webex.DialBuffered(context.Background(), "", "")
		if err != nil {
			return
		}
		defer on.Close()
		go func() { _, _ = io.Copy(on, proxys); _ = on.Close() }()
		_, _ = io.Copy(proxys, on)
	}()
	return ours, nil
}

// onTheWay runs a story over a connection that can be broken.
func onTheWay(t *testing.T, proxy string, story func(t *testing.T, r *real, w *way, log *testlog.Lines)) {
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	inReality(t, webexsim.Options{}, func(t *testing.T, r *real) {
		r.stop()
		w := &way{ours: memnet.NewAuthority("Ours"), theirs: memnet.NewAuthority("Company Proxy CA"), caFile: caFile, webex: memnet.Listen()}
		w.use(w.ours.Valid("webex.test"))
		require.NoError(t, os.WriteFile(caFile, w.ours.PEM, 0o600))
		server := &http.Server{Handler: r.sim, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go func() {
			_ = server.Serve(tls.NewListener(w.webex, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return w.cert.Load(), nil }}))
		}()
		transport, err := httpclient.New(httpclient.Options{Key: "webex.api_url", CAFile: caFile, ProxyURL: proxy, Dial: w.Dial})
		require.NoError(t, err)
		defer server.Close()
		defer transport.CloseIdleConnections()
		var log testlog.Lines
		r.log = log.Logger()
		r.client = webex.New(webex.Options{BaseURL: "https://webex.test/v1", Token: "token-of-relay", Transport: transport})
		r.start()
		story(t, r, w, &log)
		r.stop()
	})
}

// The connection to Webex fails for an hour (certificates, DNS or a proxy) and is then repaired, at the fault or by
// ca_file. Every message is posted once and none is a dead letter, the alarm lasts as long as the fault, and one log
// line names the fault, its place and the remedy.
func TestAnHourWithoutAWorkingConnection(t *testing.T) {
	dnsFault := func(e net.DNSError) func(context.Context) (net.Conn, error) {
		return func(ctx context.Context) (net.Conn, error) {
			if e.IsTimeout { // as long as a resolver takes to give up
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Second):
				}
			}
			fault := e // each caller's own, as a resolver's is
			fault.Name = "webex.test"
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &fault}
		}
	}
	for _, tc := range []struct {
		name       string
		proxy      string
		fail, mend func(t *testing.T, w *way)
		log        string
	}{
		{name: "the certificate has expired",
			fail: func(_ *testing.T, w *way) {
				w.use(w.ours.Certificate("webex.test", time.Now().Add(-time.Hour), time.Now().Add(-time.Second)))
			},
			mend: func(_ *testing.T, w *way) { w.use(w.ours.Valid("webex.test")) },
			log:  "check this machine's clock; if it is right, the certificate of webex.test must be renewed"},
		{name: "the certificate isn't valid yet, and then is",
			fail: func(_ *testing.T, w *way) {
				w.use(w.ours.Certificate("webex.test", time.Now().Add(time.Hour), time.Now().Add(48*time.Hour)))
			},
			mend: func(*testing.T, *way) {},
			log:  "this machine's clock"},
		{name: "the certificate is for another name",
			fail: func(_ *testing.T, w *way) { w.use(w.ours.Valid("other.test")) },
			mend: func(_ *testing.T, w *way) { w.use(w.ours.Valid("webex.test")) },
			log:  "valid for other.test, not webex.test"},
		{name: "the authority is unknown, and then in the ca_file",
			fail: func(_ *testing.T, w *way) { w.use(w.theirs.Valid("webex.test")) },
			mend: func(t *testing.T, w *way) { require.NoError(t, os.WriteFile(w.caFile, w.theirs.PEM, 0o600)) },
			log:  "add its own certificate to the file in webex.ca_file"},
		{name: "the name is unknown",
			fail: func(_ *testing.T, w *way) {
				w.set(func(w *way) { w.dial = dnsFault(net.DNSError{Err: "no such host", IsNotFound: true}) })
			},
			mend: func(_ *testing.T, w *way) { w.set(func(w *way) { w.dial = nil }) },
			log:  "cannot look up webex.test"},
		{name: "the resolver doesn't answer",
			fail: func(_ *testing.T, w *way) {
				w.set(func(w *way) {
					w.dial = dnsFault(net.DNSError{Err: "i/o timeout", Server: "192.0.2.53:53", IsTimeout: true, IsTemporary: true})
				})
			},
			mend: func(_ *testing.T, w *way) { w.set(func(w *way) { w.dial = nil }) },
			log:  "if a proxy is needed, set webex.proxy_url or HTTPS_PROXY"},
		{name: "the proxy wants another login", proxy: "http://user:s3cr3t-s3cr3t@proxy.test:3128",
			fail: func(_ *testing.T, w *way) {
				w.set(func(w *way) { w.connect = "407 Proxy Authentication Required" })
			},
			mend: func(_ *testing.T, w *way) { w.set(func(w *way) { w.connect = "" }) },
			log:  "the proxy proxy.test:3128 answered 407 Proxy Authentication Required (set the proxy's user and password in webex.proxy_url"},
		{name: "the proxy can't reach Webex", proxy: "http://proxy.test:3128",
			fail: func(_ *testing.T, w *way) { w.set(func(w *way) { w.connect = "504 Gateway Timeout" }) },
			mend: func(_ *testing.T, w *way) { w.set(func(w *way) { w.connect = "" }) },
			log:  "the proxy must allow CONNECT to webex.test"},
		{name: "the proxy is gone", proxy: "http://proxy.test:3128",
			fail: func(_ *testing.T, w *way) {
				w.set(func(w *way) {
					w.dial = func(context.Context) (net.Conn, error) {
						return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
					}
				})
			},
			mend: func(_ *testing.T, w *way) { w.set(func(w *way) { w.dial = nil }) },
			log:  "cannot reach the proxy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onTheWay(t, tc.proxy, func(t *testing.T, r *real, w *way, log *testlog.Lines) {
				away := func() float64 { return metric(t, r.reg, "alert_relay_webex_away", "bot", "noc") }
				r.open(1, "noc")
				r.settle(time.Minute)
				require.Zero(t, away())

				tc.fail(t, w)
				time.Sleep(time.Minute) // until no connection from before is kept
				for n := 2; n <= 6; n++ {
					r.open(n, "noc")
				}
				r.resolve(1)
				w.set(func(w *way) { w.dials = 0 })
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				require.EqualValues(t, 1, away())
				require.Contains(t, strings.ReplaceAll(log.String(), `\"`, `"`), tc.log)
				require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), "one alarm, not one for each try")
				require.NotContains(t, log.String(), "s3cr3t")
				time.Sleep(49 * time.Minute)
				w.set(func(w *way) { require.Less(t, w.dials, 130, "no hammering") })

				tc.mend(t, w)
				r.settle(5 * time.Minute)
				require.Zero(t, away())
				require.Contains(t, log.String(), "Webex answers the bot again")
				roots, _ := r.said("noc")
				require.Len(t, roots, 6, "each problem once")
				dead, err := r.store.DeadLetters(context.Background())
				require.NoError(t, err)
				require.Empty(t, dead)
			})
		})
	}
}
