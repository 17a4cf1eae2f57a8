package delivery

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
)

const (
	intake  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	traceOf = "4bf92f3577b34da6a3ce929d0e0e4736"
)

// keeper keeps its spans when it is shut down.
type keeper struct{ *tracetest.InMemoryExporter }

func (keeper) Shutdown(context.Context) error { return nil }

// inTrace runs a story in which new posts have a cause, and returns the spans.
func inTrace(t *testing.T, story func(w *world)) (spans tracetest.SpanStubs) {
	return inTraceOf(t, func(*Options) {}, story)
}

// inTraceOf does so with other options.
func inTraceOf(t *testing.T, set func(*Options), story func(w *world)) (spans tracetest.SpanStubs) {
	exporter := tracetest.NewInMemoryExporter()
	inWorld(t, func(o *Options) {
		set(o)
		o.Trace = tracing.New(context.Background(), tracing.Options{
			Exporter: keeper{exporter}, Ratio: 1, Log: slog.New(slog.DiscardHandler), Metrics: tracing.NewMetrics(prometheus.NewRegistry()),
		})
	}, func(t *testing.T, w *world) {
		w.store.set(func() { w.store.causes = []store.Cause{{Trace: intake, At: time.Now()}} })
		story(w)
		w.stop()
		require.NoError(t, w.opts.Trace.Shutdown(context.Background()))
	})
	return exporter.GetSpans()
}

func valueOf(s tracetest.SpanStub, key attribute.Key) string {
	i := slices.IndexFunc(s.Attributes, func(a attribute.KeyValue) bool { return a.Key == key })
	if i < 0 {
		return ""
	}
	return s.Attributes[i].Value.String()
}

// Each call for a problem is in the trace of its event, with its attempt and result. After an outage of an hour, the calls
// have traces of their own, which link to the event's.
func TestCallsAreInTheTraceOfTheirEvent(t *testing.T) {
	refused := 2
	spans := inTrace(t, func(w *world) {
		w.webex.set(func(f *fakeWebex) {
			f.meet = func(aCall) *trouble {
				if refused--; refused >= 0 {
					return &trouble{status: 400 + 29}
				}
				return nil
			}
		})
		w.fold(1, nil, "noc")
		w.pass(time.Minute)
	})
	require.Equal(t, "1", valueOf(spans[0], "relay.attempt"))
	for _, s := range spans[:2] {
		require.Equal(t, "webex post", s.Name)
		require.Equal(t, "rate_limited", s.Status.Description)
	}
	require.Empty(t, spans[2].Status.Description)
	require.Equal(t, []string{"1", "main", "noc", "root"}, []string{valueOf(spans[2], "relay.event_id"), valueOf(spans[2], "relay.source"), valueOf(spans[2], "relay.room"), valueOf(spans[2], "relay.op")})
	for _, s := range spans {
		require.Equal(t, traceOf, s.SpanContext.TraceID().String())
	}

	spans = inTrace(t, func(w *world) {
		w.webex.set(func(f *fakeWebex) { f.meet = func(aCall) *trouble { return &trouble{status: 503} } })
		w.fold(1, nil, "noc")
		w.pass(time.Hour)
		w.webex.set(func(f *fakeWebex) { f.meet = nil })
		w.pass(5 * time.Minute)
	})
	last := spans[len(spans)-1]
	require.Empty(t, last.Status.Description)
	require.NotEqual(t, traceOf, last.SpanContext.TraceID().String())
	require.Equal(t, traceOf, last.Links[0].SpanContext.TraceID().String())
}

// A problem that a digest shows has that in its trace, with a link to the call.
func TestADigestIsInTheTracesOfItsProblems(t *testing.T) {
	spans := inTrace(t, func(w *world) {
		w.rain(0, 8, nil)
		w.pass(5 * time.Second)
	})
	var call tracetest.SpanStub
	shown := map[string]bool{}
	for _, s := range spans {
		switch s.Name {
		case "webex post":
			call = s
		case "shown in digest":
			shown[valueOf(s, "relay.event_id")] = true
			require.Equal(t, traceOf, s.SpanContext.TraceID().String())
			require.Len(t, s.Links, 1)
			require.Equal(t, call.SpanContext.SpanID(), s.Links[0].SpanContext.SpanID())
		}
	}
	require.Len(t, shown, 8)
	require.Equal(t, "1", valueOf(call, "relay.group"))
}
