package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// A dead letter is listed, and can be replayed or dropped.
func testDeadLetters(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	room := "person:alice@example.com" // "@" and ":" in a room's name
	fold(t, s, store.Fold{Posts: []store.Post{post("1", room, 2), post("2", "noc", 1), post("3", "noc", 1)}})
	for i, p := range []store.Post{post("1", room, 0), post("2", "noc", 0)} {
		save(t, s, p.Key.EventID, p.Room, store.Cursor{State: store.PostDead, Attempts: 3, NotBefore: t0,
			LastError: "404 Not Found", TrackingID: "T1", DeadAt: t0.Add(time.Duration(i) * time.Second)})
	}
	id := must(s.AddNotice(t.Context(), store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Text: "done"}))(t)
	n := must(s.Notice(t.Context(), id))(t)
	n.State, n.LastError = store.NoticeDead, "403 Forbidden"
	require.NoError(t, s.SaveNotice(t.Context(), n))

	letters := must(s.DeadLetters(t.Context()))(t)
	require.Len(t, letters, 3)
	byID := map[string]store.DeadLetter{}
	for _, l := range letters {
		byID[l.ID()] = l
	}
	same(t, store.DeadLetter{Kind: store.LetterPost, Room: room, Key: key("1"), Reason: "404 Not Found", TrackingID: "T1", At: t0}, byID["post:main/1@"+room])
	require.Equal(t, id, byID["notice:1"].Number)
	require.Equal(t, "403 Forbidden", byID["notice:1"].Reason)
	require.Equal(t, "noc", byID["notice:1"].Room)
	st := stats(t, s)
	require.EqualValues(t, 2, st.Dead(store.LetterPost))
	require.EqualValues(t, 1, st.Dead(store.LetterNotice))

	require.NoError(t, s.ReplayDead(t.Context(), "post:main/1@"+room))
	pending := must(s.PendingPosts(t.Context(), []string{room}, time.Time{}))(t)
	require.Len(t, pending, 1)
	require.Zero(t, pending[0].Attempts)
	require.Zero(t, pending[0].NotBefore)
	require.Zero(t, pending[0].DeadAt)
	require.NotZero(t, pending[0].PendingSince)
	require.NoError(t, s.ReplayDead(t.Context(), "notice:1"))
	require.Len(t, must(s.PendingNotices(t.Context()))(t), 1)
	require.NoError(t, s.DropDead(t.Context(), "post:main/2@noc"))
	require.Empty(t, must(s.DeadLetters(t.Context()))(t))

	for _, id := range []string{"post:main/1@" + room, "notice:1", "post:main/3@noc", "notice:99", "notice:x", "letter", ""} {
		require.ErrorIs(t, s.ReplayDead(t.Context(), id), store.ErrNotFound, id)
		require.ErrorIs(t, s.DropDead(t.Context(), id), store.ErrNotFound, id)
	}
}

