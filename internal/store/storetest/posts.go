package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

var cursor = store.Cursor{
	State: store.PostLive, Delivered: 2, Shown: 3, ToldSeq: 4, RootID: "ROOT", RootHash: "HASH", CardID: "CARD", CardActions: "ack close", Edits: 5, Digest: 6,
	Attempts: 7, NotBefore: t0.Add(time.Second), LastError: "429 Too Many Requests", TrackingID: "T1", DeliveredAt: t0.Add(time.Minute),
}

// The ledger and delivery write the same post without treading on each other.
func testPosts(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	p := post("1", "noc", 3)
	p.HoldUntil = t0.Add(2 * time.Minute)
	fold(t, s, store.Fold{Posts: []store.Post{p, post("1", "db", 3), post("2", "noc", 1)}})
	require.NoError(t, s.SavePost(t.Context(), key("1"), "noc", cursor))
	require.ErrorIs(t, s.SavePost(t.Context(), key("1"), "nowhere", cursor), store.ErrNotFound)

	// What the ledger read before that, it writes now: the cursor stays.
	p.Desired, p.Severity, p.Open, p.Route, p.HoldUntil, p.OpenedAt = 5, alert.Disaster, false, "route 2", time.Time{}, t0.Add(-time.Hour)
	p.JoinedAt, p.TellAfter, p.RemindAt, p.EscalateAt, p.Flap, p.Escalated = t0, t0.Add(time.Minute), t0.Add(time.Hour), t0.Add(time.Second), "main/13579", 2
	fold(t, s, store.Fold{Posts: []store.Post{p}})
	require.NoError(t, s.Close())
	s = open(t, dir)
	got := must(s.PostsOf(t.Context(), []alert.Key{key("1"), key("1"), key("9")}))(t)
	require.Len(t, got, 1)
	require.Len(t, got[key("1")], 2)
	p.Cursor = cursor
	for _, one := range got[key("1")] {
		if one.Room == "noc" {
			same(t, p, one)
		}
	}
	require.Empty(t, must(s.PostsOf(t.Context(), nil))(t))
}

// The ledger finds the posts that it wants to look at again, the longest due first.
func testDuePosts(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	due := func(id string, remind, escalate time.Time) store.Post {
		p := post(id, "noc", 1)
		p.RemindAt, p.EscalateAt = remind, escalate
		return p
	}
	never, second, third := time.Time{}, t0.Add(2*time.Second), t0.Add(3*time.Second)
	fold(t, s, store.Fold{Posts: []store.Post{
		due("1", third, never), due("2", t0.Add(time.Hour), second), due("3", never, never), due("4", t0.Add(time.Hour), never), due("5", t0, third),
	}})
	ids := func(now time.Time, limit int) (ids []string) {
		for _, p := range must(s.DuePosts(t.Context(), now, limit))(t) {
			ids = append(ids, p.Key.EventID)
		}
		return ids
	}
	require.Empty(t, ids(t0.Add(-time.Second), 10))
	require.Equal(t, []string{"5", "2"}, ids(second, 10))
	require.Equal(t, []string{"5", "2", "1"}, ids(third, 10))
	require.Equal(t, []string{"5"}, ids(third, 1))

	// What the ledger has looked at isn't due any more.
	fold(t, s, store.Fold{Posts: []store.Post{due("5", never, never), due("2", t0.Add(time.Hour), never)}})
	require.Equal(t, []string{"1"}, ids(third, 10))
}

// DirtySince says since when the room is behind, whoever wrote last.
func testDirtySince(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	dirty := func() time.Time {
		return must(s.PostsOf(t.Context(), []alert.Key{key("1")}))(t)[key("1")][0].DirtySince
	}
	desire := func(revision int64, since time.Time) {
		p := post("1", "noc", revision)
		p.DirtySince = since
		fold(t, s, store.Fold{Posts: []store.Post{p}})
	}
	deliver := func(revision int64) {
		require.NoError(t, s.SavePost(t.Context(), key("1"), "noc", store.Cursor{State: store.PostLive, Delivered: revision}))
	}
	later, latest := t0.Add(time.Minute), t0.Add(time.Hour)
	desire(1, t0)
	require.Equal(t, t0, dirty())
	desire(2, later)
	require.Equal(t, t0, dirty(), "it was behind already")
	deliver(1)
	require.Equal(t, t0, dirty(), "it still is")
	deliver(2)
	require.Zero(t, dirty())
	desire(3, latest)
	require.Equal(t, latest, dirty())
	desire(2, latest) // held back: nothing more to tell
	require.Zero(t, dirty())

	// The ledger read the post while the room was behind; by the time it commits the
	// room has caught up.
	require.NoError(t, s.SavePost(t.Context(), key("1"), "noc", store.Cursor{State: store.PostLive, Delivered: 2, DeliveredAt: latest}))
	desire(3, t0)
	require.Equal(t, latest, dirty())
}

