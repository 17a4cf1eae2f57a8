//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wire is a proxy that fails at times, and counts how.
type wire struct {
	proxy *httputil.ReverseProxy

	mu       sync.Mutex
	random   *rand.Rand
	failing  bool
	outageTo time.Time
	passed   int
	failed   map[string]int // by what happened
}

func newWire(target string, random *rand.Rand) *wire {
	to, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	w := &wire{random: random, failed: map[string]int{}}
	w.proxy = &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:    &http.Transport{DisableKeepAlives: true},
		ErrorHandler: func(out http.ResponseWriter, _ *http.Request, _ error) { w.count("nobody there"); reset(out) },
	}
	return w
}

// fail begins or ends the failures.
func (w *wire) fail(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failing, w.outageTo = on, time.Time{}
}

// outage makes everything fail for a while.
func (w *wire) outage(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outageTo = time.Now().Add(d)
}

// fate decides what happens to a connection or call: "" for nothing, otherwise one of the ways.
func (w *wire) fate(share float64, ways ...string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.failing || w.random.Float64() >= share && time.Now().After(w.outageTo) {
		w.passed++
		return ""
	}
	return ways[w.random.IntN(len(ways))]
}

func (w *wire) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed[what]++
}

// counts returns how many calls passed, how many failed, and how.
func (w *wire) counts() (passed, failed int, how map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.failed {
		failed += n
	}
	return w.passed, failed, maps.Clone(w.failed)
}

// reset ends a connection without an answer, as a crash does.
func reset(out http.ResponseWriter) {
	conn, _, err := http.NewResponseController(out).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	abort(conn)
}

func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// webhooks is the way from Zabbix to the relay: a tenth of the connections is refused, reset once the request was received, loses the
// answer of the relay, or is answered 503.
type webhooks struct {
	*wire
	address string
	server  *http.Server
}

const (
	wayRefused = "refused"
	wayReset   = "reset after the request"
	wayLost    = "answer lost"
	way503     = "503"
)

func newWebhooks(t *testing.T, address, target string, random *rand.Rand) *webhooks {
	t.Helper()
	w := &webhooks{wire: newWire("http://"+target, random), address: address}
	w.open(t)
	t.Cleanup(w.close)
	return w
}

type fateKey struct{}

// open listens. While it is closed, connections are refused.
func (w *webhooks) open(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", w.address)
	require.NoError(t, err)
	w.server = &http.Server{Handler: w, ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
		fate := w.fate(0.1, wayRefused, wayReset, wayLost, way503)
		if fate != "" {
			w.count(fate)
		}
		if fate == wayRefused {
			abort(conn)
		}
		return context.WithValue(ctx, fateKey{}, fate)
	}}
	w.server.SetKeepAlivesEnabled(false)
	go func() { _ = w.server.Serve(listener) }()
}

func (w *webhooks) close() { _ = w.server.Close() }

func (w *webhooks) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	switch r.Context().Value(fateKey{}) {
	case wayReset:
		_, _ = io.Copy(io.Discard, r.Body)
		reset(out)
	case way503:
		http.Error(out, "nobody here", http.StatusServiceUnavailable)
	case wayLost:
		w.proxy.ServeHTTP(httptest.NewRecorder(), r)
		reset(out)
	default:
		w.proxy.ServeHTTP(out, r)
	}
}

// flakyAPI starts the way from the relay to Zabbix's frontend: a fifth of the calls fails, and during an outage all of them.
func flakyAPI(t *testing.T, target string, random *rand.Rand) (w *wire, address string) {
	t.Helper()
	w = newWire(target, random)
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		fate := w.fate(0.2, "page 503", "cut", "database away", "slow")
		if fate != "" {
			w.count(fate)
		}
		switch fate {
		case "page 503":
			http.Error(out, "<h1>busy</h1>", http.StatusServiceUnavailable)
		case "database away":
			out.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(out, `{"jsonrpc":"2.0","error":{"code":1,"message":"Error connecting to database: connection refused","data":""},"id":1}`)
		case "cut":
			answer := httptest.NewRecorder()
			w.proxy.ServeHTTP(answer, r)
			maps.Copy(out.Header(), answer.Header())
			_, _ = io.Copy(out, io.LimitReader(answer.Body, int64(answer.Body.Len()/2)))
			panic(http.ErrAbortHandler)
		case "slow": // longer than the relay waits
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			select {
			case <-time.After(3 * time.Second):
			case <-r.Context().Done():
			}
			w.proxy.ServeHTTP(out, r)
		default:
			w.proxy.ServeHTTP(out, r)
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return w, server.URL
}
