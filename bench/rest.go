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
	var mine, other, myMemory, otherMemory []float64
	for range starts {
		theirs, err := b.startReference(ctx)
		if err != nil {
			return err
		}
		u, err := theirs.usage()
		if err := errors.Join(err, theirs.stop()); err != nil {
			return err
		}
		other, otherMemory = append(other, milliseconds(theirs.start)), append(otherMemory, u.RSS/(1<<20))
	}
	for i := range starts {
		// The first start creates the store.
		ours, err := b.startRelay(ctx, "rest", w.webexURL, w.zabbixURL, "", "")
		if err != nil {
			return err
		}
		if i == starts-1 {
			select {
			case <-time.After(time.Second): // work after the start is done by then
			case <-ctx.Done():
			}
		}
		m, err := ours.metrics()
		if err := errors.Join(err, ours.stop()); err != nil {
			return err
		}
		mine, myMemory = append(mine, milliseconds(ours.start)), append(myMemory, m["process_resident_memory_bytes"]/(1<<20))
	}
	b.report.add("start until ready, with an empty store", "ms", quantile(mine, .5), quantile(other, .5), "the bare gin handler's")
	b.report.add("resident memory at rest", "MiB", myMemory[starts-1], quantile(otherMemory, .5), "the bare gin handler's").atMost(60)
	return nil
}
