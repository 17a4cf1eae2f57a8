package relay

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Under load Go's collector lets as much garbage gather as is alive. That is little here, and it
// would run every few hundred events, for a tenth of all processor time. At rest that is right: it
// is what keeps the relay small.
const (
	lookEvery = 500 * time.Millisecond
	// busyFrom is how much is allocated between two looks when there is much to do, in bytes.
	busyFrom = 16 << 20
	// garbage is how much may gather then, in bytes, where less is alive.
	garbage = 32 << 20
	// most bounds all memory of Go's then, in bytes: what is alive can double until the next look.
	most = 80 << 20
	// plainPercent is Go's own measure: as much garbage as is alive. mostPercent bounds ours.
	plainPercent, mostPercent = 100, 800
	// quietLooks is for how many looks nothing much is done before memory is given back.
	quietLooks = 20
)

// tuner decides how much garbage may gather.
type tuner struct {
	percent int // of what is alive
	quiet   int // looks since there was much to do; quietLooks and more: memory was given back
}

// look takes what was allocated since the last look, and what is alive, in bytes. It says
// whether the measure is another one now, and whether memory is to be given back to the system: which
// Go does by itself, but only minutes later.
func (t *tuner) look(allocated, alive uint64) (changed, giveBack bool) {
	percent := plainPercent
	switch {
	case allocated >= busyFrom:
		percent = min(max(plainPercent, int(100*garbage/max(alive, 1))), mostPercent)
		t.quiet = 0
	case t.quiet < quietLooks:
		percent = t.percent // a pause between two bursts
		t.quiet++
		if giveBack = t.quiet == quietLooks; giveBack {
			percent = plainPercent
		}
	}
	const least = plainPercent / 4 // each change stops the program for a moment
	if percent != plainPercent && max(percent-t.percent, t.percent-percent) < least {
		percent = t.percent
	}
	changed, t.percent = percent != t.percent, percent
	return changed, giveBack
}

// Tune adapts the collector to what there is to do, until ctx ends. It is for the program as a
// whole. Where somebody has tuned it (GOGC, GOMEMLIMIT) it does nothing.
func Tune(ctx context.Context, getenv func(string) string) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	tune(ctx, func() (allocated, alive uint64) {
		metrics.Read(sample)
		return sample[0].Value.Uint64(), sample[1].Value.Uint64()
	}, apply, debug.FreeOSMemory)
}

// tune looks until ctx ends, and leaves the collector as Go has it. read gives what was allocated
// since the program began, and what is alive, in bytes.
func tune(ctx context.Context, read func() (allocated, alive uint64), apply func(percent int), giveBack func()) {
	defer apply(plainPercent)
	t := tuner{percent: plainPercent, quiet: quietLooks}
	before, _ := read()
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		allocated, alive := read()
		changed, over := t.look(allocated-before, alive)
		before = allocated
		if changed {
			apply(t.percent)
		}
		if over {
			giveBack()
		}
	}
}

func apply(percent int) {
	limit := int64(math.MaxInt64)
	if percent > plainPercent {
		limit = most
	}
	debug.SetMemoryLimit(limit)
	debug.SetGCPercent(percent)
}
