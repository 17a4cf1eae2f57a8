package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// What was over before its room was to be told of it isn't told by a digest
// either: whether it was is for who looks at the problem.
func testDigestOver(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	late, over := post("1", "noc", 1), post("2", "noc", 2)
	late.TellAfter, over.TellAfter, over.Open = t0.Add(-time.Minute), t0.Add(-time.Minute), false
	fold(t, s, store.Fold{Posts: []store.Post{late, over}})
	_, joined, err := s.JoinDigest(t.Context(), store.Digest{Room: "noc"}, []alert.Key{key("1"), key("2")}, t0)
	require.NoError(t, err)
	require.Equal(t, []alert.Key{key("1")}, joined)
	require.Len(t, must(s.PendingPosts(t.Context(), nil, time.Time{}))(t), 1)
}

// A post is pending by itself, or in one digest: joining, being shown, changing
// and leaving keep the counts exact, also for a store that was opened again.
func testDigests(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	held, delayed, told, resolved := post("4", "noc", 1), post("6", "noc", 1), post("5", "noc", 2), post("3", "noc", 2)
	held.HoldUntil, delayed.TellAfter, resolved.Open = t0.Add(time.Hour), t0.Add(time.Minute), false
	told.RootID, told.Delivered = "ROOT5", 1
	fold(t, s, store.Fold{Posts: []store.Post{post("1", "noc", 1), post("1", "db", 1), post("2", "noc", 1), resolved, held, delayed, told}})
	_, err := s.NewestDigest(t.Context(), "noc", "")
	require.ErrorIs(t, err, store.ErrNotFound)

	// Only what the room was never told of joins, and none of another room.
	d, joined, err := s.JoinDigest(t.Context(), store.Digest{Room: "noc"}, []alert.Key{key("1"), key("2"), key("3"), key("4"), key("5"), key("6"), key("9")}, t0)
	require.NoError(t, err)
	require.ElementsMatch(t, []alert.Key{key("1"), key("2"), key("3")}, joined)
	same(t, store.Digest{ID: d.ID, Room: "noc", State: store.PostLive, CreatedAt: t0, Pending: true, Joined: 3, Open: true, Behind: true, BehindSince: t0}, d)
	st := stats(t, s)
	require.EqualValues(t, 5, st.PostsPending, "1 in db, what is held, 5, and the digest")
	require.Equal(t, t0, st.OldestPending)
	require.Len(t, must(s.PendingPosts(t.Context(), nil, time.Time{}))(t), 4)
	again, joined, err := s.JoinDigest(t.Context(), store.Digest{Room: "noc"}, []alert.Key{key("1"), key("5")}, t0)
	require.NoError(t, err)
	require.Empty(t, joined)
	require.Zero(t, again.ID, "nothing was opened for nothing")

	// Posted: it isn't pending any more, nor are its posts.
	shown := func(d store.Digest, revision int64, ids ...string) {
		d.MessageID, d.Hash, d.Pending, d.Shown, d.SpokeAt = "DIGEST", "H", false, d.Joined, t0.Add(time.Minute)
		var all []store.Shown
		for _, id := range ids {
			all = append(all, store.Shown{Key: key(id), Revision: revision, Seq: 7})
		}
		require.NoError(t, s.SaveDigest(t.Context(), d, all))
	}
	shown(d, 2, "1", "2", "3")
	require.NoError(t, s.Close())
	s = open(t, dir)
	require.EqualValues(t, 4, stats(t, s).PostsPending)
	require.Empty(t, must(s.PendingDigests(t.Context(), ""))(t))
	found := must(s.DigestByMessage(t.Context(), "DIGEST"))(t)
	same(t, store.Digest{ID: d.ID, Room: "noc", State: store.PostLive, CreatedAt: t0, MessageID: "DIGEST", Hash: "H", Shown: 3, Joined: 3, Open: true, SpokeAt: t0.Add(time.Minute)}, found)
	same(t, found, must(s.NewestDigest(t.Context(), "noc", ""))(t))

	// A problem goes on: its digest is behind, not its post.
	goneOn := post("1", "noc", 3)
	goneOn.Open, goneOn.DirtySince = false, t0.Add(2*time.Minute)
	fold(t, s, store.Fold{Posts: []store.Post{goneOn}})
	pending := must(s.PendingDigests(t.Context(), "noc"))(t)
	require.Len(t, pending, 1)
	require.True(t, pending[0].Open)
	require.True(t, pending[0].Behind)
	require.NotZero(t, pending[0].BehindSince)
	require.Empty(t, must(s.PendingDigests(t.Context(), "db"))(t))
	changed := must(s.DigestPosts(t.Context(), d.ID, true))(t)
	require.Len(t, changed, 1)
	require.Equal(t, key("1"), changed[0].Key)
	require.Equal(t, 7, changed[0].ToldSeq)
	require.False(t, changed[0].Pending())
	require.Len(t, must(s.DigestPosts(t.Context(), d.ID, false))(t), 3)
	require.ElementsMatch(t, []alert.Key{key("1"), key("2"), key("3")}, must(s.DigestKeys(t.Context(), d.ID))(t))
	require.EqualValues(t, 5, stats(t, s).PostsPending)

	// Somebody acts on one: it leaves, to be told by itself, and can't join again.
	require.NoError(t, s.LeaveDigest(t.Context(), d.ID, []alert.Key{key("1"), key("9")}))
	left := must(s.PostsOf(t.Context(), []alert.Key{key("1")}))(t)[key("1")]
	for _, p := range left {
		if p.Room == "noc" {
			require.True(t, p.Pending())
			require.Zero(t, p.Digest)
			require.NotZero(t, p.ToldSeq)
		}
	}
	_, joined, err = s.JoinDigest(t.Context(), found, []alert.Key{key("1")}, t0)
	require.NoError(t, err)
	require.Empty(t, joined)
	now := must(s.Digest(t.Context(), d.ID))(t)
	require.Equal(t, 1, now.Left)
	require.Equal(t, "main/1\n", now.Gone)
	require.True(t, now.Pending)
	require.False(t, now.Behind)
	require.EqualValues(t, 6, stats(t, s).PostsPending, "the post by itself, and the digest that has one less")
	now.Gone = ""
	shown(now, 2, "2", "3")
	require.Empty(t, must(s.Digest(t.Context(), d.ID))(t).Gone)
	require.EqualValues(t, 5, stats(t, s).PostsPending)

	// What opens again and again has a digest of its own; a delay that is over holds nobody.
	flap, joined, err := s.JoinDigest(t.Context(), store.Digest{Room: "noc", Flap: "main/13579"}, []alert.Key{key("6")}, t0.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, []alert.Key{key("6")}, joined)
	require.Equal(t, "main/13579", flap.Flap)
	require.Equal(t, flap.ID, must(s.NewestDigest(t.Context(), "noc", "main/13579"))(t).ID)
	require.Equal(t, d.ID, must(s.NewestDigest(t.Context(), "noc", ""))(t).ID)

	for _, id := range []string{"", "OTHER"} {
		_, err := s.DigestByMessage(t.Context(), id)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
	require.ErrorIs(t, s.SaveDigest(t.Context(), store.Digest{ID: 99}, nil), store.ErrNotFound)
}

// What comes to a room whose newest digest gathers is in it from the start, and it is
// the digest that is behind; what is severe, held, or more than just opened is told by itself.
func testGathering(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	now := time.Now()
	comes := func(posts ...store.Post) []store.Post {
		var problems []alert.Problem
		for _, p := range posts {
			problems = append(problems, problem(p.Key.EventID, alert.StateOpen))
		}
		fold(t, s, store.Fold{Problems: problems, Posts: posts})
		return posts
	}
	comes(post("1", "noc", 1))
	older, _, err := s.JoinDigest(t.Context(), store.Digest{Room: "noc", GathersUntil: now.Add(time.Hour), GathersBelow: alert.Disaster}, []alert.Key{key("1")}, now)
	require.NoError(t, err)
	comes(post("2", "noc", 1))
	d := must(s.Digest(t.Context(), older.ID))(t)
	same(t, store.Digest{ID: older.ID, Room: "noc", State: store.PostLive, CreatedAt: d.CreatedAt, Pending: true, GathersUntil: d.GathersUntil, GathersBelow: alert.Disaster, Joined: 2, Open: true, Behind: true, BehindSince: t0}, d)
	require.WithinDuration(t, now.Add(time.Hour), d.GathersUntil, time.Millisecond)

	severe, held, changed, over, late := post("3", "noc", 1), post("4", "noc", 1), post("6", "noc", 2), post("7", "noc", 1), post("8", "noc", 1)
	severe.Severity, held.HoldUntil, over.Open, late.TellAfter = alert.Disaster, now, false, now
	posts := comes(severe, post("9", "noc", 1), held, changed, over, late, post("9", "db", 1), post("1", "noc", 1))
	for i, p := range posts {
		took := i == 1
		require.Equal(t, took, p.Digest == d.ID, "%+v", p)
		require.Equal(t, took, p.Delivered == 1, "%+v", p)
	}
	require.ElementsMatch(t, []alert.Key{key("1"), key("2"), key("9")}, must(s.DigestKeys(t.Context(), d.ID))(t))
	require.Equal(t, 3, must(s.Digest(t.Context(), d.ID))(t).Joined, "who was there already isn't counted again")
	require.Len(t, must(s.PendingPosts(t.Context(), nil, time.Time{}))(t), 6)
	require.Len(t, must(s.PendingDigests(t.Context(), "noc"))(t), 1)
	for _, p := range must(s.DigestPosts(t.Context(), d.ID, false))(t) {
		if p.Key == key("1") {
			continue // which somebody put there
		}
		require.Equal(t, 1, p.ToldSeq)
		require.Equal(t, p.Desired, p.Delivered)
		require.Zero(t, p.DirtySince)
	}

	// Nor is what somebody acted on as it became known, nor one whose problem was known before.
	acted := problem("13", alert.StateOpen)
	acted.Timeline = append(acted.Timeline, alert.Entry{Seq: 2, Kind: alert.EntryUpdate, At: t0, Update: &alert.Update{Message: "on it"}})
	posts = []store.Post{post("13", "noc", 1), post("14", "noc", 1)}
	fold(t, s, store.Fold{Problems: []alert.Problem{acted}, Posts: posts})
	require.Zero(t, posts[0].Digest)
	require.Zero(t, posts[1].Digest)

	// Shown, it is quiet, until one of them changes: the digest is behind again.
	d = must(s.Digest(t.Context(), d.ID))(t)
	d.MessageID, d.Pending, d.Shown = "M", false, d.Joined
	comes(post("meanwhile", "noc", 1))
	require.NoError(t, s.SaveDigest(t.Context(), d, []store.Shown{{Key: key("1"), Revision: 1, Seq: 1}}))
	require.Len(t, must(s.PendingDigests(t.Context(), "noc"))(t), 1, "of one that joined since it was read it doesn't tell")
	d = must(s.Digest(t.Context(), d.ID))(t)
	d.Pending, d.Shown = false, d.Joined
	require.NoError(t, s.SaveDigest(t.Context(), d, nil))
	require.Empty(t, must(s.PendingDigests(t.Context(), "noc"))(t))
	fold(t, s, store.Fold{Posts: []store.Post{post("2", "noc", 2)}})
	require.Len(t, must(s.DigestPosts(t.Context(), d.ID, true))(t), 1)
	require.Len(t, must(s.PendingDigests(t.Context(), "noc"))(t), 1)

	// A newer digest gathers instead, or nobody; and what was over is over.
	_, _, err = s.JoinDigest(t.Context(), store.Digest{Room: "noc"}, []alert.Key{key("6")}, now)
	require.NoError(t, err)
	comes(post("10", "noc", 1))
	require.Len(t, must(s.PendingPosts(t.Context(), nil, time.Time{}))(t), 8)
	newest := must(s.NewestDigest(t.Context(), "noc", ""))(t)
	for until, took := range map[time.Time]int{now.Add(-time.Second): 0, now.Add(time.Hour): 1} {
		newest.GathersUntil, newest.GathersBelow = until, alert.Disaster
		require.NoError(t, s.SaveDigest(t.Context(), newest, nil))
		before := must(s.Digest(t.Context(), newest.ID))(t).Joined
		comes(post(fmt.Sprint("until-", took), "noc", 1))
		require.Equal(t, before+took, must(s.Digest(t.Context(), newest.ID))(t).Joined)
	}
	newest.State = store.PostDead
	require.NoError(t, s.SaveDigest(t.Context(), newest, nil))
	posts = comes(post("11", "noc", 1))
	require.Equal(t, d.ID, posts[0].Digest, "the newest that lives")

	// What a digest is still to tell isn't pruned, nor is the digest.
	fold(t, s, store.Fold{Problems: []alert.Problem{problem("12", alert.StateOpen)}, Posts: []store.Post{post("12", "noc", 1)}})
	fold(t, s, store.Fold{Problems: []alert.Problem{problem("12", alert.StateResolved)}})
	future := time.Now().Add(time.Hour)
	require.Zero(t, must(s.Prune(t.Context(), t0, future, t0, 10))(t))
	d = must(s.Digest(t.Context(), d.ID))(t)
	d.Pending = false
	require.NoError(t, s.SaveDigest(t.Context(), d, nil))
	require.Equal(t, 2, must(s.Prune(t.Context(), t0, future, t0, 10))(t), "a problem and its post")
}

// A digest that Webex refused is a dead letter with all of its posts; it is
// replayed or dropped as one. It goes with the last of its posts.
func testDeadDigests(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	a, b := post("1", "noc", 1), post("2", "noc", 1)
	fold(t, s, store.Fold{Problems: []alert.Problem{problem("1", alert.StateResolved), problem("2", alert.StateResolved)}, Posts: []store.Post{a, b}})
	d, _, err := s.JoinDigest(t.Context(), store.Digest{Room: "noc"}, []alert.Key{key("1"), key("2")}, t0)
	require.NoError(t, err)
	d.State, d.LastError, d.TrackingID, d.DeadAt = store.PostDead, "404 Not Found", "T1", t0
	require.NoError(t, s.SaveDigest(t.Context(), d, nil))
	require.Zero(t, stats(t, s).PostsPending)
	require.Zero(t, stats(t, s).OldestPending)
	require.EqualValues(t, 1, stats(t, s).DeadDigests)
	require.Zero(t, stats(t, s).DeadPosts)
	letters := must(s.DeadLetters(t.Context()))(t)
	require.Len(t, letters, 1)
	same(t, store.DeadLetter{ID: "digest:1", DigestID: d.ID, Room: "noc", Reason: "404 Not Found", TrackingID: "T1", At: t0}, letters[0])

	require.NoError(t, s.ReplayDead(t.Context(), "digest:1"))
	require.EqualValues(t, 1, stats(t, s).PostsPending)
	future := time.Now().Add(time.Hour)
	require.Zero(t, must(s.Prune(t.Context(), t0, future, t0, 10))(t), "it is still to be told")
	require.ErrorIs(t, s.ReplayDead(t.Context(), "digest:1"), store.ErrNotFound, "it is live")

	d = must(s.Digest(t.Context(), d.ID))(t)
	d.MessageID, d.Pending = "M", false
	require.NoError(t, s.SaveDigest(t.Context(), d, []store.Shown{{Key: key("1"), Revision: 1}, {Key: key("2"), Revision: 1}}))
	require.Equal(t, 5, must(s.Prune(t.Context(), t0, future, t0, 10))(t), "problems, posts, and the digest that is over")

	fold(t, s, store.Fold{Posts: []store.Post{a}})
	d, _, err = s.JoinDigest(t.Context(), store.Digest{Room: "noc"}, []alert.Key{key("1")}, t0)
	require.NoError(t, err)
	require.EqualValues(t, 2, d.ID, "no number is given twice")
	d.State = store.PostDead
	require.NoError(t, s.SaveDigest(t.Context(), d, nil))
	require.NoError(t, s.DropDead(t.Context(), "digest:2"))
	require.Empty(t, must(s.DeadLetters(t.Context()))(t))
	require.Empty(t, must(s.PostsOf(t.Context(), []alert.Key{key("1")}))(t))
	require.ErrorIs(t, s.DropDead(t.Context(), "digest:2"), store.ErrNotFound)
}

// A list that a digest's thread refused is a dead letter, and the digest lives: replayed, the list
// is owed again; dropped, or with the digest's own letter, it is no more.
func testDeadLists(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	fold(t, s, store.Fold{Problems: []alert.Problem{problem("1", alert.StateOpen)}, Posts: []store.Post{post("1", "noc", 1)}})
	d, _, err := s.JoinDigest(t.Context(), store.Digest{Room: "noc"}, []alert.Key{key("1")}, t0)
	require.NoError(t, err)
	die := func() {
		d.MessageID, d.Pending, d.Shown, d.Listed, d.SpokeAt = "M", false, 1, 1, t0
		d.ListDeadAt, d.ListError, d.ListTrackingID = t0.Add(time.Minute), "400 Bad Request", "T1"
		require.NoError(t, s.SaveDigest(t.Context(), d, []store.Shown{{Key: key("1"), Revision: 1}}))
	}
	die()
	letter := store.DeadLetter{ID: "list:1", DigestID: d.ID, List: true, Room: "noc", Reason: "400 Bad Request", TrackingID: "T1", At: d.ListDeadAt}
	require.Equal(t, []store.DeadLetter{letter}, must(s.DeadLetters(t.Context()))(t))
	require.EqualValues(t, 1, stats(t, s).DeadLists)
	require.Zero(t, stats(t, s).DeadDigests)
	require.Zero(t, stats(t, s).PostsPending)
	require.ErrorIs(t, s.ReplayDead(t.Context(), "digest:1"), store.ErrNotFound, "it lives")
	require.ErrorIs(t, s.DropDead(t.Context(), "digest:1"), store.ErrNotFound)
	require.ErrorIs(t, s.DropDead(t.Context(), "list:2"), store.ErrNotFound)

	require.NoError(t, s.ReplayDead(t.Context(), "list:1"))
	require.ErrorIs(t, s.ReplayDead(t.Context(), "list:1"), store.ErrNotFound)
	require.EqualValues(t, 1, stats(t, s).PostsPending)
	require.WithinDuration(t, time.Now(), stats(t, s).OldestPending, time.Hour)
	got := must(s.Digest(t.Context(), d.ID))(t)
	require.Zero(t, got.Listed)
	require.True(t, got.Pending)
	require.True(t, got.ListDeadAt.IsZero() && got.ListError == "" && got.ListTrackingID == "")

	die()
	require.NoError(t, s.DropDead(t.Context(), "list:1"))
	require.Empty(t, must(s.DeadLetters(t.Context()))(t))
	require.Equal(t, 1, must(s.Digest(t.Context(), d.ID))(t).Listed, "it isn't owed any more")
	require.Zero(t, stats(t, s).PostsPending)
}
