package storetest

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// member returns a post in a group.
func member(id, room string, group int64) store.Post {
	p := post(id, room, 1)
	p.Group, p.PendingSince, p.JoinedAt = group, time.Time{}, t0
	return p
}

// storm returns a new group with this number of posts.
func storm(room string, joined int) store.Group {
	return store.Group{ID: -1, Room: room, Kind: store.GroupStorm, OpenedAt: t0, JoinedAt: t0, Joined: joined, Revision: 1, PendingSince: t0}
}

// makeGroup commits a storm group of these posts and returns it.
func makeGroup(t testing.TB, s store.Store, room string, ids ...string) store.Group {
	t.Helper()
	f := store.Fold{Groups: []store.Group{storm(room, len(ids))}}
	for _, id := range ids {
		f.Posts = append(f.Posts, member(id, room, -1))
	}
	fold(t, s, f)
	all := must(s.PendingGroups(t.Context(), room))(t)
	return all[len(all)-1]
}

// show saves that a group's message shows its current revision.
func show(t testing.TB, s store.Store, g store.Group) {
	t.Helper()
	c := g.GroupCursor
	c.State, c.MessageID, c.Shown, c.Complete = store.PostLive, "DIGEST", g.Revision, true
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
}

// leave moves members out of a group, as the ledger does.
func leave(t testing.TB, s store.Store, id int64, members ...string) {
	t.Helper()
	g := must(s.Group(t.Context(), id))(t)
	g.Left += len(members)
	g.Revision++
	var posts []store.Post
	for _, m := range members {
		p := post(m, g.Room, 2)
		p.LeftGroup, p.LeftRevision, p.FromSeq = g.ID, g.Revision, 1
		posts = append(posts, p)
	}
	fold(t, s, store.Fold{Groups: []store.Group{g}, Posts: posts})
}

// The ledger and delivery write the same group without overwriting each other; every field is kept.
func testGroups(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := open(t, dir)
	new1 := store.Group{ID: -7, Room: "noc", Kind: store.GroupFlap, Name: "-4611686018427387904", OpenedAt: t0, JoinedAt: t0.Add(time.Second), Joined: 2, JoinedRevision: 1,
		LeftRevision: 7, Revision: 1, Lines: 8, LinesAt: t0.Add(time.Minute), LinesSince: t0.Add(2 * time.Minute), LeftAt: t0.Add(time.Hour), LeftBurst: 3, PendingSince: t0.Add(time.Second)}
	groups := []store.Group{new1, {ID: -1, Room: "db", Kind: store.GroupStorm, Joined: 1, Revision: 1}}
	posts := []store.Post{member("1", "noc", -7), member("2", "noc", -7), member("1", "db", -1)}
	posts[1].Open = false
	fold(t, s, store.Fold{Groups: groups, Posts: posts})
	require.EqualValues(t, -7, groups[0].ID, "the caller's values don't change")
	require.EqualValues(t, -7, posts[0].Group)

	p := onePost(t, s, "1", "noc")
	g := must(s.Group(t.Context(), p.Group))(t)
	want := new1
	want.ID, want.State, want.Open = p.Group, store.PostLive, true
	same(t, want, g)
	require.True(t, g.Pending())
	require.False(t, p.Fresh())
	require.NotEqual(t, p.Group, onePost(t, s, "1", "db").Group)
	require.Empty(t, must(s.PendingPosts(t.Context(), nil, time.Time{}))(t))
	require.EqualValues(t, 2, stats(t, s).PostsPending, "two groups")

	c := store.GroupCursor{State: store.PostLive, MessageID: "DIGEST", Hash: "H", Complete: true, Edits: 2, Shown: 1, SaysResolved: true, Listed: 4,
		Notified: 6, Down: true, LinesPosted: 7, SpokeAt: t0.Add(3 * time.Second), Reroute: true,
		Attempts: 5, NotBefore: t0.Add(4 * time.Second), LastError: "503", TrackingID: "T1", DeadAt: t0.Add(5 * time.Second),
		ListDeadAt: t0.Add(6 * time.Second), ListError: "400", ListTrackingID: "T2"}
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.NoError(t, s.Close())
	s = open(t, dir)
	want.GroupCursor = c
	same(t, want, must(s.Group(t.Context(), g.ID))(t))
	same(t, want, must(s.GroupByMessage(t.Context(), "DIGEST"))(t))

	// The ledger read the group before that, and writes it now: the cursor stays.
	g.JoinedAt, g.Joined, g.JoinedRevision, g.Left, g.LeftRevision, g.Revision = t0.Add(2*time.Hour), 3, 2, 1, 3, 2
	g.Lines, g.LinesAt, g.LinesSince, g.LeftAt, g.LeftBurst = 9, t0.Add(3*time.Hour), t0.Add(5*time.Hour), t0.Add(4*time.Hour), 5
	fold(t, s, store.Fold{Groups: []store.Group{g}})
	want = g
	want.GroupCursor = c
	same(t, want, must(s.Group(t.Context(), g.ID))(t))

	require.Len(t, must(s.GroupPosts(t.Context(), g.ID))(t), 2)
	for _, id := range []string{"", "OTHER"} {
		_, err := s.GroupByMessage(t.Context(), id)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
	_, err := s.Group(t.Context(), 99)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, s.SaveGroup(t.Context(), 99, c), store.ErrNotFound)
	require.Empty(t, must(s.GroupPosts(t.Context(), 0))(t))
}

