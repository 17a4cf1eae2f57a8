package relay

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/testlog"
)

// receiverOfTraces is an OTLP receiver.
type receiverOfTraces struct {
	*httptest.Server
	arrived chan struct{} // for each request that is complete
	mu      sync.Mutex
	raw     []byte
	spans   []*otlp.Span
	header  http.Header // of the last request
}

func newReceiverOfTraces(t *testing.T) *receiverOfTraces {
	c := &receiverOfTraces{arrived: make(chan struct{}, 1000)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
			return
		}
		body, err := io.ReadAll(unzipped)
		var request collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &request) != nil {
			t.Errorf("not OTLP: %v", err)
			return
		}
		c.mu.Lock()
		defer func() {
			c.mu.Unlock()
			c.arrived <- struct{}{}
		}()
		c.raw, c.header = append(c.raw, body...), r.Header
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// named returns the trace of the first span with a name; nil for none.
func (c *receiverOfTraces) named(name string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name {
			return s.TraceId
		}
	}
	return nil
}

// await waits until a trace has spans of these names, and returns it; see trace. The first name belongs to this trace alone.
func (c *receiverOfTraces) await(t *testing.T, names ...string) (map[string]*otlp.Span, map[string]string) {
	t.Helper()
	for {
		found, attributes := c.trace(c.named(names[0]))
		if !slices.ContainsFunc(names, func(name string) bool { return found[name] == nil }) {
			return found, attributes
		}
		select {
		case <-c.arrived:
		case <-time.After(time.Minute):
			t.Fatalf("expected spans %q in one trace, got %v", names, slices.Sorted(maps.Keys(found)))
		}
	}
}

// trace returns the spans of a trace by name, each with its attributes as "key=value …".
func (c *receiverOfTraces) trace(id []byte) (spans map[string]*otlp.Span, attributes map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans, attributes = map[string]*otlp.Span{}, map[string]string{}
	for _, s := range c.spans {
		if !bytes.Equal(s.TraceId, id) || spans[s.Name] != nil {
			continue
		}
		var words []string
		for _, a := range s.Attributes {
			value := a.Value.GetStringValue()
			if value == "" {
				value = strconv.FormatInt(a.Value.GetIntValue(), 10)
			}
			if key := strings.TrimPrefix(a.Key, "relay."); key != "message" && key != "command" {
				words = append(words, key+"="+value)
			}
		}
		spans[s.Name], attributes[s.Name] = s, strings.Join(words, " ")
	}
	return spans, attributes
}

