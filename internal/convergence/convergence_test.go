// Package convergence runs the real ledger, store, delivery, renderer and Webex client against the simulated Webex
// through random schedules of events, refusals, lost answers, outages and crashes, and checks the promises of
// docs/guarantees.md: rooms end up showing the present, nothing is lost, and nothing is repeated beyond what the
// promises allow. Time is virtual, the disk is real.
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

	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/testrace"
)

var (
	seedFlag      = flag.Uint64("seed", 0, "run the schedule of this seed alone, and print it")
	firstFlag     = flag.Uint64("first", 1, "the first seed")
	schedulesFlag = flag.Int("schedules", schedules(), "how many schedules to run")
)

func schedules() int {
	if testrace.On { // it makes a schedule some ten times slower
		return 12
	}
	return 60
}

// TestMain puts the stores on a file system in memory if there is one: a killed process leaves the same files
// there, and waiting for a disk proves nothing here.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // little memory is kept, much is allocated
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

// After any schedule, rooms show the current problems, nothing is lost, and only messages that may repeat do.
func TestRoomsConverge(t *testing.T) {
	first, n := *firstFlag, *schedulesFlag
	if *seedFlag > 0 {
		first, n = *seedFlag, 1
		t.Log(of(first))
	} else if testing.Short() {
		n = min(n, 20)
	}
	began, storms, kills := time.Now(), 0, 0
	t.Cleanup(func() { // when all have finished
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
			if seed > first { // encoders initialise once, which must not happen in two bubbles at the same time
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

// play runs a schedule in a bubble of its own and returns the violated promises. then inspects the idle world.
func play(t *testing.T, s schedule, then ...func(*world)) (faults []string) {
	return playIn(t, s, func(*world) {}, then...)
}

// playIn is play in a world that before changes first.
func playIn(t *testing.T, s schedule, before func(*world), then ...func(*world)) (faults []string) {
	dir := t.TempDir()
	defer func() { _ = os.RemoveAll(filepath.Join(dir, "relay.db")) }()
	empty := sqlitetest.Empty()
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
			w.do(step{Kind: restore, Bot: i}) // shrink may have removed that step
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

// shrink removes steps as long as the schedule still violates promises.
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
