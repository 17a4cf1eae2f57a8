package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/memory"
	"nms-alert-relay/internal/testlog"
)

const (
	sampled  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	dropped  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	another  = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	traceOf  = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentOf = "00f067aa0ba902b7"
)

// newTestTracer returns a tracer, and a function that ends it and returns its spans.
func newTestTracer(t testing.TB, ratio float64) (*Tracer, func() tracetest.SpanStubs) {
	exporter := tracetest.NewInMemoryExporter()
	keep := &keeper{InMemoryExporter: exporter}
	tracer := New(context.Background(), Options{Exporter: keep, Ratio: ratio, Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry())})
	return tracer, func() tracetest.SpanStubs {
		require.NoError(t, tracer.Shutdown(context.Background()))
		return exporter.GetSpans()
	}
}

// keeper keeps its spans when it is shut down.
type keeper struct{ *tracetest.InMemoryExporter }

func (keeper) Shutdown(context.Context) error { return nil }

var now = time.Date(2026, 11, 24, 13, 51, 51, 0, time.UTC)

// Soon after its cause, a span is part of the cause's trace. Later it begins a trace of its own, with a link.
func TestSpansLinkToTheIntakeHoursLater(t *testing.T) {
	cause := func(trace string, ago time.Duration) store.Cause { return store.Cause{Trace: trace, At: now.Add(-ago)} }
	for name, c := range map[string]struct {
		causes []store.Cause
		parent bool
		links  int
	}{
		"none":                     {nil, false, 0},
		"a moment ago":             {[]store.Cause{cause(sampled, time.Second)}, true, 0},
		"an hour ago":              {[]store.Cause{cause(sampled, time.Hour)}, false, 1},
		"two, a moment ago":        {[]store.Cause{cause(sampled, time.Second), cause(another, 0)}, true, 1},
		"an hour and a moment ago": {[]store.Cause{cause(another, time.Hour), cause(sampled, 0)}, true, 1},
		"not a traceparent":        {[]store.Cause{cause("00-zz", 0), cause("", 0)}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tracer, spans := newTestTracer(t, 1)
			tracer.Begin("fold", now, About{EventID: "4711"}, c.causes...).End("")
			span := spans()[0]
			require.Equal(t, c.parent, span.SpanContext.TraceID().String() == traceOf)
			require.Equal(t, c.parent, span.Parent.SpanID().String() == parentOf)
			require.Len(t, span.Links, c.links)
			require.Equal(t, now, span.StartTime)
		})
	}
}

// What follows an intake is sampled as the intake was, also when it only links to it. The ratio decides about the rest.
func TestSampling(t *testing.T) {
	for name, c := range map[string]struct {
		ratio float64
		trace string
		ago   time.Duration
		want  int
	}{
		"nothing before, all":  {ratio: 1, want: 1},
		"nothing before, none": {ratio: 0, want: 0},
		"sampled":              {0, sampled, 0, 1},
		"not sampled":          {1, dropped, 0, 0},
		"sampled, long ago":    {0, sampled, time.Hour, 1},
		"dropped, long ago":    {1, dropped, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tracer, spans := newTestTracer(t, c.ratio)
			tracer.Begin("fold", now, About{}, store.Cause{Trace: c.trace, At: now.Add(-c.ago)}).End("")
			require.Len(t, spans(), c.want)
		})
	}
	// A trace is kept whole or not at all: a link doesn't count beside a parent.
	tracer, spans := newTestTracer(t, 0)
	tracer.Begin("fold", now, About{}, store.Cause{Trace: dropped, At: now}, store.Cause{Trace: sampled, At: now.Add(-time.Hour)}).End("")
	require.Empty(t, spans())
}

