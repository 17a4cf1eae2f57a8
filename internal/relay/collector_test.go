package relay

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
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

var garbageOfTest []byte

// The collector is as it was when the relay has ended, and left alone where somebody tuned it.
func TestTuneLeavesNothingBehind(t *testing.T) {
	before := debug.SetGCPercent(plainPercent)
	defer debug.SetGCPercent(before)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { Tune(ctx, func(string) string { return "" }); close(done) }()
		runtime.GC()  // of what other tests left
		for range 3 { // two looks that follow upon much that was allocated
			for range 2 * busyFrom >> 20 {
				garbageOfTest = make([]byte, 1<<20)
			}
			time.Sleep(lookEvery)
		}
		synctest.Wait()
		require.Greater(t, debug.SetGCPercent(plainPercent), plainPercent)
		require.Equal(t, int64(most), debug.SetMemoryLimit(-1))
		stop()
		<-done
		require.Equal(t, plainPercent, debug.SetGCPercent(plainPercent))
		require.Equal(t, int64(math.MaxInt64), debug.SetMemoryLimit(-1))
	})
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		Tune(t.Context(), func(n string) string { return map[string]string{name: "100"}[n] }) // returns at once
	}
}
