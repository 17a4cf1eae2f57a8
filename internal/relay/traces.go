package relay

import (
	"context"
	"time"

	"nms-alert-relay/internal/tracing"
)

func newTracer(ctx context.Context, o Options, m *tracing.Metrics) *tracing.Tracer {
	t := o.Config.Tracing
	return tracing.New(ctx, tracing.Options{
		Endpoint: t.Endpoint, Token: t.Token.Reveal(), Ratio: t.SampleRatio, CAFile: t.HTTP.CAFile, CA: t.HTTP.CA, ProxyURL: t.HTTP.ProxyURL.Reveal(),
		Timeout: time.Duration(t.HTTP.Timeout), Version: o.Version, Env: o.Env, Log: o.Log, Metrics: m,
	})
}

// lastSpans bounds how long a stop waits for the last spans to be exported.
const lastSpans = 5 * time.Second

// stopTracing exports the spans that have ended.
func (r *Relay) stopTracing() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
	defer cancel()
	return r.tracer.Shutdown(ctx)
}