// An entry keeps the trace of the request that it came with, as continued by the relay.
func TestTheJournalKeepsTheTrace(t *testing.T) {
	tracer, spans := newTestTracer(t, 1)
	s := Store(memory.New(nil), tracer)
	header := http.Header{}
	header.Set("traceparent", sampled)
	header.Set("tracestate", "vendor=stranger")
	ctx, span := tracer.Receive(t.Context(), "receive event", header, now, About{})
	_, err := s.Append(ctx, store.Entry{Source: "main", Payload: []byte("a")})
	require.NoError(t, err)
	_, err = s.AddNotice(ctx, store.Notice{Room: "noc", Text: "done"})
	require.NoError(t, err)
	span.End("")
	_, err = s.Append(t.Context(), store.Entry{Source: "main", Payload: []byte("nobody sent it")})
	require.NoError(t, err)

	entries, err := s.Entries(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Equal(t, traceOf, ID(entries[0].Trace))
	require.NotEqual(t, sampled, entries[0].Trace, "the relay's span is the parent")
	require.NotEqual(t, traceOf, ID(entries[1].Trace))
	require.NotEmpty(t, ID(entries[1].Trace))
	notices, err := s.PendingNotices(t.Context())
	require.NoError(t, err)
	require.Equal(t, entries[0].Trace, notices[0].Trace)
	for _, s := range spans() {
		require.Zero(t, s.SpanContext.TraceState().Len(), "a sender's tracestate is ignored")
		if s.Name == "append to journal" && s.SpanContext.TraceID().String() == traceOf {
			require.Equal(t, parse(entries[0].Trace).SpanID(), s.Parent.SpanID())
		}
	}
}

// Tracing is off without an endpoint. The environment's variables work as OpenTelemetry specifies.
func TestEndpoint(t *testing.T) {
	const base, traces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	const protocol, tracesProtocol = "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	for name, c := range map[string]struct {
		configured string
		env        map[string]string
		want, err  string
	}{
		"none":                       {},
		"configured":                 {configured: "http://a:4318", want: "http://a:4318/v1/traces"},
		"configured with its path":   {configured: "http://a:4318/v1/traces", want: "http://a:4318/v1/traces"},
		"configured below a path":    {configured: "https://a/otlp", want: "https://a/otlp/v1/traces"},
		"configured and environment": {configured: "http://a:4318", env: map[string]string{base: "http://b:4318"}, want: "http://a:4318/v1/traces"},
		"environment":                {env: map[string]string{base: "http://b:4318/"}, want: "http://b:4318/v1/traces"},
		"environment, for traces":    {env: map[string]string{base: "http://b:4318", traces: "http://c:4318/x"}, want: "http://c:4318/x"},
		"disabled":                   {configured: "http://a:4318", env: map[string]string{"OTEL_SDK_DISABLED": "true"}},
		"another exporter":           {env: map[string]string{base: "http://b:4318", "OTEL_TRACES_EXPORTER": "none"}},
		"not a URL":                  {env: map[string]string{base: "collector:4317"}, err: `environment variable OTEL_EXPORTER_OTLP_ENDPOINT: invalid URL`},
		"not a URL, with a password": {env: map[string]string{base: "ftp://user:hunter2@b"}, err: `invalid URL "ftp://***@b/v1/traces"`},
		"gRPC":                       {env: map[string]string{base: "http://b:4317", protocol: "grpc"}, err: "usually 4318"},
		"gRPC, for traces":           {env: map[string]string{base: "http://b:4317", protocol: "http/protobuf", tracesProtocol: "grpc"}, err: tracesProtocol},
		"gRPC, but not for traces":   {env: map[string]string{base: "http://b:4318", protocol: "grpc", tracesProtocol: "http/protobuf"}, want: "http://b:4318/v1/traces"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := endpoint(c.configured, func(name string) string { return c.env[name] })
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	tracer := New(t.Context(), Options{})
	require.Nil(t, tracer)
	s := memory.New(nil)
	require.Equal(t, store.Store(s), Store(s, tracer))
}

// What a platform puts into the environment of each process can't stop the relay: a faulty value is a warning, and there are no traces.
func TestFaultyEnvironmentTurnsTracingOff(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"endpoint":    {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
		"protocol":    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
		"certificate": {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:1", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/missing/ca.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(testlog.Lines)
			require.Nil(t, New(t.Context(), Options{Log: log.Logger(), Ratio: 1, Metrics: NewMetrics(prometheus.NewRegistry()), Env: func(name string) string { return env[name] }}))
			require.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
			require.Contains(t, log.String(), "tracing is off")
		})
	}
}

// The headers of the environment are sent beside the configured token, which wins over theirs.
func TestHeaders(t *testing.T) {
	const all, traces = "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
	for name, c := range map[string]struct {
		token string
		env   map[string]string
		want  map[string]string
	}{
		"none":            {want: map[string]string{}},
		"a token":         {token: "x", want: map[string]string{"Authorization": "Bearer x"}},
		"both":            {token: "x", env: map[string]string{all: "api-key=a%20b, tenant = one"}, want: map[string]string{"Authorization": "Bearer x", "Api-Key": "a b", "Tenant": "one"}},
		"two credentials": {token: "x", env: map[string]string{all: "authorization=Basic%20y"}, want: map[string]string{"Authorization": "Bearer x"}},
		"for traces":      {env: map[string]string{all: "a=1,b=2", traces: "c=3"}, want: map[string]string{"C": "3"}},
		"not headers":     {env: map[string]string{all: "a b=1,c=%0A,d,=e,f=%zz"}, want: map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, headers(Options{Token: c.token, Env: func(name string) string { return c.env[name] }}))
		})
	}
}

// A redirect isn't followed: its target would get the credentials and the spans.
func TestExportFollowsNoRedirect(t *testing.T) {
	var reached atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer elsewhere.Close()
	var key atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key.Store(r.Header.Get("Api-Key"))
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	metrics := NewMetrics(prometheus.NewRegistry())
	tracer := New(t.Context(), Options{Endpoint: server.URL, Token: "token-of-the-receiver", Ratio: 1, Log: slog.New(slog.DiscardHandler), Metrics: metrics, Env: func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "api-key=key-of-the-tenant"}[name]
	}})
	tracer.Begin("fold", now, About{}).End("")
	require.NoError(t, tracer.Shutdown(t.Context()))
	require.Equal(t, "key-of-the-tenant", key.Load())
	require.False(t, reached.Load())
	require.InDelta(t, 1, testutil.ToFloat64(metrics.spans.WithLabelValues(spansLost)), 0)
}

