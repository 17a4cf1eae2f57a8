package storetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// Entries are stored unchanged and in order, and survive reopening.
func testAppend(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	payloads := []string{`{"a":1}`, "", "\x00\xff not UTF-8 \xc3", strings.Repeat("ü", 40_000)}
	var want []store.Entry
	for i, p := range payloads {
		e := store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte(p), ReceivedAt: t0.Add(time.Duration(i) * time.Microsecond)}
		if i > 0 {
			e.Trace = trace
		}
		id, err := s.Append(t.Context(), e)
		require.NoError(t, err)
		e.ID = id
		want = append(want, e)
	}
	same(t, want, must(s.PendingEntries(t.Context(), 10))(t))
	same(t, want[:2], must(s.PendingEntries(t.Context(), 2))(t))
	require.NoError(t, s.Close())

	s = open(t, dir)
	same(t, want, must(s.PendingEntries(t.Context(), 10))(t))
	fold(t, s, store.Fold{Applied: []int64{want[0].ID, want[1].ID}})
	want[0].Applied, want[1].Applied = true, true
	same(t, want[2:], must(s.PendingEntries(t.Context(), 10))(t))
	same(t, want, must(s.Entries(t.Context(), 0, 10))(t))
	same(t, want[1:3], must(s.Entries(t.Context(), want[0].ID, 2))(t))

	// An id is never given twice, even if every entry was pruned.
	fold(t, s, store.Fold{Applied: []int64{want[2].ID, want[3].ID}})
	future := time.Now().Add(time.Hour)
	require.Equal(t, 4, must(s.Prune(t.Context(), future, future, future, 100))(t))
	require.NoError(t, s.Close())
	s = open(t, dir)
	require.Greater(t, appendOne(t, s, "again"), want[3].ID)
	require.Len(t, must(s.PendingEntries(t.Context(), 10))(t), 1)
}

// An entry set aside is stored with its reason, isn't pending, and can be retried.
func testSetAside(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	a, b, c := appendOne(t, s, "a"), appendOne(t, s, "b"), appendOne(t, s, "c")
	fold(t, s, store.Fold{Applied: []int64{b}, SetAside: map[int64]string{a: "no event id", c: "too odd"}})
	aside := must(s.SetAsideEntries(t.Context(), 10))(t)
	require.Equal(t, []int64{c, a}, ids(aside), "the newest first")
	require.Equal(t, "no event id", aside[1].SetAside)
	require.False(t, aside[1].Applied)
	require.Equal(t, []int64{c}, ids(must(s.SetAsideEntries(t.Context(), 1))(t)))
	require.Empty(t, must(s.PendingEntries(t.Context(), 10))(t))
	require.EqualValues(t, 2, stats(t, s).SetAside)
	require.Equal(t, "too odd", must(s.Entries(t.Context(), b, 1))(t)[0].SetAside)

	d := appendOne(t, s, "d")
	require.NoError(t, s.RetryEntry(t.Context(), a))
	require.Equal(t, []int64{a, d}, ids(must(s.PendingEntries(t.Context(), 10))(t)))
	require.EqualValues(t, 2, stats(t, s).JournalPending)
	require.ErrorIs(t, s.RetryEntry(t.Context(), a), store.ErrNotFound, "it is pending already")
	require.ErrorIs(t, s.RetryEntry(t.Context(), b), store.ErrNotFound, "it was applied")
	require.ErrorIs(t, s.RetryEntry(t.Context(), 999), store.ErrNotFound)

	fold(t, s, store.Fold{Applied: []int64{d}, SetAside: map[int64]string{a: "still no event id"}})
	require.Equal(t, "still no event id", must(s.SetAsideEntries(t.Context(), 10))(t)[1].SetAside)
	require.Zero(t, stats(t, s).JournalPending)
}

// Entries may be applied in any order; the others stay pending.
func testFoldAnyOrder(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	var all []int64
	for i := range 6 {
		all = append(all, appendOne(t, s, fmt.Sprint(i)))
	}
	fold(t, s, store.Fold{Applied: []int64{all[3], all[1]}})
	require.Equal(t, []int64{all[0], all[2], all[4], all[5]}, ids(must(s.PendingEntries(t.Context(), 10))(t)))
	require.Equal(t, []int64{all[0], all[2], all[4]}, ids(must(s.PendingEntries(t.Context(), 3))(t)))
	require.EqualValues(t, 4, stats(t, s).JournalPending)
	fold(t, s, store.Fold{Applied: []int64{all[2], all[5]}})
	require.NoError(t, s.Close())
	s = open(t, dir)
	require.Equal(t, []int64{all[0], all[4]}, ids(must(s.PendingEntries(t.Context(), 10))(t)))
	fold(t, s, store.Fold{Applied: []int64{all[0], all[4]}})
	fold(t, s, store.Fold{Applied: []int64{all[0]}}) // a repetition changes nothing
	require.Zero(t, stats(t, s).JournalPending)
	for _, e := range must(s.Entries(t.Context(), 0, 10))(t) {
		require.True(t, e.Applied, e.ID)
	}
	require.Error(t, s.CommitFold(t.Context(), store.Fold{Applied: []int64{all[5] + 1}}), "there is no such entry")
}