// A group is pending while its message doesn't show its revision, and while its thread lacks a list, a line or that an
// opening stays down; a dead one only while its problems are to be rerouted. Its time stays until then.
func testPendingGroups(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	g := makeGroup(t, s, "noc", "1", "2")
	pending := func() bool {
		t.Helper()
		all := must(s.PendingGroups(t.Context(), "noc"))(t)
		require.Equal(t, all, must(s.PendingGroups(t.Context(), ""))(t))
		require.Empty(t, must(s.PendingGroups(t.Context(), "db"))(t))
		now := must(s.Group(t.Context(), g.ID))(t)
		require.Equal(t, len(all) > 0, now.Pending())
		require.Equal(t, now.Pending(), !now.PendingSince.IsZero())
		require.EqualValues(t, len(all), stats(t, s).PostsPending)
		return len(all) > 0
	}
	raise := func(since time.Time) {
		now := must(s.Group(t.Context(), g.ID))(t)
		now.Revision++
		now.PendingSince = since
		fold(t, s, store.Fold{Groups: []store.Group{now}})
	}
	require.True(t, pending())
	require.Equal(t, t0, stats(t, s).OldestPending)
	raise(t0.Add(time.Hour)) // revision 2
	require.Equal(t, t0, must(s.Group(t.Context(), g.ID))(t).PendingSince, "it was pending already")

	c := store.GroupCursor{State: store.PostLive, MessageID: "DIGEST", Complete: true, Shown: 1}
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.True(t, pending(), "the revision was raised while the message was posted")
	c.Shown, c.Down = 2, true
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.True(t, pending(), "an opening that stays down")
	c.Down, c.Complete = false, false
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.True(t, pending(), "a list")
	c.Listed = 2
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.False(t, pending())
	lined := must(s.Group(t.Context(), g.ID))(t)
	lined.Revision, lined.Lines, lined.PendingSince = 3, 4, t0.Add(90*time.Minute)
	fold(t, s, store.Fold{Groups: []store.Group{lined}})
	c.Shown, c.LinesPosted = 3, 3
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.True(t, pending(), "a line")
	c.LinesPosted = 4
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.False(t, pending())
	raise(t0.Add(2 * time.Hour)) // revision 4
	require.True(t, pending())
	require.Equal(t, t0.Add(2*time.Hour), stats(t, s).OldestPending)
	c.State, c.DeadAt = store.PostDead, t0
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.False(t, pending())
	raise(t0)
	require.False(t, pending(), "a dead letter stays dead")
	c.Reroute = true
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.True(t, pending(), "a dead letter whose problems are to be rerouted")
	c.Reroute = false
	require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
	require.False(t, pending())

	// A change of a member without a changed headline raises no revision.
	other := makeGroup(t, s, "noc", "3")
	show(t, s, other)
	p := onePost(t, s, "3", "noc")
	p.Desired = 9
	fold(t, s, store.Fold{Posts: []store.Post{p}})
	require.Empty(t, must(s.PendingGroups(t.Context(), ""))(t))
	require.Empty(t, must(s.PendingPosts(t.Context(), nil, time.Time{}))(t))
}