// One trace tells what became of an event: received, on disk, folded, posted. Another one tells the way of a command: received,
// decided, Zabbix called, answered. Neither has any text of strangers.
func TestATraceFromAPayloadToItsMessage(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50") // milliseconds
	traces := newReceiverOfTraces(t)
	zabbix, err := zabbixsim.New(zabbixsim.Options{Version: "7.0"})
	require.NoError(t, err)
	zabbixServer := httptest.NewServer(zabbix)
	defer zabbixServer.Close()

	sim := webexsim.NewDefault(webexsim.Options{})
	defer sim.Close()
	posted, hooks := make(chan string, 100), make(chan string, 100)
	webexServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		sim.ServeHTTP(w, r)
		switch {
		case r.Method != http.MethodPost:
		case strings.HasSuffix(r.URL.Path, "/messages"):
			posted <- string(body)
		case strings.HasSuffix(r.URL.Path, "/webhooks"):
			hooks <- string(body)
		}
	}))
	defer webexServer.Close()

	public, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cfg, err := config.Parse("relay.yaml", fmt.Appendf(nil, `
server: {public_url: "http://%s"}
webex: {api_url: "%s/v1", bots: [{name: relay, token_env: BOT}]}
zabbix: [{name: main, url: "%s", secret_env: SECRET, api_token_env: API}]
rooms: [{name: noc, id: %s}]
default_rooms: [noc]
people: [{domain: example.com, role: operator}]
notify: [{name: ci, token_env: CI, rooms: noc}]
tracing: {endpoint: "%s", token_env: OTLP}
`, public.Addr(), webexServer.URL, zabbixServer.URL, webexsim.RoomID("noc"), traces.URL), config.Options{Env: func(name string) string {
		return map[string]string{"BOT": webexsim.DefaultBotToken, "SECRET": "secret-0123456789abcdef", "API": zabbixsim.RelayToken, "OTLP": "token-of-the-receiver", "CI": "token-of-ci-0123456789"}[name]
	}})
	require.NoError(t, err)
	cfg.Store.Path = sqlitetest.New(t)
	log := new(testlog.Lines)
	r, err := New(t.Context(), Options{Config: cfg, Log: log.Logger(), Public: public, Admin: admin})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	await := func(from chan string, what string) {
		t.Helper()
		for {
			select {
			case got := <-from:
				if strings.Contains(got, what) {
					return
				}
			case <-time.After(time.Minute):
				t.Fatalf("no %q within a minute\n%s", what, log)
			}
		}
	}
	for range 3 {
		await(hooks, "")
	}

	const sender = "4bf92f3577b34da6a3ce929d0e0e4736"
	id := zabbix.Raise(zabbix.Triggers()[0])
	p, _ := zabbix.Problem(id)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.Addr()+"/v1/zabbix/events", bytes.NewReader(zabbixsim.Payload(p, alert.KindProblem, time.Now())))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer secret-0123456789abcdef")
	req.Header.Set("Traceparent", "00-"+sender+"-00f067aa0ba902b7-01")
	req.Header.Set("Tracestate", "vendor=text-of-a-stranger")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	await(posted, "link down")
	const pipeline = "0af7651916cd43dd8448eb211c80319c"
	req, err = http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.Addr()+"/v1/notify", strings.NewReader(`{"room": "noc", "text": "words-of-a-stranger"}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer token-of-ci-0123456789")
	req.Header.Set("Traceparent", "00-"+pipeline+"-b7ad6b7169203331-01")
	resp, err = (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	await(posted, "words-of-a-stranger")
	_, err = sim.Say(webexsim.Line{Room: "noc", From: "alice@example.com", Text: fmt.Sprintf("ack %d words-of-a-stranger", id), MentionBot: true})
	require.NoError(t, err)
	await(posted, "cknowledged") // the reply

	metrics := httptest.NewRequest(http.MethodGet, "http://"+r.AdminAddr()+"/metrics", nil)
	metrics.RequestURI = ""
	metrics.Header.Set("Accept", "application/openmetrics-text")
	scraped, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(metrics)
	require.NoError(t, err)
	exposition, err := io.ReadAll(scraped.Body)
	require.NoError(t, err)
	require.NoError(t, scraped.Body.Close())
	require.Regexp(t, `alert_relay_delivery_seconds_bucket\{.* # \{trace_id="`+sender+`"\}`, string(exposition))

	event, attributes := traces.await(t, "receive event", "append to journal", "fold", "webex post")
	require.Equal(t, sender, hex.EncodeToString(event["receive event"].TraceId))
	require.Equal(t, "00f067aa0ba902b7", hex.EncodeToString(event["receive event"].ParentSpanId), "the sender's")
	for name, want := range map[string]string{
		"append to journal": "source=main kind=event entry=1",
		"fold":              "source=main event_id=4701 kind=problem entry=1",
		"webex post":        "source=main event_id=4701 room=noc bot=relay op=root reason=new in the room attempt=1",
	} {
		require.Equal(t, want, attributes[name])
		require.Equal(t, event["receive event"].SpanId, event[name].ParentSpanId, name)
	}
	require.Equal(t, "routed", event["fold"].Events[0].Name)

	notice, _ := traces.await(t, "receive notice", "webex post")
	require.Equal(t, pipeline, hex.EncodeToString(notice["receive notice"].TraceId))
	require.Equal(t, "b7ad6b7169203331", hex.EncodeToString(notice["receive notice"].ParentSpanId), "the sender's")

	spans, attributes := traces.await(t, "receive command", "read and decide", "zabbix event.acknowledge", "fold", "command", "webex post")
	for name, want := range map[string]string{
		"read and decide":          "bot=relay attempt=1",
		"zabbix event.acknowledge": "source=main room=noc action=ack attempt=1 event_id=4701",
		"fold":                     `source=main event_id=4701 kind=action entry=\d+`,
		"command":                  "room=noc bot=relay action=ack result=done",
		"webex post":               "room=noc bot=relay op=notice reason=new in the room notice=2 attempt=1",
	} {
		require.Regexp(t, "^"+want+"$", attributes[name])
		require.Equal(t, spans["receive command"].SpanId, spans[name].ParentSpanId, name)
	}

	stop()
	require.NoError(t, <-done)
	traces.mu.Lock()
	defer traces.mu.Unlock()
	require.Equal(t, "Bearer token-of-the-receiver", traces.header.Get("Authorization"))
	for _, text := range []string{"stranger", "link down", "sw-core", "Core switch", "alice", "Alice", "secret-", "token-of"} {
		require.NotContains(t, string(traces.raw), text)
	}
	require.Contains(t, log.String(), "trace="+sender)
}
