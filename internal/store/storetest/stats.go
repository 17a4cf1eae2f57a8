package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Counts are exact at every moment.
func testStats(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	st := stats(t, s)
	require.Zero(t, st.JournalPending+st.SetAside+st.PostsPending+st.NoticesPending+st.CommandsPending)
	require.Empty(t, st.Rooms)
	require.Zero(t, st.OldestPending)
	for _, v := range alert.Severities {
		n, ok := st.OpenProblems[v]
		require.True(t, ok && n == 0, v)
	}

	a := appendOne(t, s, "a")
	appendOne(t, s, "b")
	require.EqualValues(t, 2, stats(t, s).JournalPending)
	require.Equal(t, t0, stats(t, s).OldestPending)

	behind := post("1", "noc", 1)
	behind.PendingSince = t0.Add(-time.Hour)
	fold(t, s, store.Fold{
		Applied: []int64{a},
		Problems: []alert.Problem{
			problem("1", alert.StateOpen), problem("2", alert.StateOpen), problem("3", alert.StateResolved), problem("4", alert.StateOccurred),
		},
		Posts: []store.Post{behind, post("2", "noc", 1)},
	})
	st = stats(t, s)
	require.EqualValues(t, 1, st.JournalPending)
	require.EqualValues(t, 2, st.PostsPending)
	require.EqualValues(t, 2, st.OpenProblems[alert.High])
	require.Equal(t, behind.PendingSince, st.OldestPending)

	save(t, s, "1", "noc", store.Cursor{State: store.PostLive, Delivered: 1})
	fold(t, s, store.Fold{Applied: []int64{a + 1}, Problems: []alert.Problem{problem("1", alert.StateResolved)}})
	st = stats(t, s)
	require.Zero(t, st.JournalPending)
	require.EqualValues(t, 1, st.PostsPending)
	require.EqualValues(t, 1, st.OpenProblems[alert.High])
	require.Equal(t, t0, st.OldestPending)

	// A post that waits until it may be posted counts as pending, but isn't late.
	waits, never := post("3", "noc", 1), post("4", "noc", 1)
	waits.TellAfter, waits.LookAt, waits.PendingSince = t0.Add(-time.Hour), t0.Add(-time.Hour), time.Time{}
	never.TellAfter, never.PendingSince = t0.Add(-time.Hour), time.Time{}
	burst := post("5", "noc", 1)
	burst.PendingSince = time.Now().AddDate(10, 0, 0)
	fold(t, s, store.Fold{Posts: []store.Post{waits, never, burst}})
	st = stats(t, s)
	require.EqualValues(t, 3, st.PostsPending)
	require.Equal(t, t0, st.OldestPending)
	waits.PendingSince, waits.LookAt = waits.TellAfter, time.Time{}
	fold(t, s, store.Fold{Posts: []store.Post{waits}})
	st = stats(t, s)
	require.EqualValues(t, 3, st.PostsPending)
	require.Equal(t, waits.TellAfter, st.OldestPending)
}

// Work and dead letters are counted by room. A notice to a person or a direct chat has none.
func testRoomStats(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	older, later, early := post("1", "noc", 1), post("2", "noc", 1), post("2", "ops", 1)
	older.PendingSince, later.PendingSince = t0.Add(-time.Hour), t0
	burst := post("3", "db", 1)
	burst.PendingSince = time.Now().AddDate(10, 0, 0)
	early.PendingSince = burst.PendingSince
	fold(t, s, store.Fold{
		Problems: []alert.Problem{problem("1", alert.StateOpen), problem("2", alert.StateOpen), problem("3", alert.StateOpen)},
		Posts:    []store.Post{later, older, burst, early},
	})
	g := makeGroup(t, s, "noc", "4", "5")
	for _, n := range []store.Notice{{Room: "noc"}, {Room: "db"}, {Person: "alice@example.com"}, {RoomID: "DIRECT"}} {
		n.Kind, n.Bot, n.Markdown = store.NoticeNotify, "noc", "text"
		must(s.AddNotice(t.Context(), n))(t)
	}
	st := stats(t, s)
	require.Equal(t, []int64{4, 2, 2}, []int64{st.Rooms["noc"].Pending, st.Rooms["db"].Pending, st.Rooms[""].Pending}, "two posts, a digest and a notice in noc")
	require.Equal(t, older.PendingSince, st.Rooms["noc"].OldestPending)
	require.Equal(t, older.PendingSince, st.OldestPending)
	require.True(t, st.Rooms["db"].OldestPending.After(t0), "the notice: the post isn't due yet")
	require.Equal(t, store.RoomStats{Pending: 1}, st.Rooms["ops"], "nothing is due yet")

	save(t, s, "1", "noc", store.Cursor{State: store.PostDead, DeadAt: t0})
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, store.GroupCursor{State: store.PostDead, DeadAt: t0, ListDeadAt: t0}))
	for _, n := range must(s.PendingNotices(t.Context()))(t) {
		if n.Room == "db" || n.Person != "" {
			n.State = store.NoticeDead
			require.NoError(t, s.SaveNotice(t.Context(), n))
		}
	}
	st = stats(t, s)
	require.Equal(t, map[store.LetterKind]int64{store.LetterPost: 1, store.LetterDigest: 1, store.LetterList: 1}, st.Rooms["noc"].Dead)
	require.Equal(t, map[store.LetterKind]int64{store.LetterNotice: 1}, st.Rooms["db"].Dead)
	require.Equal(t, map[store.LetterKind]int64{store.LetterNotice: 1}, st.Rooms[""].Dead)
	require.EqualValues(t, 2, st.Dead(store.LetterNotice))
	require.Equal(t, later.PendingSince, st.OldestPending)
}
