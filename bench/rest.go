package main

import (
	"context"
	"errors"
	"time"

	"nms-alert-relay/internal/simulator/webexsim"
)

// starts is how often both are started; the median counts.
const starts = 5

// rest measures how long the relay takes to start, and its memory at rest.
func (b *bench) rest(ctx context.Context) error {
	w, err := newWorld(webexsim.Options{}, 0)
	if err != nil {
		return err
	}
	defer w.close()
	var mine, other, otherMemory []float64
	held := 0.0
	for range starts {
		theirs, err := b.startReference(ctx)
		if err != nil {
			return err
		}
		m, err := theirs.metrics()
		if err := errors.Join(err, theirs.stop()); err != nil {
			return err
		}
		other, otherMemory = append(other, milliseconds(theirs.start)), append(otherMemory, m[residentBytes]/(1<<20))
	}
	for range starts {
		// The first start creates the store.
		start, m, err := b.startOnce(ctx, w, "rest")
		if err != nil {
			return err
		}
		mine, held = append(mine, start), m[residentBytes]/(1<<20)
	}
	b.report.add("start until ready, with an empty store", "ms", median(mine)).beside(median(other), "the bare gin handler's")
	b.report.add("resident memory at rest", "MiB", held).beside(median(otherMemory), "the bare gin handler's").atMost(60)
	return nil
}

// startOnce starts a relay and stops it a second later, when the work after the start is done. It returns the milliseconds until it
// was ready, and its metrics.
func (b *bench) startOnce(ctx context.Context, w *world, name string) (start float64, m map[string]float64, err error) {
	ours, err := b.startRelay(ctx, name, w.webexURL, w.zabbixURL, "", "")
	if err != nil {
		return 0, nil, err
	}
	_ = sleep(ctx, time.Second) // the metrics are read in any case
	m, err = ours.metrics()
	return milliseconds(ours.start), m, errors.Join(err, ours.stop())
}
