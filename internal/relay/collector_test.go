package relay

import (
	"context"
	"math"
	"runtime/debug"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGarbageMayGatherUnderLoad(t *testing.T) {
	const mib = 1 << 20
	tuned := tuner{percent: plainPercent, quiet: quietLooks}
	look := func(allocated, alive uint64) (percent int, changed, giveBack bool) {
		changed, giveBack = tuned.look(allocated, alive)
		return tuned.percent, changed, giveBack
	}
	expect := func(percent int, changed, giveBack bool) func(int, bool, bool) {
		return func(p int, c, g bool) {
			t.Helper()
			require.Equal(t, []any{percent, changed, giveBack}, []any{p, c, g})
		}
	}
	expect(100, false, false)(look(mib, 7*mib))
	expect(320, true, false)(look(100*mib, 10*mib))
	expect(320, false, false)(look(100*mib, 10*mib+mib/4)) // too little a difference
	expect(800, true, false)(look(100*mib, 0))
	expect(160, true, false)(look(busyFrom, 20*mib))
	expect(100, true, false)(look(100*mib, 60*mib)) // as much as is alive, whatever that is
	expect(120, false, false)(func() (int, bool, bool) { tuned.percent = 120; return look(100*mib, 30*mib) }())
	for range quietLooks - 1 {
		expect(120, false, false)(look(mib, 7*mib))
	}
	expect(100, true, true)(look(mib, 7*mib))
	expect(100, false, false)(look(mib, 7*mib)) // once
	expect(320, true, false)(look(100*mib, 10*mib))
}

// The collector is told what the looks say, memory is given back once it is quiet, and in the end all
// is as it was.
func TestTheCollectorFollowsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var told []string
		var allocated uint64
		done := make(chan struct{})
		go func() {
			defer close(done)
			tune(ctx, func() (uint64, uint64) { return allocated, 16 << 20 },
				func(percent int) { told = append(told, strconv.Itoa(percent)) }, func() { told = append(told, "given back") })
		}()
		synctest.Wait()
		for _, size := range []uint64{busyFrom - 1, busyFrom, busyFrom} {
			allocated += size
			time.Sleep(lookEvery)
		}
		time.Sleep(3 * quietLooks * lookEvery)
		allocated += busyFrom
		time.Sleep(lookEvery)
		stop()
		<-done
		require.Equal(t, []string{"200", "100", "given back", "200", "100"}, told)
	})
}

// Memory is bounded where more garbage may gather than Go allows.
func TestApply(t *testing.T) {
	percent, limit := debug.SetGCPercent(plainPercent), debug.SetMemoryLimit(-1)
	defer func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) }()
	for _, c := range []struct {
		percent int
		limit   int64
	}{{200, most}, {plainPercent, math.MaxInt64}} {
		apply(c.percent)
		require.Equal(t, c.limit, debug.SetMemoryLimit(-1))
		require.Equal(t, c.percent, debug.SetGCPercent(c.percent))
	}
}

// Whoever tuned the collector is left alone.
func TestTuneLeavesWhatSomebodyTuned(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		Tune(t.Context(), func(n string) string { return map[string]string{name: "100"}[n] }) // returns at once
	}
}
