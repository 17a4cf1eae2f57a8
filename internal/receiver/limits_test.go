package receiver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// listening serves a fixture on a real socket with a limit on connections.
func listening(t *testing.T, connections int) (f *fixture, addr string) {
	return listeningFor(t, connections, func() {})
}

// listeningFor is listening with a call of idle after each answer.
func listeningFor(t *testing.T, connections int, idle func()) (f *fixture, addr string) {
	f = newFixture(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := NewServer("", f.Handler())
	hook := server.ConnState
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if hook(c, state); state == http.StateIdle {
			idle()
		}
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(Limit(l, connections)) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	return f, l.Addr().String()
}

// open opens a connection and sends the beginning of a request.
func open(t *testing.T, addr, begin string) net.Conn {
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = io.WriteString(c, begin)
	require.NoError(t, err)
	return c
}

// send sends one event over its own connection, as Zabbix does.
func send(t *testing.T, addr string) int {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+addr+"/v1/zabbix/events", strings.NewReader(event))
	require.NoError(t, err)
	for k, v := range signed(secret, event, now) {
		req.Header.Set(k, v)
	}
	req.Close = true
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	return resp.StatusCode
}

// halfSent are requests that a stranger begins and never finishes.
func halfSent() map[string]string {
	head := "POST %s HTTP/1.1\r\nHost: relay\r\nContent-Length: 1000000\r\n"
	plausible := fmt.Sprintf("%s: %d\r\n%s: sha256=%s\r\n\r\n", HeaderTimestamp, now.Unix(), HeaderSignature, strings.Repeat("0", 64))
	return map[string]string{
		"nothing":              "",
		"half a header":        "POST /v1/zabbix/events HTTP/1.1\r\nHost: relay\r\nX-",
		"an event":             fmt.Sprintf(head, "/v1/zabbix/events") + plausible,
		"an event, some bytes": fmt.Sprintf(head, "/v1/zabbix/events") + plausible + strings.Repeat(" ", 3000),
		"unsigned event":       fmt.Sprintf(head, "/v1/zabbix/events") + "\r\n",
		"a webhook":            fmt.Sprintf(strings.Replace(head, "1000000", "60000", 1), "/v1/webex/noc") + "\r\n{",
		"no such bot":          fmt.Sprintf(head, "/v1/webex/other") + "\r\n{",
		"a notice":             fmt.Sprintf(head, "/v1/notify") + "Authorization: Bearer x\r\n\r\n{",
		"chunks":               "POST /v1/zabbix/events HTTP/1.1\r\nHost: relay\r\nTransfer-Encoding: chunked\r\n" + plausible + "5\r\n{    \r\n",
		"no such path":         fmt.Sprintf(head, "/v1/other") + "\r\n{",
	}
}

// However many requests strangers leave unfinished (1,100 of each kind, more than the limit), an event of Zabbix is answered 202.
func TestIdleRequestsDoNotBlockOthers(t *testing.T) {
	for name, begin := range halfSent() {
		for _, c := range []struct{ idle, room int }{{1100, MaxConnections}, {150, 100}} {
			t.Run(fmt.Sprintf("%d of %s", c.idle, name), func(t *testing.T) {
				_, addr := listening(t, c.room)
				for range c.idle {
					open(t, addr, begin)
				}
				for range 3 {
					require.Equal(t, 202, send(t, addr))
				}
			})
		}
	}
}

