// Package storetest is the conformance suite of the store's contract: every implementation must pass it.
package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Opener opens the store that lives in a directory of the test's own, empty at first. Opened again, after Close or
// while it is open, it is another handle on the same store. It closes handles that the test leaves open.
type Opener func(t testing.TB, dir string) store.Store

// Run tests a store against the contract.
func Run(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"journal/append":            testAppend,
		"journal/set aside":         testSetAside,
		"journal/any order":         testFoldAnyOrder,
		"journal/concurrent":        testConcurrentAppend,
		"journal/context":           testAppendContext,
		"problems/kept whole":       testProblems,
		"problems/find":             testFind,
		"problems/unobserved":       testUnobserved,
		"problems/open states":      testOpenStates,
		"problems/symptoms of":      testSymptomsOf,
		"problems/trigger stats":    testTriggerStats,
		"problems/unposted":         testUnposted,
		"fold/whole or not at all":  testFoldAtomic,
		"posts/cursor and ledger":   testPosts,
		"posts/due":                 testDuePosts,
		"posts/pending":             testPending,
		"posts/claim":               testClaimPost,
		"posts/pending of rooms":    testPendingPosts,
		"posts/rooms with cards":    testCardRooms,
		"posts/moved":               testMovedPosts,
		"groups/cursor and ledger":  testGroups,
		"groups/pending":            testPendingGroups,
		"groups/leavers":            testLeavers,
		"groups/conflicts":          testGroupConflicts,
		"groups/grouping":           testGrouping,
		"groups/symptoms":           testSymptoms,
		"groups/many openings":      testManyOpenings,
		"groups/members":            testMembers,
		"groups/dead":               testDeadGroups,
		"groups/dead list":          testDeadLists,
		"messages/replaced":         testReplacedMessages,
		"messages/pruned":           testPrunedMessages,
		"notices/life":              testNotices,
		"notices/cards":             testCardNotices,
		"notices/dedup":             testNoticeDedup,
		"notices/replaced meantime": testNoticeReplaced,
		"notices/thread":            testNoticeThread,
		"notices/file":              testNoticeFile,
		"notices/once":              testNoticeOnce,
		"commands":                  testCommands,
		"commands/find":             testFindCommands,
		"tokens":                    testPersonTokens,
		"bindings":                  testBindings,
		"reminders":                 testReminders,
		"incidents":                 testIncidents,
		"dead letters":              testDeadLetters,
		"values":                    testValues,
		"stats":                     testStats,
		"stats by room":             testRoomStats,
		"prune/journal":             testPruneJournal,
		"prune/the rest":            testPruneRest,
		"prune/dead letters":        testPruneDead,
		"close":                     testClose,
		"two handles/journal":       testHandlesJournal,
		"two handles/conflict":      testHandlesConflict,
		"two handles/race":          testHandlesRace,
		"two handles/claim":         testHandlesClaim,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// RunFiles tests stores that are files: a copy of the files at any moment is a consistent store.
func RunFiles(t *testing.T, open Opener) {
	t.Run("after a crash", func(t *testing.T) { testCrash(t, open) })
}

// t0 has a fraction, in whole microseconds.
var t0 = time.Date(2026, 11, 24, 13, 51, 51, 123456000, time.UTC)

// trace is a traceparent.
const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func key(id string) alert.Key { return alert.Key{Source: "main", EventID: id} }

func problem(id string, state alert.State) alert.Problem {
	return alert.Problem{
		Key: key(id), Origin: alert.OriginTrigger, State: state, Revision: 1, Severity: alert.High,
		Facts:    alert.Facts{Name: "Disk full on " + id, Hosts: []alert.Host{{Host: "sw-" + id, Name: "Switch " + id}}},
		OpenedAt: t0, ChangedAt: t0, Announced: true,
		Timeline: []alert.Entry{{Seq: 1, Key: "opened", Kind: alert.EntryOpened, At: t0}},
	}
}

func post(id, room string, desired int64) store.Post {
	return store.Post{Key: key(id), Room: room, Route: "route 1", Desired: desired, Severity: alert.High, Open: true,
		OpenedAt: t0, PendingSince: t0, Cursor: store.Cursor{State: store.PostLive}}
}

func fold(t testing.TB, s store.Store, f store.Fold) {
	t.Helper()
	require.NoError(t, s.CommitFold(t.Context(), f))
}

func appendOne(t testing.TB, s store.Store, payload string) int64 {
	t.Helper()
	id, err := s.Append(t.Context(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte(payload), ReceivedAt: t0})
	require.NoError(t, err)
	return id
}

func stats(t testing.TB, s store.Store) store.Stats {
	t.Helper()
	st, err := s.Stats(t.Context())
	require.NoError(t, err)
	return st
}

// same compares values; nil equals empty.
func same(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("want (-), got (+):\n%s", diff)
	}
}

func ids(entries []store.Entry) []int64 {
	var all []int64
	for _, e := range entries {
		all = append(all, e.ID)
	}
	return all
}

// must returns a result, or fails the test on an error: must(f())(t).
func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}
