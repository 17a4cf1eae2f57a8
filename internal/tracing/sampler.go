package tracing

import (
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// sampler follows the decision of the parent, or else of any linked span: what continues hours later is sampled if its intake was.
// Only a span with neither is decided on by root.
type sampler struct{ root sdk.Sampler }

// ShouldSample implements sdk.Sampler.
func (s sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	if !parent.IsValid() && len(p.Links) == 0 {
		return s.root.ShouldSample(p)
	}
	sampled := parent.IsSampled()
	for _, l := range p.Links {
		sampled = sampled || !parent.IsValid() && l.SpanContext.IsSampled()
	}
	if sampled {
		return sdk.SamplingResult{Decision: sdk.RecordAndSample}
	}
	return sdk.SamplingResult{Decision: sdk.Drop}
}

// Description implements sdk.Sampler.
func (s sampler) Description() string { return "Linked{" + s.root.Description() + "}" }
