package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

var cursor = store.Cursor{
	State: store.PostLive, Delivered: 2, Shown: 3, ToldSeq: 4, RootID: "ROOT", RootHash: "HASH", CardID: "CARD", CardActions: "ack close", Edits: 5,
	Attempts: 7, NotBefore: t0.Add(time.Second), LastError: "429 Too Many Requests", TrackingID: "T1", DeliveredAt: t0.Add(time.Minute),
}

// claim claims a post.
func claim(t testing.TB, s store.Store, id, room string) {
	t.Helper()
	require.True(t, must(s.ClaimPost(t.Context(), key(id), room))(t))
}

// save claims a post and writes its cursor.
func save(t testing.TB, s store.Store, id, room string, c store.Cursor) {
	t.Helper()
	claim(t, s, id, room)
	require.NoError(t, s.SavePost(t.Context(), key(id), room, c))
}

// onePost reads a post.
func onePost(t testing.TB, s store.Store, id, room string) store.Post {
	t.Helper()
	for _, p := range must(s.PostsOf(t.Context(), []alert.Key{key(id)}))(t)[key(id)] {
		if p.Room == room {
			return p
		}
	}
	t.Fatalf("no post of %s in %s", id, room)
	return store.Post{}
}

// Only an open problem's card with buttons counts, and each room once.
func testCardRooms(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	require.Empty(t, must(s.CardRooms(t.Context()))(t))
	resolved := post("3", "resolved", 9)
	resolved.Open = false
	fold(t, s, store.Fold{Posts: []store.Post{post("1", "noc", 9), post("2", "noc", 9), post("1", "db", 9), post("1", "dead", 9), post("1", "lines", 9), post("1", "fresh", 9), resolved}})
	dead, line := cursor, cursor
	dead.State, line.CardActions = store.PostDead, ""
	save(t, s, "1", "noc", cursor)
	save(t, s, "2", "noc", cursor)
	save(t, s, "1", "db", cursor)
	save(t, s, "1", "dead", dead)
	save(t, s, "1", "lines", line)
	save(t, s, "3", "resolved", cursor)
	require.Equal(t, []string{"db", "noc"}, must(s.CardRooms(t.Context()))(t))
}

// The ledger and delivery write the same post without overwriting each other.
func testPosts(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	p := post("1", "noc", 3)
	p.HoldUntil = t0.Add(2 * time.Minute)
	p.Cursor = cursor // ignored
	fold(t, s, store.Fold{Posts: []store.Post{p, post("1", "db", 3), post("2", "noc", 1)}})
	p.Cursor = store.Cursor{State: store.PostLive}
	same(t, p, onePost(t, s, "1", "noc"))
	require.True(t, p.Fresh())
	require.ErrorIs(t, s.SavePost(t.Context(), key("1"), "noc", cursor), store.ErrNotFound, "not claimed")
	save(t, s, "1", "noc", cursor)
	require.ErrorIs(t, s.SavePost(t.Context(), key("1"), "nowhere", cursor), store.ErrNotFound)

	// The ledger read the post before that, and writes it now: the cursor stays.
	p.Desired, p.Severity, p.Open, p.Route, p.HoldUntil, p.OpenedAt = 5, alert.Disaster, false, "route 2", time.Time{}, t0.Add(-time.Hour)
	p.ReceivedAt = t0.Add(-time.Minute)
	p.JoinedAt, p.TellAfter, p.RemindAt, p.EscalateAt, p.LookAt, p.Escalated = t0, t0.Add(time.Minute), t0.Add(time.Hour), t0.Add(time.Second), t0.Add(2*time.Second), 2
	p.Opening, p.GroupRevision, p.Lines, p.LeftGroup, p.LeftRevision, p.FromSeq = -1<<62, 6, []store.Line{{Seq: 7, N: 8}}, 3, 4, 2
	p.Causes = []store.Cause{{Trace: trace, At: t0}, {Trace: trace, At: t0.Add(time.Microsecond)}}
	fold(t, s, store.Fold{Posts: []store.Post{p}})
	require.NoError(t, s.Close())
	s = open(t, dir)
	got := must(s.PostsOf(t.Context(), []alert.Key{key("1"), key("1"), key("9")}))(t)
	require.Len(t, got, 1)
	require.Len(t, got[key("1")], 2)
	p.Cursor, p.Claimed = cursor, true
	same(t, p, onePost(t, s, "1", "noc"))
	require.False(t, onePost(t, s, "1", "noc").Fresh())
	require.Empty(t, must(s.PostsOf(t.Context(), nil))(t))
}