// A group that Webex refused is a dead letter with all of its posts: it is replayed or dropped as one. Its id isn't
// reused.
func testDeadGroups(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	fold(t, s, store.Fold{Problems: []alert.Problem{problem("1", alert.StateResolved), problem("2", alert.StateResolved)}})
	g := makeGroup(t, s, "noc", "1", "2")
	dead := store.GroupCursor{State: store.PostDead, LastError: "404 Not Found", TrackingID: "T1", DeadAt: t0}
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, dead))
	require.Zero(t, stats(t, s).PostsPending)
	require.Zero(t, stats(t, s).OldestPending)
	require.EqualValues(t, 1, stats(t, s).Dead(store.LetterDigest))
	require.Zero(t, stats(t, s).Dead(store.LetterPost))
	letters := must(s.DeadLetters(t.Context()))(t)
	require.Len(t, letters, 1)
	same(t, store.DeadLetter{Kind: store.LetterDigest, Number: g.ID, Room: "noc", Reason: "404 Not Found", TrackingID: "T1", At: t0}, letters[0])

	require.NoError(t, s.ReplayDead(t.Context(), "digest:1"))
	require.EqualValues(t, 1, stats(t, s).PostsPending)
	require.True(t, must(s.Group(t.Context(), g.ID))(t).Pending())
	require.ErrorIs(t, s.ReplayDead(t.Context(), "digest:1"), store.ErrNotFound, "it is live")
	show(t, s, g)
	require.Zero(t, stats(t, s).PostsPending)

	// A group that was up to date when it was refused is pending once it is replayed, too.
	dead.Shown, dead.MessageID = g.Revision, "DIGEST"
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, dead))
	require.NoError(t, s.ReplayDead(t.Context(), "digest:1"))
	replayed := must(s.Group(t.Context(), g.ID))(t)
	require.True(t, replayed.Pending())
	require.Less(t, replayed.Shown, replayed.Revision, "its members may have changed since")

	// A fold that changes a dead group doesn't make it pending, but its replay shows the change.
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, dead))
	g = must(s.Group(t.Context(), g.ID))(t)
	g.Revision, g.PendingSince = g.Revision+1, t0
	fold(t, s, store.Fold{Groups: []store.Group{g}})
	require.Zero(t, stats(t, s).PostsPending)
	require.Empty(t, must(s.PendingGroups(t.Context(), ""))(t))
	require.NoError(t, s.ReplayDead(t.Context(), "digest:1"))
	pending := must(s.PendingGroups(t.Context(), ""))(t)
	require.Len(t, pending, 1)
	require.Less(t, pending[0].Shown, pending[0].Revision)

	require.NoError(t, s.SaveGroup(t.Context(), g.ID, dead))
	require.NoError(t, s.DropDead(t.Context(), "digest:1"))
	require.Empty(t, must(s.DeadLetters(t.Context()))(t))
	require.Empty(t, must(s.PostsOf(t.Context(), []alert.Key{key("1"), key("2")}))(t))
	require.ErrorIs(t, s.DropDead(t.Context(), "digest:1"), store.ErrNotFound)
	require.EqualValues(t, 2, makeGroup(t, s, "noc", "1").ID)
}

// A list that a group's thread refused is a dead letter, and the group lives: replayed, the list is
// owed again; dropped, or replayed with the group, it isn't.
func testDeadLists(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	g := makeGroup(t, s, "noc", "1")
	c := store.GroupCursor{State: store.PostLive, MessageID: "M", Shown: g.Revision, Listed: 1, SpokeAt: t0,
		ListDeadAt: t0.Add(time.Minute), ListError: "400 Bad Request", ListTrackingID: "T1"}
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	letter := store.DeadLetter{Kind: store.LetterList, Number: g.ID, Room: "noc", Reason: "400 Bad Request", TrackingID: "T1", At: c.ListDeadAt}
	require.Equal(t, []store.DeadLetter{letter}, must(s.DeadLetters(t.Context()))(t))
	require.EqualValues(t, 1, stats(t, s).Dead(store.LetterList))
	require.Zero(t, stats(t, s).Dead(store.LetterDigest))
	require.Zero(t, stats(t, s).PostsPending)
	require.ErrorIs(t, s.ReplayDead(t.Context(), "digest:1"), store.ErrNotFound, "it lives")
	require.ErrorIs(t, s.DropDead(t.Context(), "digest:1"), store.ErrNotFound)
	require.ErrorIs(t, s.DropDead(t.Context(), "list:2"), store.ErrNotFound)

	require.NoError(t, s.ReplayDead(t.Context(), "list:1"))
	require.ErrorIs(t, s.ReplayDead(t.Context(), "list:1"), store.ErrNotFound)
	require.EqualValues(t, 1, stats(t, s).PostsPending)
	require.WithinDuration(t, time.Now(), stats(t, s).OldestPending, time.Hour)
	got := must(s.Group(t.Context(), g.ID))(t)
	require.Zero(t, got.Listed)
	require.True(t, got.Pending())
	require.True(t, got.ListDeadAt.IsZero() && got.ListError == "" && got.ListTrackingID == "")

	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.NoError(t, s.DropDead(t.Context(), "list:1"))
	require.Empty(t, must(s.DeadLetters(t.Context()))(t))
	require.Equal(t, 1, must(s.Group(t.Context(), g.ID))(t).Listed, "it isn't owed any more")
	require.Zero(t, stats(t, s).PostsPending)
}
