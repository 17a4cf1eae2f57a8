package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

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