// A member leaves for a message of its own, and GroupLeavers returns the posts that left after a revision.
func testLeavers(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	g := makeGroup(t, s, "noc", "1", "2", "3", "4")
	show(t, s, g)
	leave(t, s, g.ID, "1", "2")
	leave(t, s, g.ID, "3")
	leavers := func(after int64) (ids []string) {
		for _, p := range must(s.GroupLeavers(t.Context(), g.ID, after))(t) {
			ids = append(ids, p.Key.EventID)
		}
		return ids
	}
	require.Equal(t, []string{"1", "2", "3"}, leavers(g.Revision))
	require.Equal(t, []string{"3"}, leavers(g.Revision+1))
	require.Empty(t, leavers(g.Revision+2))
	require.Empty(t, must(s.GroupLeavers(t.Context(), 0, 0))(t))
	now := must(s.Group(t.Context(), g.ID))(t)
	require.True(t, now.Pending())
	require.Equal(t, 3, now.Left)
	require.Len(t, must(s.GroupPosts(t.Context(), g.ID))(t), 1)
	p := onePost(t, s, "1", "noc")
	require.True(t, p.Pending() && p.Fresh())
	require.Equal(t, 1, p.FromSeq)
	claim(t, s, "1", "noc")
}

// A fold whose groups and posts no longer match the store is a conflict, and writes nothing.
func testGroupConflicts(t *testing.T, open Opener) {
	withdrawn := post("9", "noc", 2)
	withdrawn.PendingSince = time.Time{}
	claimed := withdrawn
	claimed.Claimed = true
	claims := func(t *testing.T, s store.Store, _ store.Group) { claim(t, s, "9", "noc") }
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, s store.Store, g store.Group)
		fold      func(g store.Group) store.Fold
		want      error // nil: it commits
	}{
		"nothing": {nil, func(g store.Group) store.Fold {
			g.Joined++
			return store.Fold{Groups: []store.Group{g}, Posts: []store.Post{member("9", "noc", g.ID)}}
		}, nil},
		"a post is withdrawn":                       {nil, func(store.Group) store.Fold { return store.Fold{Posts: []store.Post{withdrawn}} }, nil},
		"a post that is withdrawn was claimed":      {claims, func(store.Group) store.Fold { return store.Fold{Posts: []store.Post{withdrawn}} }, store.ErrConflict},
		"a post that is withdrawn was read claimed": {claims, func(store.Group) store.Fold { return store.Fold{Posts: []store.Post{claimed}} }, nil},
		"a post that stays pending was claimed":     {claims, func(store.Group) store.Fold { return store.Fold{Posts: []store.Post{post("9", "noc", 2)}} }, nil},
		"a post that is withdrawn under another key was claimed": {claims, func(store.Group) store.Fold {
			p := withdrawn
			p.Key = key("9~1")
			return store.Fold{Moved: []store.Move{{From: key("9"), To: p.Key}}, Posts: []store.Post{p}}
		}, store.ErrConflict},
		"the key that a claimed post had is withdrawn": {claims, func(store.Group) store.Fold {
			return store.Fold{Moved: []store.Move{{From: key("9"), To: key("9~1")}}, Posts: []store.Post{withdrawn}}
		}, nil},
		"the post was claimed": {claims, func(g store.Group) store.Fold {
			g.Joined++
			return store.Fold{Groups: []store.Group{g}, Posts: []store.Post{member("8", "noc", g.ID), member("9", "noc", g.ID)}}
		}, store.ErrConflict},
		"the post was claimed in another room": {func(t *testing.T, s store.Store, g store.Group) { claim(t, s, "9", "db") }, func(g store.Group) store.Fold {
			g.Joined++
			return store.Fold{Groups: []store.Group{g}, Posts: []store.Post{member("9", "noc", g.ID)}}
		}, nil},
		"the group is dead": {func(t *testing.T, s store.Store, g store.Group) {
			require.NoError(t, s.SaveGroup(t.Context(), g.ID, store.GroupCursor{State: store.PostDead, DeadAt: t0}))
		}, func(g store.Group) store.Fold {
			g.Joined++
			return store.Fold{Groups: []store.Group{g}, Posts: []store.Post{member("9", "noc", g.ID)}}
		}, store.ErrConflict},
		"the group is dead, and nobody joins": {func(t *testing.T, s store.Store, g store.Group) {
			require.NoError(t, s.SaveGroup(t.Context(), g.ID, store.GroupCursor{State: store.PostDead, DeadAt: t0}))
		}, func(g store.Group) store.Fold {
			g.Revision++
			return store.Fold{Groups: []store.Group{g}}
		}, nil},
		"the group was dropped": {func(t *testing.T, s store.Store, g store.Group) {
			require.NoError(t, s.SaveGroup(t.Context(), g.ID, store.GroupCursor{State: store.PostDead, DeadAt: t0}))
			require.NoError(t, s.DropDead(t.Context(), "digest:"+strconv.FormatInt(g.ID, 10)))
		}, func(g store.Group) store.Fold { return store.Fold{Groups: []store.Group{g}} }, store.ErrConflict},
		"a post in a group that isn't in the fold": {nil, func(g store.Group) store.Fold {
			return store.Fold{Posts: []store.Post{member("9", "noc", -3)}}
		}, store.ErrRejected},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			g := makeGroup(t, s, "noc", "1")
			fold(t, s, store.Fold{Posts: []store.Post{post("9", "noc", 1), post("9", "db", 1)}})
			if c.meanwhile != nil {
				c.meanwhile(t, s, g)
			}
			f := c.fold(g)
			f.Problems = []alert.Problem{problem("9", alert.StateOpen)}
			err := s.CommitFold(t.Context(), f)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.want)
			require.Empty(t, must(s.Problems(t.Context(), []alert.Key{key("9")}))(t))
			require.Zero(t, onePost(t, s, "9", "noc").Group)
			require.True(t, onePost(t, s, "9", "noc").Pending())
		})
	}
}