// DuePosts returns the posts that the ledger wants to look at again, longest due first.
func testDuePosts(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	due := func(id string, remind, escalate time.Time) store.Post {
		p := post(id, "noc", 1)
		p.RemindAt, p.EscalateAt = remind, escalate
		if id == "5" {
			p.LookAt, p.RemindAt = remind, escalate
		}
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

	// A post that the ledger has handled is no longer due.
	fold(t, s, store.Fold{Posts: []store.Post{due("5", never, never), due("2", t0.Add(time.Hour), never)}})
	require.Equal(t, []string{"1"}, ids(third, 10))
}

// A claimed post is pending exactly while it is live and not delivered, whoever wrote last. A fresh
// one is pending if the ledger says so.
func testPending(t *testing.T, open Opener) {
	later, latest, never := t0.Add(time.Minute), t0.Add(time.Hour), time.Time{}
	type step func(t *testing.T, s store.Store)
	write := func(revision int64, since time.Time, claimed bool) step {
		return func(t *testing.T, s store.Store) {
			p := post("1", "noc", revision)
			p.PendingSince, p.Claimed = since, claimed
			fold(t, s, store.Fold{Posts: []store.Post{p}})
		}
	}
	ledger := func(revision int64, since time.Time) step { return write(revision, since, false) }
	delivery := func(c store.Cursor) step {
		return func(t *testing.T, s store.Store) { require.NoError(t, s.SavePost(t.Context(), key("1"), "noc", c)) }
	}
	delivered := func(revision int64) step {
		return delivery(store.Cursor{State: store.PostLive, Delivered: revision, DeliveredAt: later})
	}
	claims := func(t *testing.T, s store.Store) { claim(t, s, "1", "noc") }
	now := time.Unix(1, 0) // stands for the store's clock
	for name, c := range map[string]struct {
		steps []step
		since time.Time
	}{
		"new":                                    {[]step{ledger(1, t0)}, t0},
		"new, not to be posted":                  {[]step{ledger(1, never)}, never},
		"released":                               {[]step{ledger(1, never), ledger(1, later)}, later},
		"pending already":                        {[]step{ledger(1, t0), ledger(2, later)}, t0},
		"withdrawn":                              {[]step{ledger(1, t0), ledger(2, never)}, never},
		"claimed":                                {[]step{ledger(1, t0), claims}, t0},
		"delivered":                              {[]step{ledger(1, t0), claims, delivered(1)}, never},
		"delivered in part":                      {[]step{ledger(2, t0), claims, delivered(1)}, t0},
		"changed after that":                     {[]step{ledger(1, t0), claims, delivered(1), ledger(2, latest)}, latest},
		"changed, as read before that":           {[]step{ledger(1, t0), claims, delivered(1), ledger(2, t0)}, later},
		"changed, as read when dead":             {[]step{ledger(1, t0), claims, delivered(1), write(2, never, true)}, now},
		"changed, but delivered already":         {[]step{ledger(1, t0), claims, delivered(2), ledger(2, latest)}, never},
		"delivery starts over":                   {[]step{ledger(1, t0), claims, delivered(1), delivered(0)}, now},
		"dead":                                   {[]step{ledger(1, t0), claims, delivery(store.Cursor{State: store.PostDead, DeadAt: t0})}, never},
		"a dead letter stays dead":               {[]step{ledger(1, t0), claims, delivery(store.Cursor{State: store.PostDead, DeadAt: t0}), ledger(2, later)}, never},
		"held in a burst: its time lies ahead":   {[]step{ledger(1, latest)}, latest},
		"claimed, and claimed again by somebody": {[]step{ledger(1, t0), claims, claims}, t0},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			for _, do := range c.steps {
				do(t, s)
			}
			p := onePost(t, s, "1", "noc")
			if c.since == now {
				require.WithinDuration(t, time.Now(), p.PendingSince, time.Hour)
			} else {
				require.Equal(t, c.since, p.PendingSince)
			}
			require.Equal(t, !c.since.IsZero(), p.Pending())
			want := 0
			if p.Pending() {
				want = 1
			}
			require.Len(t, must(s.PendingPosts(t.Context(), []string{"noc"}, time.Time{}))(t), want)
			require.EqualValues(t, want, stats(t, s).PostsPending)
		})
	}
}

