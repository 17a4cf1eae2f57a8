package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
)

// people write in the room; each may give 30 commands at once.
var people = []string{"alice@example.com", "bob@example.com"}

// neighbours is the part of a configuration with Webex, Zabbix and the room.
func neighbours(webex, zabbix string) string {
	return fmt.Sprintf(`webex:
  api_url: %s/v1
  bots: [{name: relay, token_env: BENCH_WEBEX, listen: webhook}]
zabbix:
  - {name: main, url: %q, api_token_env: BENCH_ZABBIX, secret_env: BENCH_SECRET}
rooms:
  - {name: noc, id: %q}
default_rooms: [noc]
people: [{domain: example.com, role: operator}]
`, webex, zabbix, webexsim.RoomID("noc"))
}

func environment() []string {
	return []string{"BENCH_WEBEX=" + webexsim.DefaultBotToken, "BENCH_ZABBIX=" + zabbixsim.RelayToken, "BENCH_SECRET=" + secret}
}

// strict is a Webex whose rooms take five messages a second; others are answered 429 with Retry-After.
var strict = webexsim.Options{PerRoom: webexsim.Rate{PerSecond: 5, Burst: 5}}

// world is a simulated Webex and a simulated Zabbix in this process.
type world struct {
	webex               *webexsim.Server
	zabbix              *zabbixsim.Server
	webexURL, zabbixURL string
	seen                *witness // of the Webex
	close               func()
}

// newWorld starts both on loopback addresses. Zabbix's API answers after delay.
func newWorld(webex webexsim.Options, delay time.Duration) (_ *world, err error) {
	w := &world{webex: webexsim.NewDefault(webex)}
	w.seen = &witness{next: w.webex}
	if w.zabbix, err = zabbixsim.New(zabbixsim.Options{Version: "7.0.22", Quick: true}); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var servers []*http.Server
	w.close = func() {
		stop()
		for _, s := range servers {
			_ = s.Close() // nothing to drain
		}
		w.webex.Close()
		running.Wait()
	}
	for _, s := range []struct {
		h   http.Handler
		url *string
	}{{w.seen, &w.webexURL}, {delayed(w.zabbix, delay), &w.zabbixURL}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.close()
			return nil, err
		}
		server := &http.Server{Handler: s.h, ReadHeaderTimeout: 5 * time.Second}
		servers = append(servers, server)
		*s.url = "http://" + l.Addr().String()
		running.Go(func() { _ = server.Serve(l) }) // it ends with close
	}
	running.Go(func() { _ = w.zabbix.Run(ctx) }) // it ends with ctx
	return w, nil
}

func delayed(next http.Handler, delay time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(delay)
		next.ServeHTTP(w, r)
	})
}

// witness records the calls to a simulated Webex that post, edit or delete a message.
type witness struct {
	next  http.Handler
	mu    sync.Mutex
	calls []write
}

// write is one such call.
type write struct {
	at     time.Time // when it arrived
	method string
	status int
}

func (w *witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	c := write{at: time.Now(), method: r.Method}
	recorder := &statusWriter{ResponseWriter: out, status: http.StatusOK}
	w.next.ServeHTTP(recorder, r)
	if c.status = recorder.status; r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/messages") {
		w.mu.Lock()
		w.calls = append(w.calls, c)
		w.mu.Unlock()
	}
}

// since returns the calls from then on, in the order of their answers.
func (w *witness) since(then time.Time) (calls []write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if !c.at.Before(then) {
			calls = append(calls, c)
		}
	}
	return calls
}

// count returns the number of calls.
func (w *witness) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// refusals counts the calls that were answered 429, and those of them more than a second after the first call.
func refusals(calls []write) (all, late int) {
	first := time.Time{}
	for _, c := range calls {
		if first.IsZero() || c.at.Before(first) {
			first = c.at
		}
	}
	for _, c := range calls {
		if c.status == http.StatusTooManyRequests {
			all++
			if c.at.Sub(first) > time.Second {
				late++
			}
		}
	}
	return all, late
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
