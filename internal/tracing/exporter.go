package tracing

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"nms-alert-relay/internal/logging"
	"nms-alert-relay/internal/text"
)

// Values of the metric's label.
const (
	spansExported = "exported"
	spansLost     = "lost"
)

// reporter counts exported and lost spans, and logs losses once a minute.
type reporter struct {
	next    sdk.SpanExporter
	errs    *logging.Limited
	hide    []string
	spans   *prometheus.CounterVec
	waiting atomic.Int64 // ended spans that ExportSpans hasn't had yet
}

// bounded is a queue of spans before the SDK's, of the same size. The SDK's drops what doesn't fit without saying so; this one counts it.
type bounded struct {
	sdk.SpanProcessor
	r *reporter
}

// OnEnd implements sdk.SpanProcessor.
func (b bounded) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if b.r.waiting.Add(1) > queueSize {
		b.r.waiting.Add(-1)
		b.r.spans.WithLabelValues(spansLost).Inc()
		b.r.errs.Warn("queue", "cannot export traces fast enough: these spans are lost, nothing else is affected", "waiting", queueSize)
		return
	}
	b.SpanProcessor.OnEnd(s)
}

// ExportSpans implements sdk.SpanExporter. Failures are dealt with here: the SDK only logs them.
func (r *reporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	defer r.waiting.Add(-int64(len(spans)))
	if err := r.next.ExportSpans(ctx, spans); err != nil {
		r.spans.WithLabelValues(spansLost).Add(float64(len(spans)))
		r.errs.Warn("export", "cannot export traces: these spans are lost, nothing else is affected", "spans", len(spans), "error", redact(err, r.hide))
		return nil
	}
	r.spans.WithLabelValues(spansExported).Add(float64(len(spans)))
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (r *reporter) Shutdown(ctx context.Context) error { return r.next.Shutdown(ctx) }

// maxError bounds an error in the log: it may quote the answer of whatever listens at the endpoint.
const maxError = 300

var urlPattern = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"']+`)

// redact returns an error in one line, without secrets.
func redact(err error, secrets []string) string {
	message := urlPattern.ReplaceAllStringFunc(err.Error(), redactURL)
	for _, s := range secrets {
		message = strings.ReplaceAll(message, s, "***")
	}
	return text.Shorten(text.Line(message), maxError)
}

// minSecret is the shortest value that is removed from errors: a shorter one could be any word.
const minSecret = 6

// secrets returns the values that an error must not show: the token, and the headers of the environment.
func secrets(o Options) (found []string) {
	values := []string{o.Token}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} {
		for pair := range strings.SplitSeq(o.Env(name), ",") {
			_, value, _ := strings.Cut(pair, "=")
			decoded, err := url.PathUnescape(value)
			if err == nil {
				values = append(values, strings.TrimSpace(decoded))
			}
			values = append(values, strings.TrimSpace(value), strings.TrimSpace(pair))
		}
	}
	for _, v := range values {
		v = strings.TrimPrefix(v, "Bearer ")
		if len(v) >= minSecret {
			found = append(found, v)
		}
	}
	return found
}