// Concurrent callers get distinct ids, under which their payloads are found after reopening.
func testConcurrentAppend(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	const callers, each = 64, 20
	var mu sync.Mutex
	want := map[int64]string{}
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				p := fmt.Sprintf("%d/%d", c, i)
				id, err := s.Append(context.Background(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte(p), ReceivedAt: t0})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				want[id] = p
				mu.Unlock()
			}
		})
	}
	// A ledger folds at the same time.
	folded := 0
	for folded < callers*each/2 && !t.Failed() {
		entries := must(s.PendingEntries(t.Context(), 50))(t)
		fold(t, s, store.Fold{Applied: ids(entries)})
		folded += len(entries)
	}
	wg.Wait()
	require.Len(t, want, callers*each, "an id was given twice")
	require.EqualValues(t, callers*each-folded, stats(t, s).JournalPending)
	require.NoError(t, s.Close())

	got := map[int64]string{}
	for _, e := range must(open(t, dir).Entries(t.Context(), 0, 0))(t) {
		got[e.ID] = string(e.Payload)
	}
	same(t, want, got)
}

// Everything acknowledged before a crash survives it: a copy of the files at any moment is a consistent store. (This
// doesn't cover data that the disk itself hasn't written yet; synchronous writes do.)
func testCrash(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	acknowledged := map[int64]string{}
	var wg sync.WaitGroup
	first := make(chan struct{}, 1)
	for c := range 8 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				p := fmt.Sprintf("%d/%d %s", c, i, strings.Repeat("x", 700))
				id, err := s.Append(context.Background(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte(p), ReceivedAt: t0})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged[id] = p
				mu.Unlock()
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 6 {
		<-first // something new was acknowledged since the last copy
		mu.Lock()
		want := make(map[int64]string, len(acknowledged))
		for id, p := range acknowledged {
			want[id] = p
		}
		mu.Unlock()
		copied := t.TempDir()
		copyFiles(t, dir, copied)
		after := open(t, copied)
		got := map[int64]string{}
		for _, e := range must(after.Entries(t.Context(), 0, 0))(t) {
			got[e.ID] = string(e.Payload)
		}
		for id, p := range want {
			require.Equal(t, p, got[id], "entry %d", id)
		}
		appendOne(t, after, "appending works")
		require.NoError(t, after.Close())
		fold(t, s, store.Fold{Applied: ids(must(s.PendingEntries(t.Context(), 20))(t))})
	}
	stop()
	wg.Wait()
}

// copyFiles copies a store's files as a crash would leave them. Unlike a crash, a copy takes time: the
// log is copied last, since applying it twice is harmless, and everything is copied again if the log
// was restarted meanwhile.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	files, err := os.ReadDir(from)
	require.NoError(t, err)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(from, name))
		require.NoError(t, err)
		return b
	}
	for whole := false; !whole; {
		whole = true
		for _, f := range files {
			name := f.Name()
			if strings.HasSuffix(name, ".lock") || strings.HasSuffix(name, "-shm") || strings.HasSuffix(name, "-wal") {
				continue
			}
			log := name + "-wal"
			_, err := os.Stat(filepath.Join(from, log))
			hasLog := err == nil
			var before []byte
			if hasLog {
				before = read(log)
			}
			require.NoError(t, os.WriteFile(filepath.Join(to, name), read(name), 0o600))
			if hasLog {
				after := read(log)
				require.NoError(t, os.WriteFile(filepath.Join(to, log), after, 0o600))
				const header = 32
				whole = whole && bytes.Equal(before[:min(header, len(before))], after[:min(header, len(after))])
			}
		}
	}
}

// A caller whose context has ended gets the context's error; others aren't affected.
func testAppendContext(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Append(over, store.Entry{Source: "main", Kind: store.EntryEvent, ReceivedAt: t0})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.CommitFold(over, store.Fold{}), context.Canceled)
	_, err = s.PendingEntries(over, 1)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 0, stats(t, s).JournalPending)
	appendOne(t, s, "next")
	require.EqualValues(t, 1, stats(t, s).JournalPending)
}
