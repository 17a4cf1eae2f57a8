package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Posts that move to another key take their cursors and messages along. The new problem under the old key has none.
func testMovedPosts(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	fold(t, s, store.Fold{Problems: []alert.Problem{problem("1", alert.StateOpen)}, Posts: []store.Post{post("1", "noc", 1), post("1", "db", 1), post("2", "noc", 1)}})
	cursor := store.Cursor{State: store.PostLive, RootID: "ROOT", CardID: "CARD", Delivered: 1, ToldSeq: 1}
	save(t, s, "1", "noc", cursor)

	before := problem("1~1", alert.StateResolved)
	fold(t, s, store.Fold{
		Moved:    []store.Move{{From: key("1"), To: before.Key}},
		Problems: []alert.Problem{before, problem("1", alert.StateOpen)}, Posts: []store.Post{post("1", "noc", 3)},
	})
	posts := must(s.PostsOf(t.Context(), []alert.Key{key("1"), before.Key, key("2")}))(t)
	require.Len(t, posts[key("2")], 1)
	require.Len(t, posts[before.Key], 2)
	require.Equal(t, "db", posts[before.Key][0].Room)
	require.Equal(t, cursor, posts[before.Key][1].Cursor)
	require.Len(t, posts[key("1")], 1)
	require.Empty(t, posts[key("1")][0].RootID)
	require.True(t, posts[key("1")][0].Pending())
	require.Equal(t, before.Key, must(s.PostByMessage(t.Context(), "CARD"))(t).Key)

	// Delivery was still working on the old problem, and saves its cursor late.
	require.ErrorIs(t, s.SavePost(t.Context(), key("1"), "noc", cursor), store.ErrNotFound)
	require.Empty(t, must(s.PostsOf(t.Context(), []alert.Key{key("1")}))(t)[key("1")][0].RootID)
	claim(t, s, "1", "noc")
	require.ErrorIs(t, s.SavePost(t.Context(), key("1"), "noc", cursor), store.ErrNotFound, "also once the new one is claimed")
	require.NoError(t, s.SavePost(t.Context(), key("1"), "noc", store.Cursor{State: store.PostLive, RootID: "NEW", Delivered: 3}))
	require.NoError(t, s.SavePost(t.Context(), before.Key, "noc", cursor))
}