// Grouping returns the data of the rooms asked for, and of no other.
func testGrouping(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	at := func(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }
	joined := func(id string, seconds int, change func(*store.Post)) store.Post {
		p := post(id, "noc", 1)
		p.JoinedAt, p.PendingSince, p.OpenedAt = at(seconds), at(seconds), at(seconds)
		if change != nil {
			change(&p)
		}
		return p
	}
	opening := func(n int64) func(*store.Post) { return func(p *store.Post) { p.Opening = n } }
	group := func(id int64, kind store.GroupKind, name string, seconds int) store.Group {
		return store.Group{ID: id, Room: "noc", Kind: kind, Name: name, OpenedAt: at(seconds), Joined: 1, Revision: 1}
	}
	elsewhere := joined("1", 9, opening(77)) // within the window, in another room
	elsewhere.Room = "db"
	otherStorm := group(-9, store.GroupStorm, "", 0)
	otherStorm.Room = "db"
	fold(t, s, store.Fold{
		Groups: []store.Group{
			group(-1, store.GroupStorm, "", 1), group(-2, store.GroupStorm, "", 2), group(-3, store.GroupStorm, "", 3), // the newest of which dies
			group(-4, store.GroupFlap, "77", 4), group(-5, store.GroupFlap, "77", 5), group(-6, store.GroupFlap, "88", 6), otherStorm,
		},
		Posts: []store.Post{
			joined("old", 0, nil), joined("2", 3, nil), joined("3", 2, nil),
			joined("severe", 4, func(p *store.Post) { p.Severity = alert.Disaster }),
			joined("claimed", 5, nil),
			joined("held", 6, func(p *store.Post) { p.PendingSince = time.Time{} }),
			joined("open", 7, opening(77)),
			joined("resolved", 8, func(p *store.Post) { p.Opening, p.Open = 77, false }),
			joined("grouped", 9, func(p *store.Post) { p.Opening, p.Group, p.PendingSince = 88, -6, time.Time{} }),
			elsewhere,
		},
	})
	claim(t, s, "claimed", "noc")
	newest := func(kind store.GroupKind, name string) (last store.Group) {
		for _, g := range must(s.PendingGroups(t.Context(), "noc"))(t) {
			if g.Kind == kind && g.Name == name {
				last = g
			}
		}
		return last
	}
	dead := newest(store.GroupStorm, "")
	require.NoError(t, s.SaveGroup(t.Context(), dead.ID, store.GroupCursor{State: store.PostDead, DeadAt: t0}))
	ask := store.GroupingAsk{Room: "noc", Below: alert.Disaster, Since: at(1), BurstSince: at(5), Limit: 100, Openings: []int64{77, 88, 99, 77},
		OpenedAfter: at(7), Groups: []int64{dead.ID, newest(store.GroupFlap, "88").ID, 12345}}
	all := must(s.Grouping(t.Context(), []store.GroupingAsk{ask, {Room: "empty", Limit: 10}, {Room: "db"}}))(t)
	require.Len(t, all, 3)
	got := all["noc"]

	ids := func(posts []store.Post) (ids []string) {
		for _, p := range posts {
			require.True(t, p.Fresh() && p.Pending())
			ids = append(ids, p.Key.EventID)
		}
		return ids
	}
	require.Equal(t, []string{"old", "3", "2", "open", "resolved"}, ids(got.Fresh))
	require.Equal(t, 8, got.Recent)
	require.Equal(t, 4, got.Burst)
	require.Equal(t, 7, got.Behind, "with the severe and the claimed one")
	require.Equal(t, 3, got.NewFlaps)
	var groups []int64
	for _, g := range got.Groups {
		groups = append(groups, g.ID)
		same(t, must(s.Group(t.Context(), g.ID))(t), g)
	}
	require.ElementsMatch(t, []int64{newest(store.GroupStorm, "").ID, newest(store.GroupFlap, "77").ID, newest(store.GroupFlap, "88").ID, dead.ID}, groups)
	same(t, map[int64][]store.Opening{
		77: {{Key: key("resolved"), OpenedAt: at(8)}},
		88: {{Key: key("grouped"), OpenedAt: at(9), Open: true}},
	}, got.Openings)
	same(t, store.RoomGrouping{}, all["empty"])
	same(t, store.RoomGrouping{}, all["db"])

	ask.Limit, ask.Groups, ask.Openings = 2, nil, nil
	got = must(s.Grouping(t.Context(), []store.GroupingAsk{ask}))(t)["noc"]
	require.Equal(t, []string{"old", "3"}, ids(got.Fresh))
	require.Equal(t, []int{2, 2, 2, 2}, []int{got.Recent, got.Burst, got.Behind, got.NewFlaps})

	require.Equal(t, []string{"db", "noc"}, must(s.FreshRooms(t.Context()))(t))
	claim(t, s, "1", "db")
	require.Equal(t, []string{"noc"}, must(s.FreshRooms(t.Context()))(t))
}