// The connection that has gone longest without an answer is closed; one in use stays.
func TestTheIdlestConnectionIsClosed(t *testing.T) {
	idle := make(chan struct{}, 1)
	_, addr := listeningFor(t, 3, func() { idle <- struct{}{} })
	ask := func(c net.Conn, from *bufio.Reader) error {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: relay\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(from, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		<-idle
		return errors.Join(err, resp.Body.Close())
	}
	proxy := open(t, addr, "")
	answers := bufio.NewReader(proxy)
	require.NoError(t, ask(proxy, answers))
	for range 5 {
		stranger := open(t, addr, "GET / HT")
		require.NoError(t, ask(proxy, answers), "the proxy's connection is in use")
		another := open(t, addr, "")
		require.NoError(t, ask(another, bufio.NewReader(another)))
		require.NoError(t, ask(proxy, answers))
		third := open(t, addr, "")
		require.NoError(t, ask(third, bufio.NewReader(third)))
		_, err := stranger.Read(make([]byte, 1))
		require.Error(t, err, "the stranger's connection was closed")
	}
}

// A closed connection makes room for one other.
func TestClosedConnectionsAreForgotten(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	limited := Limit(l, 2)
	for range 5 {
		open(t, l.Addr().String(), "")
		c, err := limited.Accept()
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.Error(t, c.Close())
		require.Zero(t, limited.conns.Len())
	}
	require.LessOrEqual(t, Limit(l, MaxConnections).limit, MaxConnections)
	require.Positive(t, Limit(l, MaxConnections).limit)
}

// Bytes count when they arrive. When the budget is spent, the oldest body is evicted and the new one succeeds.
func TestTheOldestBodyIsEvicted(t *testing.T) {
	b := newBudget(100)
	aborted := make(chan int, 10)
	arrive := func(i int) *arrival { return b.begin(func() { aborted <- i }) }
	first, second, third := arrive(1), arrive(2), arrive(3)
	require.True(t, b.grow(second, 40))
	require.True(t, b.grow(first, 50))
	require.Empty(t, aborted, "announced bytes don't count")
	require.True(t, b.grow(third, 20))
	require.Equal(t, 1, <-aborted)
	require.False(t, b.grow(first, 1), "the request was aborted")
	b.end(first)
	require.Equal(t, int64(60), b.used)
	require.True(t, b.grow(third, 40), "the budget is full, not spent")
	require.Empty(t, aborted)
	require.False(t, b.grow(second, 1), "the oldest can be the one that grows")
	require.Equal(t, 2, <-aborted)
	require.False(t, b.grow(third, 101-60), "evicted although it is the only one")
	require.Equal(t, 3, <-aborted)
	for _, a := range []*arrival{second, third} {
		b.end(a)
	}
	require.Zero(t, b.used)
	require.Zero(t, b.arriving.Len())
}

// Slow bodies that fill the budget for events evict each other: other events succeed, and webhooks and notices have their own
// budgets.
func TestSlowBodiesDoNotBlockOthers(t *testing.T) {
	f, addr := listening(t, MaxConnections)
	f.limits.events.mu.Lock()
	f.limits.events.limit = 256 << 10
	f.limits.events.mu.Unlock()
	begin := halfSent()["an event"]
	var strangers []net.Conn
	for range 40 {
		strangers = append(strangers, open(t, addr, begin+strings.Repeat(" ", 16<<10)))
	}
	// The oldest are evicted as soon as the others' bytes are read.
	resp, err := http.ReadResponse(bufio.NewReader(strangers[0]), nil)
	require.NoError(t, err)
	require.Equal(t, 429, resp.StatusCode)
	require.True(t, resp.Close)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 202, send(t, addr))
	require.Equal(t, 200, f.do(request{path: "/v1/webex/noc", body: "{}", header: map[string]string{"X-Spark-Signature": "good"}}).Code)
	require.Equal(t, 202, f.do(request{path: "/v1/notify", body: `{"room":"noc","text":"x"}`, header: bearer(token)}).Code)
}

// The body of a webhook is not read if no bot listens, nor that of a request without credentials. A webhook has at most 64 KiB.
func TestUnauthorisedBodiesAreNotRead(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		header map[string]string
		length int64
		status int
	}{
		"a bot that doesn't listen": {"/v1/webex/other", nil, 10, 404},
		"a webhook too large":       {"/v1/webex/noc", nil, maxWebhook + 1, 413},
		"an unsigned event":         {"/v1/zabbix/events", nil, 10, 401},
		"an event, wrong secret":    {"/v1/zabbix/events", bearer("wrong"), 10, 401},
		"an event too large":        {"/v1/zabbix/events", bearer(secret), MaxBody + 1, 413},
		"a notice without a token":  {"/v1/notify", nil, 10, 401},
		"a notice too large":        {"/v1/notify", bearer(token), MaxBody + 1, 413},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			read := false
			rec := f.request(c.path, c.header, c.length, readerFunc(func([]byte) (int, error) { read = true; return 0, io.EOF }))
			require.Equal(t, c.status, rec.Code)
			require.False(t, read)
			require.Equal(t, "close", rec.Header().Get("Connection"), "otherwise the server waits for the body")
		})
	}
	f := newFixture(t)
	rec := f.request("/v1/webex/noc", nil, -1, strings.NewReader(strings.Repeat("x", maxWebhook+1)))
	require.Equal(t, 413, rec.Code)
	rec = f.request("/v1/webex/noc", map[string]string{"X-Spark-Signature": "good"}, -1, strings.NewReader(strings.Repeat("x", maxWebhook)))
	require.Equal(t, 200, rec.Code)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
