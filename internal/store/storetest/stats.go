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
	require.Zero(t, st.JournalPending+st.SetAside+st.PostsPending+st.NoticesPending+st.DeadPosts+st.DeadGroups+st.DeadNotices+st.CommandsPending)
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
