// Package tracing makes OpenTelemetry spans of what the relay does with an event, a message or a command, and exports them by
// OTLP/HTTP. It is off unless an endpoint is configured: then every Tracer and Span is nil, and their methods do nothing.
//
// Spans have names and ids of the relay, of Zabbix and of Webex as attributes, and no text that others wrote.
package tracing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/logging"
)

// Options configure a Tracer.
type Options struct {
	Endpoint string // base URL of an OTLP/HTTP receiver; "" for that of the environment
	Token    string // bearer token; "" for none
	Ratio    float64
	CAFile   string
	CA       []byte // its content
	ProxyURL string
	Timeout  time.Duration
	Version  string // of the relay
	Env      func(name string) string
	Log      *slog.Logger
	Metrics  *Metrics
	// Exporter replaces the exporter to the endpoint, for tests.
	Exporter sdk.SpanExporter
}

// Metrics count exported spans.
type Metrics struct{ spans *prometheus.CounterVec }

// NewMetrics creates and registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{spans: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_trace_spans_total",
		Help: "Spans that were exported to the endpoint of tracing, and those lost because it did not accept them or was too slow.",
	}, []string{"result"})}
	for _, result := range []string{spansExported, spansLost} {
		m.spans.WithLabelValues(result)
	}
	reg.MustRegister(m.spans)
	return m
}

// Tracer begins spans. A nil Tracer begins none.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// queueSize is how many ended spans wait for the exporter: a storm of some thousand problems ends in seconds. Spans beyond it are
// lost.
const queueSize = 16384

// New makes a Tracer; nil if neither the configuration nor the environment has an endpoint. An endpoint that can't be used, such as one
// that a platform puts into every environment, is a warning and no traces: a relay without traces is better than none.
func New(ctx context.Context, o Options) *Tracer {
	if o.Env == nil {
		o.Env = func(string) string { return "" }
	}
	off := func(err error) *Tracer {
		o.Log.Warn("tracing is off, nothing else is affected", "error", redact(err, secrets(o)))
		return nil
	}
	address, err := endpoint(o.Endpoint, o.Env)
	if err != nil {
		return off(err)
	}
	if address == "" && o.Exporter == nil {
		return nil
	}
	errs := logging.NewLimited(o.Log, time.Minute)
	hide := secrets(o)
	// Both are of the whole process. The SDK's own log could quote headers of the environment.
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { errs.Warn("sdk", "tracing failed", "error", redact(err, hide)) }))
	next := o.Exporter
	if next == nil {
		if next, err = exporter(ctx, address, o); err != nil {
			return off(err)
		}
		o.Log.Info("tracing is on", "endpoint", redactURL(address), "sample_ratio", o.Ratio)
	}
	// The environment's OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
	from, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "alert-relay"), attribute.String("service.version", o.Version)), resource.WithFromEnv())
	if err != nil {
		errs.Warn("sdk", "cannot read the resource attributes of the environment", "error", redact(err, hide))
	}
	r := &reporter{next: next, errs: errs, hide: hide, spans: o.Metrics.spans}
	provider := sdk.NewTracerProvider(
		sdk.WithResource(from), sdk.WithSampler(sampler{sdk.TraceIDRatioBased(o.Ratio)}),
		sdk.WithSpanProcessor(bounded{sdk.NewBatchSpanProcessor(r, sdk.WithMaxQueueSize(queueSize)), r}),
	)
	return &Tracer{provider, provider.Tracer("nms-alert-relay/internal/tracing", trace.WithInstrumentationVersion(o.Version))}
}

func exporter(ctx context.Context, address string, o Options) (sdk.SpanExporter, error) {
	transport, err := httpclient.New(httpclient.Options{
		ProxyURL: o.ProxyURL, Key: "tracing.endpoint", CA: o.CA,
		CAFile: cmp.Or(o.CAFile, o.Env("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"), o.Env("OTEL_EXPORTER_OTLP_CERTIFICATE")),
	})
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport: transport, Timeout: cmp.Or(o.Timeout, 10*time.Second),
		// The address that a redirect leads to would get the headers and the spans.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(address), otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithHTTPClient(client), otlptracehttp.WithHeaders(headers(o)))
}

// Shutdown exports the spans that have ended. ctx bounds it.
func (t *Tracer) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("tracing: %w", err)
	}
	return nil
}
