package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Two handles are one store: an entry that either appends is pending for both, and once applied for neither. No id is
// given twice.
func testHandlesJournal(t *testing.T, open Opener) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	first, second := appendOne(t, a, "by a"), appendOne(t, b, "by b")
	for _, s := range []store.Store{a, b} {
		require.Equal(t, []int64{first, second}, ids(must(s.PendingEntries(t.Context(), 0))(t)))
		require.EqualValues(t, 2, stats(t, s).JournalPending)
	}
	// The later one is applied first; the other stays pending.
	fold(t, a, store.Fold{Applied: []int64{second}})
	require.Equal(t, []int64{first}, ids(must(b.PendingEntries(t.Context(), 0))(t)))
	fold(t, b, store.Fold{SetAside: map[int64]string{first: "odd"}})
	require.Empty(t, must(a.PendingEntries(t.Context(), 0))(t))
	require.NoError(t, a.RetryEntry(t.Context(), first))
	require.Equal(t, []int64{first}, ids(must(b.PendingEntries(t.Context(), 0))(t)))

	const each = 50
	var mu sync.Mutex
	given := map[int64]bool{first: true, second: true}
	var both sync.WaitGroup
	for _, s := range []store.Store{a, b} {
		both.Go(func() {
			for range each {
				id, err := s.Append(t.Context(), store.Entry{Source: "main", Kind: store.EntryEvent, ReceivedAt: t0})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				given[id] = true
				mu.Unlock()
			}
		})
	}
	both.Wait()
	require.Len(t, given, 2+2*each)
	require.EqualValues(t, 1+2*each, stats(t, a).JournalPending)
	require.NoError(t, a.Close())
	require.EqualValues(t, 1+2*each, stats(t, b).JournalPending, "closing one handle doesn't close the other")
	require.Greater(t, appendOne(t, b, "still open"), second)
}

// A fold commits only if its problems are still as it read them. Otherwise nothing of it is
// written, and a second attempt on what is stored now succeeds.
func testHandlesConflict(t *testing.T, open Opener) {
	for name, c := range map[string]struct {
		before, read int64 // revisions: stored, and as the fold read it
		conflict     bool
	}{
		"new":                    {0, 0, false},
		"as it was read":         {2, 2, false},
		"created meanwhile":      {1, 0, true},
		"changed meanwhile":      {3, 2, true},
		"removed meanwhile":      {0, 2, true},
		"an older one came back": {1, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a, b := open(t, dir), open(t, dir)
			p := problem("1", alert.StateOpen)
			if p.Revision = c.before; c.before > 0 {
				fold(t, a, store.Fold{Problems: []alert.Problem{p}})
			}
			fold(t, a, store.Fold{Problems: []alert.Problem{problem("2", alert.StateOpen)}})
			id := appendOne(t, a, "x")
			p.Revision, p.Facts.Name = 9, "by b"
			f := store.Fold{Read: map[alert.Key]int64{p.Key: c.read, key("3"): 0}, Applied: []int64{id}, Problems: []alert.Problem{p}, Posts: []store.Post{post("1", "noc", 9)}}
			err := b.CommitFold(t.Context(), f)
			if !c.conflict {
				require.NoError(t, err)
				require.EqualValues(t, 9, must(a.Problems(t.Context(), []alert.Key{p.Key}))(t)[p.Key].Revision)
				return
			}
			require.ErrorIs(t, err, store.ErrConflict)
			require.ErrorContains(t, err, p.Key.String())
			require.Equal(t, c.before, must(b.Problems(t.Context(), []alert.Key{p.Key}))(t)[p.Key].Revision)
			require.Empty(t, must(b.PostsOf(t.Context(), []alert.Key{p.Key}))(t))
			require.EqualValues(t, 1, stats(t, b).JournalPending)
			f.Read[p.Key] = c.before
			fold(t, b, f)
		})
	}
}

// If two handles fold the same problem concurrently, again and again, each commits on top of the other's writes: no
// change is lost.
func testHandlesRace(t *testing.T, open Opener) {
	dir := t.TempDir()
	const each = 20
	var both sync.WaitGroup
	for _, s := range []store.Store{open(t, dir), open(t, dir)} {
		both.Go(func() {
			for done := 0; done < each; {
				found, err := s.Problems(t.Context(), []alert.Key{key("1")})
				if err != nil {
					t.Error(err)
					return
				}
				p, read := problem("1", alert.StateOpen), found[key("1")].Revision
				p.Revision = read + 1
				switch err := s.CommitFold(t.Context(), store.Fold{Read: map[alert.Key]int64{p.Key: read}, Problems: []alert.Problem{p}}); {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	both.Wait()
	s := open(t, dir)
	require.EqualValues(t, 2*each, must(s.Problems(t.Context(), []alert.Key{key("1")}))(t)[key("1")].Revision)
}

// Only one handle can claim a command, and each sees what the other saves.
func testHandlesClaim(t *testing.T, open Opener) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	for i := range 20 {
		var claimed atomic.Int64
		var both sync.WaitGroup
		for _, s := range []store.Store{a, b} {
			both.Go(func() {
				mine, err := s.ClaimCommand(t.Context(), store.Command{ID: fmt.Sprint("C", i), CreatedAt: t0})
				if err != nil {
					t.Error(err)
				}
				if mine {
					claimed.Add(1)
				}
			})
		}
		both.Wait()
		require.EqualValues(t, 1, claimed.Load())
	}
	require.NoError(t, a.SaveCommand(t.Context(), store.Command{ID: "C0", State: store.CommandDone, CreatedAt: t0}))
	require.Len(t, must(b.UnfinishedCommands(t.Context()))(t), 19)

	fold(t, a, store.Fold{Posts: []store.Post{post("1", "noc", 1)}})
	save(t, b, "1", "noc", store.Cursor{State: store.PostLive, RootID: "ROOT", Delivered: 1})
	require.Equal(t, key("1"), must(a.PostByMessage(t.Context(), "ROOT"))(t).Key)
	require.Empty(t, must(a.PendingPosts(t.Context(), nil, time.Time{}))(t))
	require.NoError(t, b.SetValue(t.Context(), "x", "y"))
	require.Equal(t, "y", must(a.Value(t.Context(), "x"))(t))
}
