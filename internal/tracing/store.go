package tracing

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"

	"nms-alert-relay/internal/store"
)

// Store returns a Store that keeps the trace of the context with each entry and notice, and makes a span of each append.
// Without a tracer it is the same Store.
func Store(s store.Store, t *Tracer) store.Store {
	if t == nil {
		return s
	}
	return traced{s, t}
}

type traced struct {
	store.Store
	tracer *Tracer
}

// Of returns the trace that a context is part of; "" for none.
func Of(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		return format(sc)
	}
	return ""
}

// Append implements store.Store. An entry that nobody sent, such as an answer of Zabbix's API, begins a trace.
func (s traced) Append(ctx context.Context, e store.Entry) (int64, error) {
	if e.Trace == "" {
		e.Trace = Of(ctx)
	}
	began := time.Now()
	span := s.tracer.Begin("append to journal", began, About{Source: e.Source, Kind: string(e.Kind)}, store.Cause{Trace: e.Trace, At: began})
	if e.Trace == "" {
		e.Trace = span.Trace()
	}
	id, err := s.Store.Append(ctx, e)
	span.Set(About{Entry: id})
	span.End(failed(err))
	return id, err
}

// AddNotice implements store.Store.
func (s traced) AddNotice(ctx context.Context, n store.Notice) (int64, error) {
	if n.Trace == "" {
		n.Trace = Of(ctx)
	}
	return s.Store.AddNotice(ctx, n)
}

// failed is a word for an error of the store; "" for none.
func failed(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, store.ErrBusy):
		return "busy"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "given up"
	}
	return "store"
}