// An endpoint that refuses costs one line a minute, without secrets, and a count.
func TestExportErrorsAreLoggedOnceAMinuteWithoutSecrets(t *testing.T) {
	answered := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, "refused %s\nand %s "+strings.Repeat("x", 1000), r.Header.Get("Authorization"), r.Header.Get("Api-Key"))
		answered <- struct{}{}
	}))
	defer server.Close()
	log, reg := new(testlog.Lines), prometheus.NewRegistry()
	m := NewMetrics(reg)
	for range 2 { // each ends with an export
		tracer := New(t.Context(), Options{
			Endpoint: strings.Replace(server.URL, "http://", "http://user:hunter2@", 1), Token: "token-of-the-receiver", Ratio: 1, Log: log.Logger(), Metrics: m,
			Env: func(name string) string {
				return map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "api-key=key%20of%20the%20tenant"}[name]
			},
		})
		for range 3 {
			tracer.Begin("fold", now, About{}).End("")
			require.NoError(t, tracer.provider.ForceFlush(t.Context()))
			<-answered
		}
		require.NoError(t, tracer.Shutdown(t.Context()))
	}
	text := log.String()
	require.Equal(t, 2, strings.Count(text, "cannot export traces"), "once a minute and tracer:\n%s", text)
	require.Contains(t, text, "403")
	for _, secret := range []string{"hunter2", "token-of", "key of", "key%20of"} {
		require.NotContains(t, text, secret)
	}
	require.Less(t, len(text), 2000)
	require.InDelta(t, 6, testutil.ToFloat64(m.spans.WithLabelValues(spansLost)), 0)
	require.Zero(t, testutil.ToFloat64(m.spans.WithLabelValues(spansExported)))
}

// Spans that end faster than the endpoint accepts them are lost beyond the queue. They are counted, and logged once a minute.
func TestSpansBeyondTheQueueAreCounted(t *testing.T) {
	exporter := &slow{released: make(chan struct{})}
	metrics, log := NewMetrics(prometheus.NewRegistry()), new(testlog.Lines)
	tracer := New(t.Context(), Options{Exporter: exporter, Ratio: 1, Log: log.Logger(), Metrics: metrics})
	const ended = 40000
	const beyond = ended - queueSize
	for range ended {
		tracer.Begin("fold", now, About{}).End("")
	}
	require.EqualValues(t, beyond, testutil.ToFloat64(metrics.spans.WithLabelValues(spansLost)))
	require.Equal(t, 1, strings.Count(log.String(), "cannot export traces fast enough"))
	close(exporter.released)
	require.NoError(t, tracer.provider.ForceFlush(t.Context()))
	tracer.Begin("fold", now, About{}).End("")
	require.NoError(t, tracer.Shutdown(t.Context()))
	require.EqualValues(t, queueSize+1, testutil.ToFloat64(metrics.spans.WithLabelValues(spansExported)))
}

// slow exports nothing until it is released.
type slow struct{ released chan struct{} }

func (s *slow) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { <-s.released; return nil }
func (s *slow) Shutdown(context.Context) error                        { return nil }

// A person's address doesn't leave the relay, and a call about many events names a few.
func TestAttributes(t *testing.T) {
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	list := About{Room: "person:alice@example.com", EventIDs: ids, Attempt: 2}.attributes()
	got := map[string]string{}
	for _, a := range list {
		got[string(a.Key)] = a.Value.String()
	}
	require.Equal(t, "direct chat", got["relay.room"])
	require.Equal(t, "100", got["relay.events"])
	require.Equal(t, "2", got["relay.attempt"])
	require.Equal(t, maxEventIDs-1, strings.Count(got["relay.event_id"], ","))
	require.Empty(t, About{}.attributes())
}

// While tracing is off, nothing is allocated.
func TestOffAllocatesNothing(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() { work(nil) }))
	tracer, spans := newTestTracer(t, 1)
	work(tracer)
	require.Len(t, spans(), 3)
}

var (
	header    = http.Header{"Traceparent": {sampled}}
	histogram = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "seconds", Help: "."})
	errStore  = errors.New("busy")
)

// work is what the relay does for an event, without the work.
func work(tracer *Tracer) {
	about := About{Source: "main", EventID: "4711", Room: "noc"}
	_, span := tracer.Receive(context.Background(), "receive event", header, now, about)
	span.Set(about)
	span.End(failed(errStore))
	fold := tracer.Begin("fold", now, about)
	fold.Event("routed", about)
	fold.EndAt(now, "")
	call := tracer.Call("webex post", now, about)
	call.LinkTo(span)
	call.EndAt(now, "")
	call.Observe(histogram, 1)
	_ = call.TraceID()
}

// The cost for each event while tracing is off, and while it is on.
func BenchmarkOff(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		work(nil)
	}
}

func BenchmarkOn(b *testing.B) {
	tracer, spans := newTestTracer(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		work(tracer)
	}
	b.StopTimer()
	spans()
}
