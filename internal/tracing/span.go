package tracing

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"nms-alert-relay/internal/store"
)

// Span is one step of the relay's work. A nil Span ignores everything.
type Span struct{ span trace.Span }

// About says what a span is about. Zero fields are left out.
type About struct {
	Source   string
	EventID  string
	EventIDs []string // of a call about several
	Kind     string   // of an event, or of a journal entry
	Entry    int64    // of the journal
	Room     string   // its configured name
	Route    string
	Bot      string
	Op       string // of a call to Webex
	Reason   string // for that call
	Group    int64
	Message  string // Webex's id
	Command  string // Webex's id of the message or press
	Action   string // of a command
	Notice   int64
	Sender   string // of a notice
	Attempt  int    // from 1
	Result   string
}

// maxEventIDs bounds a span that is about many events.
const maxEventIDs = 20

func (a About) attributes() (list []attribute.KeyValue) {
	if strings.Contains(a.Room, "@") {
		a.Room = "direct chat" // a person's address stays here
	}
	for _, f := range [...]struct{ key, value string }{
		{"source", a.Source}, {"event_id", a.EventID}, {"kind", a.Kind}, {"room", a.Room}, {"route", a.Route}, {"bot", a.Bot}, {"op", a.Op},
		{"reason", a.Reason}, {"message", a.Message}, {"command", a.Command}, {"action", a.Action}, {"sender", a.Sender}, {"result", a.Result},
	} {
		if f.value != "" {
			list = append(list, attribute.String("relay."+f.key, f.value))
		}
	}
	for _, f := range [...]struct {
		key   string
		value int64
	}{{"entry", a.Entry}, {"group", a.Group}, {"notice", a.Notice}, {"attempt", int64(a.Attempt)}} {
		if f.value != 0 {
			list = append(list, attribute.Int64("relay."+f.key, f.value))
		}
	}
	switch n := len(a.EventIDs); {
	case n == 1:
		list = append(list, attribute.String("relay.event_id", a.EventIDs[0]))
	case n > 1:
		list = append(list, attribute.StringSlice("relay.event_id", a.EventIDs[:min(n, maxEventIDs)]), attribute.Int("relay.events", n))
	}
	return list
}

// sameTrace is how long after its cause a span is part of the cause's trace. A later one begins a trace of its own with a link:
// backends and their samplers don't wait for hours.
const sameTrace = time.Minute

// relate returns the parent of a span that begins at a time, and its links.
func relate(causes []store.Cause, at time.Time) (parent trace.SpanContext, links []trace.Link) {
	for _, c := range causes {
		switch sc := parse(c.Trace); {
		case !sc.IsValid():
		case !parent.IsValid() && at.Sub(c.At) <= sameTrace:
			parent = sc
		default:
			links = append(links, trace.Link{SpanContext: sc})
		}
	}
	return parent, links
}

const traceparent = "traceparent"

// parse reads a W3C traceparent; the result is invalid if the text is. A sender's tracestate is ignored.
func parse(text string) trace.SpanContext {
	if text == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparent: text})
	return trace.SpanContextFromContext(ctx)
}

// format is the inverse of parse.
func format(sc trace.SpanContext) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), sc), carrier)
	return carrier[traceparent]
}

// Receive begins the span of a request that was authorised. header may have its sender's traceparent; nil if the sender isn't to
// be believed. The span is in the context that it returns, so that what is stored with that context continues its trace.
func (t *Tracer) Receive(ctx context.Context, name string, header http.Header, at time.Time, a About) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	parent := trace.ContextWithRemoteSpanContext(ctx, parse(header.Get(traceparent)))
	ctx, span := t.tracer.Start(parent, name, trace.WithTimestamp(at), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(a.attributes()...))
	return ctx, &Span{span}
}

// Begin begins a span that has causes, or none.
func (t *Tracer) Begin(name string, at time.Time, a About, causes ...store.Cause) *Span {
	if t == nil {
		return nil
	}
	return t.begin(name, trace.SpanKindInternal, at, a, causes)
}

// Call begins the span of a call to a neighbour.
func (t *Tracer) Call(name string, at time.Time, a About, causes ...store.Cause) *Span {
	if t == nil {
		return nil
	}
	return t.begin(name, trace.SpanKindClient, at, a, causes)
}

func (t *Tracer) begin(name string, kind trace.SpanKind, at time.Time, a About, causes []store.Cause) *Span {
	parent, links := relate(causes, at)
	_, span := t.tracer.Start(trace.ContextWithRemoteSpanContext(context.Background(), parent), name,
		trace.WithTimestamp(at), trace.WithSpanKind(kind), trace.WithLinks(links...), trace.WithAttributes(a.attributes()...))
	return &Span{span}
}

// Set adds what became known during the span.
func (s *Span) Set(a About) {
	if s != nil {
		s.span.SetAttributes(a.attributes()...)
	}
}

// Event adds a moment to the span.
func (s *Span) Event(name string, a About) {
	if s != nil {
		s.span.AddEvent(name, trace.WithAttributes(a.attributes()...))
	}
}

// LinkTo links to another span.
func (s *Span) LinkTo(other *Span) {
	if s != nil && other != nil {
		s.span.AddLink(trace.Link{SpanContext: other.span.SpanContext()})
	}
}

// End ends the span. failure is a word for what failed, "" for success.
func (s *Span) End(failure string) { s.EndAt(time.Time{}, failure) }

// EndAt ends the span at a time; zero for now.
func (s *Span) EndAt(at time.Time, failure string) {
	if s == nil {
		return
	}
	if failure != "" {
		s.span.SetStatus(codes.Error, failure)
	}
	if at.IsZero() {
		at = time.Now()
	}
	s.span.End(trace.WithTimestamp(at))
}

// Trace is the span as a traceparent; "" for none.
func (s *Span) Trace() string {
	if s == nil {
		return ""
	}
	return format(s.span.SpanContext())
}

// TraceID is the id of the span's trace, for the log; "" for none.
func (s *Span) TraceID() string { return ID(s.Trace()) }

// Observe records a value in a histogram, with the trace as its exemplar if it is sampled.
func (s *Span) Observe(o prometheus.Observer, value float64) {
	if e, ok := o.(prometheus.ExemplarObserver); ok && s != nil && s.span.SpanContext().IsSampled() {
		e.ObserveWithExemplar(value, prometheus.Labels{"trace_id": s.span.SpanContext().TraceID().String()})
		return
	}
	o.Observe(value)
}

// ID returns the trace id in a traceparent, for the log; "" for none.
func ID(text string) string {
	if sc := parse(text); sc.IsValid() {
		return sc.TraceID().String()
	}
	return ""
}