// Groups of symptoms are read by their causes' names, and the open posts of those that ended with them.
func testSymptoms(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	group := func(id int64, room string, kind store.GroupKind, name string) store.Group {
		return store.Group{ID: id, Room: room, Kind: kind, Name: name, OpenedAt: t0, Joined: 1, Revision: 1}
	}
	member := func(id, room string, group int64, isOpen bool) store.Post {
		p := post(id, room, 1)
		p.Group, p.Open, p.PendingSince = group, isOpen, time.Time{}
		return p
	}
	fold(t, s, store.Fold{
		Groups: []store.Group{
			group(-1, "noc", store.GroupCause, "main/1"), group(-2, "noc", store.GroupCause, "main/1"), group(-3, "noc", store.GroupCause, "main/2"),
			group(-4, "noc", store.GroupCause, "main/3"), group(-5, "db", store.GroupCause, "main/1"), group(-6, "noc", store.GroupFlap, "main/1"),
		},
		Posts: []store.Post{
			member("11", "noc", -1, true), member("12", "noc", -1, false), member("13", "noc", -2, true), member("14", "noc", -3, true),
			member("15", "noc", -4, true), member("11", "db", -5, true), member("16", "noc", -6, true), post("17", "noc", 1),
		},
	})
	named := func(groups []store.Group) (names []string) {
		for _, g := range groups {
			require.Equal(t, store.GroupCause, g.Kind)
			same(t, must(s.Group(t.Context(), g.ID))(t), g)
			names = append(names, g.Room+" "+g.Name)
		}
		return names
	}
	got := must(s.Grouping(t.Context(), []store.GroupingAsk{{Room: "noc", Causes: []string{"main/2", "main/9"}, Ended: []string{"main/1", "main/8"}}}))(t)["noc"]
	require.ElementsMatch(t, []string{"noc main/1", "noc main/1", "noc main/2"}, named(got.Groups))
	ids := make([]string, len(got.Symptoms))
	for i, p := range got.Symptoms {
		require.Equal(t, "noc", p.Room)
		ids[i] = p.Key.EventID
	}
	require.ElementsMatch(t, []string{"11", "13"}, ids)

	got = must(s.Grouping(t.Context(), []store.GroupingAsk{{Room: "noc", Causes: []string{"main/3"}}}))(t)["noc"]
	require.Equal(t, []string{"noc main/3"}, named(got.Groups))
	require.Empty(t, got.Symptoms)
	got = must(s.Grouping(t.Context(), []store.GroupingAsk{{Room: "noc", Causes: []string{"main/3"}, Ended: []string{"main/9"}}}))(t)["noc"]
	require.Empty(t, got.Symptoms)
	same(t, store.RoomGrouping{}, must(s.Grouping(t.Context(), []store.GroupingAsk{{Room: "empty", Causes: []string{"main/1"}, Ended: []string{"main/1"}}}))(t)["empty"])
}