// Only a fresh pending post can be claimed; a post that was claimed stays so.
func testClaimPost(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	withdrawn, grouped := post("2", "noc", 1), post("3", "noc", 1)
	withdrawn.PendingSince = time.Time{}
	grouped.Group, grouped.PendingSince = -1, time.Time{}
	fold(t, s, store.Fold{Posts: []store.Post{post("1", "noc", 1), withdrawn, grouped}, Groups: []store.Group{{ID: -1, Room: "noc", Kind: store.GroupStorm, Joined: 1, Revision: 1}}})
	for id, want := range map[string]bool{"1": true, "2": false, "3": false, "4": false} {
		for range 2 {
			require.Equal(t, want, must(s.ClaimPost(t.Context(), key(id), "noc"))(t), id)
		}
	}
	require.True(t, onePost(t, s, "1", "noc").Claimed)
	require.Equal(t, store.Cursor{State: store.PostLive}, onePost(t, s, "1", "noc").Cursor)
	require.NoError(t, s.SavePost(t.Context(), key("1"), "noc", store.Cursor{State: store.PostLive, Delivered: 1}))
	require.True(t, must(s.ClaimPost(t.Context(), key("1"), "noc"))(t), "it has its cursor")
	require.EqualValues(t, 1, onePost(t, s, "1", "noc").Delivered)
}

// PendingPosts returns the pending posts of the rooms asked for, longest pending first.
func testPendingPosts(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	older := post("2", "noc", 1)
	older.PendingSince = t0.Add(-time.Minute)
	fold(t, s, store.Fold{Posts: []store.Post{post("1", "noc", 1), older, post("3", "db", 1), post("4", "noc", 1), post("5", "noc", 1)}})
	save(t, s, "4", "noc", store.Cursor{State: store.PostLive, Delivered: 1})
	save(t, s, "5", "noc", store.Cursor{State: store.PostDead, DeadAt: t0})

	pending := func(rooms ...string) (all []string) {
		for _, p := range must(s.PendingPosts(t.Context(), rooms, time.Time{}))(t) {
			require.True(t, p.Pending())
			all = append(all, p.Key.EventID)
		}
		return all
	}
	require.Equal(t, []string{"2", "1"}, pending("noc"))
	require.ElementsMatch(t, []string{"2", "1", "3"}, pending("noc", "db", "noc"))
	require.Equal(t, []string{"2", "1", "3"}, pending()) // nil: every room
	require.Empty(t, must(s.PendingPosts(t.Context(), []string{}, time.Time{}))(t))
	require.Empty(t, pending("nowhere"))
	require.EqualValues(t, 3, stats(t, s).PostsPending)

	// Posts that aren't due yet can be left out.
	burst := post("6", "ops", 1)
	burst.PendingSince = t0.Add(time.Hour)
	fold(t, s, store.Fold{Posts: []store.Post{burst, post("7", "ops", 1), post("8", "ops", 1)}})
	save(t, s, "7", "ops", store.Cursor{State: store.PostLive, NotBefore: t0.Add(time.Hour)})
	for _, rooms := range [][]string{{"ops"}, nil} {
		due := func(before time.Time) (all []string) {
			for _, p := range must(s.PendingPosts(t.Context(), rooms, before))(t) {
				if p.Room == "ops" {
					all = append(all, p.Key.EventID)
				}
			}
			return all
		}
		require.Equal(t, []string{"8"}, due(t0.Add(time.Hour-time.Microsecond)))
		require.ElementsMatch(t, []string{"6", "7", "8"}, due(t0.Add(time.Hour)))
		require.Len(t, due(time.Time{}), 3)
	}
}
