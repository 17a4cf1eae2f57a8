package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nms-alert-relay/internal/simulator/webexsim"
)

// memory measures the cost of many stored problems: start time, memory, and processor time per event.
func (b *bench) memory(ctx context.Context) error {
	if err := b.manyOpen(ctx); err != nil {
		return err
	}
	if !b.big {
		b.logf("without -big, the fold with a million stored problems is not measured")
		return nil
	}
	return b.manyStored(ctx)
}

// manyOpen measures a start with many open problems.
func (b *bench) manyOpen(ctx context.Context) error {
	took, err := b.fill(ctx, "open", b.open, false)
	if err != nil {
		return err
	}
	if err := b.startsWith(ctx, "open", fmt.Sprintf("%d open problems", b.open)); err != nil {
		return err
	}
	b.report.add("  filling that store", "s", took.Seconds())
	return nil
}

// startsWith starts the relay with a filled store and with an empty one, in turns.
func (b *bench) startsWith(ctx context.Context, filled, what string) error {
	w, err := newWorld(webexsim.Options{}, 0)
	if err != nil {
		return err
	}
	defer w.close()
	start, held := map[string][]float64{}, map[string][]float64{}
	for range starts {
		for _, name := range []string{"empty", filled} {
			took, m, err := b.startOnce(ctx, w, name)
			if err != nil {
				return err
			}
			if n := m[`alert_relay_posts_pending`]; n > 0 {
				return fmt.Errorf("%.0f of the filled-in posts are pending", n)
			}
			start[name] = append(start[name], took)
			held[name] = append(held[name], m[residentBytes]/(1<<20))
		}
	}
	const empty = "the relay with an empty store"
	b.report.add("start until ready, "+what, "ms", median(start[filled])).beside(median(start["empty"]), empty)
	b.report.add("  resident memory, a second later", "MiB", median(held[filled])).beside(median(held["empty"]), empty)
	return nil
}

// spaceFor bounds the disk space of a stored problem with its share of the log, in bytes.
const spaceFor = 8 << 10

// manyStored folds beside many stored problems and beside none, in turns.
func (b *bench) manyStored(ctx context.Context) (err error) {
	name := fmt.Sprintf("folding an event, %d problems stored: processor time (%d rounds)", b.stored, b.foldRounds)
	const empty = "with an empty store"
	if free, need := freeSpace(b.dir), float64(b.stored)*spaceFor; free >= 0 && free < need {
		b.report.add(name, "µs", 0).missing(fmt.Sprintf("not measured: %.0f GiB are free on the disk, it takes %.0f", free/(1<<30), need/(1<<30)), empty)
		return nil
	}
	b.logf("filling a store with %d problems", b.stored)
	took, err := b.fill(ctx, "stored", b.stored, true)
	if err != nil {
		return err
	}
	b.logf("filled in %s", took.Round(time.Second))
	if err := b.startsWith(ctx, "stored", fmt.Sprintf("%d problems stored", b.stored)); err != nil {
		return err
	}
	var sides [2]*foldProcess
	for i, name := range []string{"stored", "none"} {
		if sides[i], err = b.startFold(ctx, name); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, sides[i].stop()) }()
	}
	var sum [2]folded
	var ratios []float64
	for n := range b.foldRounds + 1 {
		var cost [2]folded
		for i := range sides {
			// Alternate who comes first, so that drift favours neither.
			i = (i + n) % 2
			if cost[i], err = sides[i].round(b.foldEvents); err != nil {
				return err
			}
		}
		if n == 0 { // warm-up
			continue
		}
		for i := range sum {
			sum[i] = sum[i].plus(cost[i])
		}
		ratios = append(ratios, cost[0].each()/cost[1].each())
		b.logf("fold, round %d of %d: %.1f µs an event with %d problems stored, %.1f with none; load average %s", n, b.foldRounds, cost[0].each(), b.stored, cost[1].each(), loadAverage())
	}
	// Sums, not the median round: now and then one round pays for a checkpoint of the log that others caused too.
	r := b.report.add(name, "µs", sum[0].each()).beside(sum[1].each(), empty)
	r.Rounds = ratios
	r.ratioAtMost(1.1)
	b.report.add("  events folded in a second of the clock, alone", "events/s", sum[0].rate()).beside(sum[1].rate(), empty)
	b.report.add("  filling that store", "s", took.Seconds())
	return nil
}