// A trigger may have thousands of posts: a fold reads the newest of each opening that it asks for.
func testManyOpenings(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	var posts []store.Post
	for _, opening := range []int64{77, 88} {
		for n := range store.MaxOpenings + 20 {
			p := post(fmt.Sprintf("%d-%d", opening, n), "noc", 1)
			p.Opening, p.OpenedAt = opening, t0.Add(time.Duration(n)*time.Second)
			posts = append(posts, p)
		}
	}
	fold(t, s, store.Fold{Posts: posts})
	got := must(s.Grouping(t.Context(), []store.GroupingAsk{{Room: "noc", Openings: []int64{77, 88}, OpenedAfter: t0}}))(t)["noc"]
	for _, opening := range []int64{77, 88} {
		require.Len(t, got.Openings[opening], store.MaxOpenings)
		for _, o := range got.Openings[opening] {
			require.False(t, o.OpenedAt.Before(t0.Add(20*time.Second)), o)
			require.Contains(t, o.Key.EventID, fmt.Sprint(opening))
		}
	}
}

// Members returns the posts of a group with the data of their problems that its message shows.
func testMembers(t *testing.T, open Opener) {
	s := open(t, t.TempDir())
	known := map[string]alert.Problem{"named": problem("named", alert.StateOpen), "unnamed": problem("unnamed", alert.StateOpen), "discovered": problem("discovered", alert.StateOccurred)}
	var f store.Fold
	for id, p := range known {
		p.Name, p.Origin, p.Macros, p.Merge.Problem = "Link down", alert.OriginTrigger, map[string]string{"host.ip": "10.0.0.1"}, true
		p.Hosts, p.Timeline = []alert.Host{{Host: "sw1", Name: "Core"}}, []alert.Entry{{Seq: 1, Key: "opened", Kind: alert.EntryOpened, At: t0}}
		switch id {
		case "unnamed":
			p.Name = ""
		case "discovered":
			p.Origin = alert.OriginDiscovery
		}
		known[id] = p
		f.Problems = append(f.Problems, p)
	}
	for _, id := range []string{"named", "unnamed", "discovered", "missing"} {
		p := post(id, "noc", 1)
		p.JoinedAt, p.OpenedAt, p.Severity, p.Group = t0.Add(time.Minute), t0, alert.High, -1
		f.Posts = append(f.Posts, p)
	}
	f.Groups = []store.Group{{ID: -1, Room: "noc", Kind: store.GroupStorm, OpenedAt: t0, Joined: 4, Revision: 1}}
	for i := range f.Posts {
		f.Posts[i].Route, f.Posts[i].GroupRevision, f.Posts[i].Lines = "db", 5, []store.Line{{Seq: 2, N: 3}, {Seq: 4, N: 6}}
		f.Posts[i].Causes = []store.Cause{{Trace: trace, At: t0}}
		f.Posts[i].ReceivedAt, f.Posts[i].TellAfter = t0.Add(-time.Hour), t0.Add(-time.Minute)
	}
	fold(t, s, f)
	members := must(s.Members(t.Context(), onePost(t, s, "named", "noc").Group))(t)
	require.Len(t, members, 4)
	for _, m := range members {
		require.Equal(t, store.Member{Route: "db", JoinedAt: t0.Add(time.Minute), FirstDue: t0.Add(-time.Minute), GroupRevision: 5, Lines: f.Posts[0].Lines, Causes: f.Posts[0].Causes, Problem: m.Problem}, m)
		want, found := known[m.Problem.Key.EventID]
		if !found {
			want = post("missing", "noc", 1).UnreadableProblem()
			want.Severity, want.OpenedAt = alert.High, t0
		}
		want.Merge = alert.Merge{}
		if want.Name != "" && want.Origin == alert.OriginTrigger {
			want.Macros = nil
		}
		m.Problem.Merge = alert.Merge{}
		same(t, want, m.Problem)
	}
	require.Empty(t, must(s.Members(t.Context(), 0))(t))
	require.Empty(t, must(s.Members(t.Context(), 99))(t))
}
