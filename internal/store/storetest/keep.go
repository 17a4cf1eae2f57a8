package storetest

import (
	"fmt"
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

	// A post that waits until it may be told counts as pending, but isn't late.
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

// Applied entries are pruned after their retention, in small batches. Entries pending or set aside
// stay.
func testPruneJournal(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	var all []int64
	for i := range 10 {
		id, err := s.Append(t.Context(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: fmt.Append(nil, i), ReceivedAt: t0.Add(time.Duration(i) * time.Hour)})
		require.NoError(t, err)
		all = append(all, id)
	}
	fold(t, s, store.Fold{Applied: all[1:8], SetAside: map[int64]string{all[0]: "odd"}})
	cutoff := t0.Add(6 * time.Hour)
	prune := func(limit int) int {
		return must(s.Prune(t.Context(), cutoff, time.Time{}, time.Time{}, limit))(t)
	}
	require.Equal(t, 3, prune(3))
	require.Equal(t, 2, prune(3))
	require.Equal(t, 0, prune(3))
	require.Equal(t, []int64{all[0], all[6], all[7], all[8], all[9]}, ids(must(s.Entries(t.Context(), 0, 0))(t)))
	require.EqualValues(t, 2, stats(t, s).JournalPending)
	require.EqualValues(t, 1, stats(t, s).SetAside)

	// An old entry that was retried and applied is pruned, too, although younger ones went before it.
	require.NoError(t, s.RetryEntry(t.Context(), all[0]))
	require.Equal(t, 0, prune(3), "it is pending")
	fold(t, s, store.Fold{Applied: all[:1]})
	require.Equal(t, 1, prune(3))
	require.Equal(t, []int64{all[6], all[7], all[8], all[9]}, ids(must(s.Entries(t.Context(), 0, 0))(t)))
	require.Equal(t, all[8:], ids(must(s.PendingEntries(t.Context(), 0))(t)))
}

// Problems that are over, their posts, sent notices, finished commands and entries set aside are pruned
// after their retention. What is still to be done stays.
func testPruneRest(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	a := appendOne(t, s, "a")
	fold(t, s, store.Fold{
		SetAside: map[int64]string{a: "odd"},
		Problems: []alert.Problem{
			problem("1", alert.StateOpen), problem("2", alert.StateResolved), problem("3", alert.StateResolved), problem("4", alert.StateUnknown),
		},
		Posts: []store.Post{post("2", "noc", 1), post("3", "noc", 1)},
	})
	save(t, s, "2", "noc", store.Cursor{State: store.PostLive, Delivered: 1})
	for _, id := range []string{"C1", "C2"} {
		require.True(t, must(s.ClaimCommand(t.Context(), store.Command{ID: id, CreatedAt: t0}))(t))
	}
	require.NoError(t, s.SaveCommand(t.Context(), store.Command{ID: "C1", State: store.CommandDone, CreatedAt: t0}))
	for _, state := range []store.NoticeState{store.NoticeSent, store.NoticeDead, store.NoticePending} {
		n := must(s.Notice(t.Context(), must(s.AddNotice(t.Context(), store.Notice{Kind: store.NoticeNotify, Text: "x"}))(t)))(t)
		n.State, n.SentVersion = state, n.Version
		require.NoError(t, s.SaveNotice(t.Context(), n))
	}

	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	require.Zero(t, must(s.Prune(t.Context(), past, past, time.Time{}, 10))(t), "everything is younger")
	removed := 0
	for n := -1; n != 0; removed += n {
		n = must(s.Prune(t.Context(), future, future, future, 1))(t)
	}
	require.Equal(t, 6, removed, "two problems, a post, a notice, a command, an entry")
	var left []string
	for _, p := range must(s.FindProblems(t.Context(), store.Filter{}))(t) {
		left = append(left, p.Key.EventID)
	}
	require.ElementsMatch(t, []string{"1", "3"}, left)
	require.Len(t, must(s.PostsOf(t.Context(), []alert.Key{key("2"), key("3")}))(t), 1)
	require.Len(t, must(s.Commands(t.Context(), 0))(t), 1)
	st := stats(t, s)
	require.Zero(t, st.SetAside)
	require.EqualValues(t, 1, st.NoticesPending)
	require.EqualValues(t, 1, st.DeadNotices)
}

// After Close every method returns ErrClosed. Closing twice is fine.
func testClose(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	require.NoError(t, s.Ping(t.Context()))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Append":             func() error { _, err := s.Append(ctx, store.Entry{}); return err },
		"PendingEntries":     func() error { _, err := s.PendingEntries(ctx, 1); return err },
		"Entries":            func() error { _, err := s.Entries(ctx, 0, 1); return err },
		"SetAsideEntries":    func() error { _, err := s.SetAsideEntries(ctx, 1); return err },
		"RetryEntry":         func() error { return s.RetryEntry(ctx, 1) },
		"Problems":           func() error { _, err := s.Problems(ctx, nil); return err },
		"FindProblems":       func() error { _, err := s.FindProblems(ctx, store.Filter{}); return err },
		"Suppressions":       func() error { _, err := s.Suppressions(ctx, "main", t0); return err },
		"CountProblems":      func() error { _, err := s.CountProblems(ctx, store.Filter{}); return err },
		"RecentCommands":     func() error { _, err := s.RecentCommands(ctx, t0, t0); return err },
		"KeysByEventID":      func() error { _, err := s.KeysByEventID(ctx, "1"); return err },
		"CommitFold":         func() error { return s.CommitFold(ctx, store.Fold{}) },
		"PostsOf":            func() error { _, err := s.PostsOf(ctx, nil); return err },
		"PendingPosts":       func() error { _, err := s.PendingPosts(ctx, nil, time.Time{}); return err },
		"ClaimPost":          func() error { _, err := s.ClaimPost(ctx, key("1"), "noc"); return err },
		"Grouping":           func() error { _, err := s.Grouping(ctx, []store.GroupingAsk{{Room: "noc"}}); return err },
		"FreshRooms":         func() error { _, err := s.FreshRooms(ctx); return err },
		"Group":              func() error { _, err := s.Group(ctx, 1); return err },
		"GroupByMessage":     func() error { _, err := s.GroupByMessage(ctx, "M"); return err },
		"PendingGroups":      func() error { _, err := s.PendingGroups(ctx, ""); return err },
		"GroupPosts":         func() error { _, err := s.GroupPosts(ctx, 1); return err },
		"GroupLeavers":       func() error { _, err := s.GroupLeavers(ctx, 1, 1); return err },
		"SaveGroup":          func() error { return s.SaveGroup(ctx, 1, store.GroupCursor{}) },
		"SavePost":           func() error { return s.SavePost(ctx, key("1"), "noc", store.Cursor{}) },
		"PostByMessage":      func() error { _, err := s.PostByMessage(ctx, "M"); return err },
		"AddNotice":          func() error { _, err := s.AddNotice(ctx, store.Notice{}); return err },
		"Notice":             func() error { _, err := s.Notice(ctx, 1); return err },
		"PendingNotices":     func() error { _, err := s.PendingNotices(ctx); return err },
		"SaveNotice":         func() error { return s.SaveNotice(ctx, store.Notice{}) },
		"ClaimCommand":       func() error { _, err := s.ClaimCommand(ctx, store.Command{ID: "1"}); return err },
		"Command":            func() error { _, err := s.Command(ctx, "1"); return err },
		"SaveCommand":        func() error { return s.SaveCommand(ctx, store.Command{}) },
		"UnfinishedCommands": func() error { _, err := s.UnfinishedCommands(ctx); return err },
		"Commands":           func() error { _, err := s.Commands(ctx, 1); return err },
		"DeadLetters":        func() error { _, err := s.DeadLetters(ctx); return err },
		"ReplayDead":         func() error { return s.ReplayDead(ctx, "notice:1") },
		"DropDead":           func() error { return s.DropDead(ctx, "notice:1") },
		"Value":              func() error { _, err := s.Value(ctx, "x"); return err },
		"SetValue":           func() error { return s.SetValue(ctx, "x", "y") },
		"Prune":              func() error { _, err := s.Prune(ctx, t0, t0, t0, 1); return err },
		"Stats":              func() error { _, err := s.Stats(ctx); return err },
		"Ping":               func() error { return s.Ping(ctx) },
	} {
		require.ErrorIs(t, call(), store.ErrClosed, name)
	}
}