// Pending are the posts that are behind and will be told, of the rooms asked for.
func testPendingPosts(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	older := post("2", "noc", 1)
	older.DirtySince = t0.Add(-time.Minute)
	told := post("4", "noc", 1)
	told.Delivered = 1
	fold(t, s, store.Fold{Posts: []store.Post{post("1", "noc", 1), older, post("3", "db", 1), told, post("5", "noc", 1)}})
	require.NoError(t, s.SavePost(t.Context(), key("5"), "noc", store.Cursor{State: store.PostDead, DeadAt: t0}))

	pending := func(rooms ...string) (all []string) {
		for _, p := range must(s.PendingPosts(t.Context(), rooms, time.Time{}))(t) {
			require.True(t, p.Pending())
			all = append(all, p.Key.EventID)
		}
		return all
	}
	require.Equal(t, []string{"2", "1"}, pending("noc"))
	require.ElementsMatch(t, []string{"2", "1", "3"}, pending("noc", "db", "noc"))
	require.ElementsMatch(t, []string{"2", "1", "3"}, pending()) // nil: every room
	require.Empty(t, must(s.PendingPosts(t.Context(), []string{}, time.Time{}))(t))
	require.Empty(t, pending("nowhere"))
	require.EqualValues(t, 3, stats(t, s).PostsPending)

	// A dead letter stays dead when its problem goes on.
	fold(t, s, store.Fold{Posts: []store.Post{post("5", "noc", 2)}})
	require.Equal(t, []string{"2", "1"}, pending("noc"))

	// What isn't due yet can be left out.
	later := t0.Add(time.Hour)
	waits := func(id string, change func(*store.Post)) {
		p := post(id, "ops", 2)
		p.Open = true
		change(&p)
		fold(t, s, store.Fold{Posts: []store.Post{p}})
		require.NoError(t, s.SavePost(t.Context(), p.Key, p.Room, p.Cursor))
	}
	waits("held", func(p *store.Post) { p.HoldUntil = later })
	waits("quiet", func(p *store.Post) { p.TellAfter = later })
	waits("failed", func(p *store.Post) { p.NotBefore = later })
	waits("held, over", func(p *store.Post) { p.HoldUntil, p.Open = later, false })
	waits("held, known", func(p *store.Post) { p.HoldUntil, p.RootID = later, "M" })
	waits("quiet, told", func(p *store.Post) { p.TellAfter, p.ToldSeq = later, 1 })
	due := func(before time.Time) (all []string) {
		for _, rooms := range [][]string{{"ops"}, nil} {
			all = nil
			for _, p := range must(s.PendingPosts(t.Context(), rooms, before))(t) {
				if p.Room == "ops" {
					all = append(all, p.Key.EventID)
				}
			}
		}
		return all
	}
	require.ElementsMatch(t, []string{"held, over", "held, known", "quiet, told"}, due(later.Add(-time.Microsecond)))
	require.Len(t, due(later), 6)
	require.Len(t, due(time.Time{}), 6)
}

// A dead letter is shown, and can be replayed or dropped.
func testDeadLetters(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	room := "person:alice@example.com" // "@" and ":" in a room's name
	fold(t, s, store.Fold{Posts: []store.Post{post("1", room, 2), post("2", "noc", 1), post("3", "noc", 1)}})
	for i, p := range []store.Post{post("1", room, 0), post("2", "noc", 0)} {
		require.NoError(t, s.SavePost(t.Context(), p.Key, p.Room, store.Cursor{State: store.PostDead, Attempts: 3, NotBefore: t0,
			LastError: "404 Not Found", TrackingID: "T1", DeadAt: t0.Add(time.Duration(i) * time.Second)}))
	}
	id := must(s.AddNotice(t.Context(), store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Text: "done"}))(t)
	n := must(s.Notice(t.Context(), id))(t)
	n.State, n.LastError = store.NoticeDead, "403 Forbidden"
	require.NoError(t, s.SaveNotice(t.Context(), n))

	letters := must(s.DeadLetters(t.Context()))(t)
	require.Len(t, letters, 3)
	byID := map[string]store.DeadLetter{}
	for _, l := range letters {
		byID[l.ID] = l
	}
	same(t, store.DeadLetter{ID: "post:main/1@" + room, Room: room, Key: key("1"), Reason: "404 Not Found", TrackingID: "T1", At: t0}, byID["post:main/1@"+room])
	require.Equal(t, id, byID["notice:1"].NoticeID)
	require.Equal(t, "403 Forbidden", byID["notice:1"].Reason)
	require.Equal(t, "noc", byID["notice:1"].Room)
	st := stats(t, s)
	require.EqualValues(t, 2, st.DeadPosts)
	require.EqualValues(t, 1, st.DeadNotices)

	require.NoError(t, s.ReplayDead(t.Context(), "post:main/1@"+room))
	pending := must(s.PendingPosts(t.Context(), []string{room}, time.Time{}))(t)
	require.Len(t, pending, 1)
	require.Zero(t, pending[0].Attempts)
	require.Zero(t, pending[0].NotBefore)
	require.Zero(t, pending[0].DeadAt)
	require.NotZero(t, pending[0].DirtySince)
	require.NoError(t, s.ReplayDead(t.Context(), "notice:1"))
	require.Len(t, must(s.PendingNotices(t.Context()))(t), 1)
	require.NoError(t, s.DropDead(t.Context(), "post:main/2@noc"))
	require.Empty(t, must(s.DeadLetters(t.Context()))(t))

	for _, id := range []string{"post:main/1@" + room, "notice:1", "post:main/3@noc", "notice:99", "notice:x", "letter", ""} {
		require.ErrorIs(t, s.ReplayDead(t.Context(), id), store.ErrNotFound, id)
		require.ErrorIs(t, s.DropDead(t.Context(), id), store.ErrNotFound, id)
	}
}
