// Package convergence runs the real ledger, store, delivery, renderer and Webex
// client against the simulated Webex through random schedules of events,
// refusals, lost answers, outages and crashes, and checks what the relay promises: that the
// rooms show the truth in the end, that nothing is lost, and that nothing is said more often
// than docs/guarantees.md allows. Time is virtual; the disk is real.
package convergence

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

var (
	seedFlag      = flag.Uint64("seed", 0, "run the schedule of this seed alone, and print it")
	firstFlag     = flag.Uint64("first", 1, "the first seed")
	schedulesFlag = flag.Int("schedules", schedules, "how many schedules to run")
)

// TestMain puts the stores on a file system in memory where there is one: what a
// killed process leaves is the same there, and waiting for a disk proves nothing here.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // little is kept, and much is made
	dir, err := os.MkdirTemp("/dev/shm", "convergence")
	if err == nil {
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the stores are on a disk:", err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// Whatever happens, in any order: the rooms end up showing the problems as they
// are, nothing is lost, and nothing is repeated but what may be.
func TestRoomsConverge(t *testing.T) {
	first, n := *firstFlag, *schedulesFlag
	if *seedFlag > 0 {
		first, n = *seedFlag, 1
		t.Log(of(first))
	} else if testing.Short() {
		n = min(n, 20)
	}
	began, storms, kills := time.Now(), 0, 0
	t.Cleanup(func() { // once all have ended
		fmt.Printf("%d schedules, the seeds %d to %d: %d with storms, %d with kills; %.0f s\n", n, first, first+uint64(n)-1, storms, kills, time.Since(began).Seconds())
	})
	for seed := first; seed < first+uint64(n); seed++ {
		s := of(seed)
		if s.Storm.Threshold > 0 {
			storms++
		}
		if s.has(crash) {
			kills++
		}
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			if seed > first { // what encoders make ready once mustn't be made in two bubbles at once
				t.Parallel()
			}
			faults := play(t, s)
			if len(faults) == 0 {
				return
			}
			s, faults = shrink(t, s, faults)
			t.Errorf("run it again with: go test ./internal/convergence -run TestRoomsConverge -seed %d\n%vends with:", seed, s)
			for _, f := range faults {
				t.Error(f)
			}
		})
	}
}

// play runs a schedule in a bubble of its own and gives what broke a promise; then
// looks at the world once it is quiet.
func play(t *testing.T, s schedule, then ...func(*world)) (faults []string) {
	return playIn(t, s, func(*world) {}, then...)
}

// playIn is play in a world that is changed before anything happens in it.
func playIn(t *testing.T, s schedule, before func(*world), then ...func(*world)) (faults []string) {
	dir := t.TempDir()
	defer func() { _ = os.RemoveAll(filepath.Join(dir, "relay.db")) }()
	empty := emptyStore()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(s, dir, empty)
		before(w)
		w.start()
		defer func() { faults = w.faults }()
		defer w.close()
		for _, st := range s.Steps {
			time.Sleep(time.Until(epoch.Add(st.At)))
			w.do(st)
		}
		time.Sleep(time.Until(epoch.Add(s.end())))
		w.sending.Wait()
		for i := range bots {
			w.do(step{Kind: restore, Bot: i}) // where shrink left that out
		}
		if w.settle() {
			w.check()
			for _, look := range then {
				look(w)
			}
		}
	})
	return faults
}

// shrink leaves out steps for as long as promises stay broken.
func shrink(t *testing.T, s schedule, faults []string) (schedule, []string) {
	tries := 60
	for size := max(1, len(s.Steps)/2); size > 0 && tries > 0; size /= 2 {
		for at := 0; at+size <= len(s.Steps) && tries > 0; tries-- {
			less := s
			less.Steps = slices.Delete(slices.Clone(s.Steps), at, at+size)
			if f := play(t, less); len(f) > 0 {
				s, faults = less, f
			} else {
				at += size
			}
		}
	}
	return s, faults
}
