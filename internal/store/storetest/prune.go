package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

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

	// An old entry that was retried and applied is pruned, too, although newer ones were pruned before.
	require.NoError(t, s.RetryEntry(t.Context(), all[0]))
	require.Equal(t, 0, prune(3), "it is pending")
	fold(t, s, store.Fold{Applied: all[:1]})
	require.Equal(t, 1, prune(3))
	require.Equal(t, []int64{all[6], all[7], all[8], all[9]}, ids(must(s.Entries(t.Context(), 0, 0))(t)))
	require.Equal(t, all[8:], ids(must(s.PendingEntries(t.Context(), 0))(t)))
}

// Resolved problems, their posts, sent notices, finished commands and entries set aside are pruned after their
// retention. Unfinished work stays.
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
	require.Len(t, must(s.RecentCommands(t.Context(), time.Time{}, time.Time{}))(t), 1)
	st := stats(t, s)
	require.Zero(t, st.SetAside)
	require.EqualValues(t, 1, st.NoticesPending)
	require.EqualValues(t, 1, st.Dead(store.LetterNotice))
}

// Retention keeps a dead letter, with everything that replaying it needs, until somebody replays or drops it. Then it
// keeps what is still to be posted, and after that nothing.
func testPruneDead(t *testing.T, open Opener) {
	die := store.Cursor{State: store.PostDead, LastError: "404 Not Found", DeadAt: t0}
	shown := store.Cursor{State: store.PostLive, Delivered: 1, RootID: "ROOT", DeliveredAt: t0}
	told2 := store.Cursor{State: store.PostLive, Delivered: 2, RootID: "ROOT", DeliveredAt: t0}
	dieGroup := store.GroupCursor{State: store.PostDead, LastError: "404 Not Found", DeadAt: t0}
	for name, c := range map[string]struct {
		// begin makes the dead letters. Problems 1 and 2 are resolved; their posts are in rooms noc and db.
		begin    func(t *testing.T, s store.Store)
		letters  []string
		problems []string // kept for them
		posts    int
		// done writes what delivery does once the replayed letters are sent.
		done func(t *testing.T, s store.Store)
	}{
		"a post": {
			begin:   func(t *testing.T, s store.Store) { save(t, s, "1", "noc", die); save(t, s, "1", "db", shown) },
			letters: []string{"post:main/1@noc"}, problems: []string{"1"}, posts: 2,
			done: func(t *testing.T, s store.Store) { save(t, s, "1", "noc", shown) },
		},
		"posts of one problem in two rooms": {
			begin:   func(t *testing.T, s store.Store) { save(t, s, "1", "noc", die); save(t, s, "1", "db", die) },
			letters: []string{"post:main/1@noc", "post:main/1@db"}, problems: []string{"1"}, posts: 2,
			done: func(t *testing.T, s store.Store) { save(t, s, "1", "noc", shown); save(t, s, "1", "db", shown) },
		},
		"a post that left a group": {
			begin: func(t *testing.T, s store.Store) {
				g := makeGroup(t, s, "noc", "1")
				leave(t, s, g.ID, "1")
				show(t, s, must(s.Group(t.Context(), g.ID))(t))
				save(t, s, "1", "noc", die)
				save(t, s, "1", "db", shown)
			},
			letters: []string{"post:main/1@noc"}, problems: []string{"1"}, posts: 2,
			done: func(t *testing.T, s store.Store) { save(t, s, "1", "noc", told2) },
		},
		"a group, never shown": {
			begin: func(t *testing.T, s store.Store) {
				g := makeGroup(t, s, "noc", "1", "2")
				require.NoError(t, s.SaveGroup(t.Context(), g.ID, dieGroup))
				save(t, s, "1", "db", shown)
			},
			letters: []string{"digest:1"}, problems: []string{"1", "2"}, posts: 3,
			done: func(t *testing.T, s store.Store) { show(t, s, must(s.Group(t.Context(), 1))(t)) },
		},
		"a group that was shown": {
			begin: func(t *testing.T, s store.Store) {
				g := makeGroup(t, s, "noc", "1", "2")
				show(t, s, g)
				c := dieGroup
				c.Shown, c.MessageID = g.Revision, "DIGEST"
				require.NoError(t, s.SaveGroup(t.Context(), g.ID, c))
				save(t, s, "1", "db", shown)
			},
			letters: []string{"digest:1"}, problems: []string{"1", "2"}, posts: 3,
			done: func(t *testing.T, s store.Store) { show(t, s, must(s.Group(t.Context(), 1))(t)) },
		},
		"the list of a live group": {
			begin: func(t *testing.T, s store.Store) {
				g := makeGroup(t, s, "noc", "1", "2")
				require.NoError(t, s.SaveGroup(t.Context(), g.ID, store.GroupCursor{State: store.PostLive, MessageID: "DIGEST", Shown: g.Revision, Listed: g.Joined, ListDeadAt: t0, ListError: "400 Bad Request"}))
				save(t, s, "1", "db", shown)
			},
			letters: []string{"list:1"}, problems: []string{"1", "2"}, posts: 3,
			done: func(t *testing.T, s store.Store) { show(t, s, must(s.Group(t.Context(), 1))(t)) },
		},
		"a group without members": {
			begin: func(t *testing.T, s store.Store) {
				g := makeGroup(t, s, "noc", "1")
				leave(t, s, g.ID, "1")
				require.NoError(t, s.SaveGroup(t.Context(), g.ID, dieGroup))
				save(t, s, "1", "noc", told2)
				save(t, s, "1", "db", shown)
			},
			letters: []string{"digest:1"},
			done:    func(t *testing.T, s store.Store) { show(t, s, must(s.Group(t.Context(), 1))(t)) },
		},
		"a notice": {
			begin: func(t *testing.T, s store.Store) {
				save(t, s, "1", "db", shown)
				n := must(s.Notice(t.Context(), must(s.AddNotice(t.Context(), store.Notice{Kind: store.NoticeNotify, Room: "noc", Text: "x"}))(t)))(t)
				n.State, n.LastError = store.NoticeDead, "403 Forbidden"
				require.NoError(t, s.SaveNotice(t.Context(), n))
			},
			letters: []string{"notice:1"},
			done: func(t *testing.T, s store.Store) {
				n := must(s.Notice(t.Context(), 1))(t)
				n.State, n.SentVersion = store.NoticeSent, n.Version
				require.NoError(t, s.SaveNotice(t.Context(), n))
			},
		},
	} {
		for _, end := range []string{"replayed", "dropped"} {
			t.Run(fmt.Sprint(name, ", ", end), func(t *testing.T) {
				s := open(t, t.TempDir())
				f := store.Fold{Problems: []alert.Problem{problem("1", alert.StateResolved), problem("2", alert.StateResolved)}}
				f.Posts = []store.Post{post("1", "noc", 1), post("2", "noc", 1), post("1", "db", 1)}
				fold(t, s, f)
				c.begin(t, s)
				for _, posts := range must(s.PostsOf(t.Context(), []alert.Key{key("1"), key("2")}))(t) {
					for _, p := range posts {
						if p.Pending() { // of another problem than the letter's
							save(t, s, p.Key.EventID, p.Room, shown)
						}
					}
				}
				prune := func() {
					t.Helper()
					for n := -1; n != 0; {
						n = must(s.Prune(t.Context(), time.Now().Add(time.Hour), time.Now().Add(time.Hour), time.Now().Add(time.Hour), 1))(t)
					}
				}
				holds := func(problems []string, posts int) {
					t.Helper()
					var got []string
					n := 0
					for _, p := range must(s.FindProblems(t.Context(), store.Filter{}))(t) {
						got = append(got, p.Key.EventID)
						n += len(must(s.PostsOf(t.Context(), []alert.Key{p.Key}))(t)[p.Key])
					}
					require.ElementsMatch(t, problems, got)
					require.Equal(t, posts, n)
				}
				letters := func() (all []string) {
					for _, l := range must(s.DeadLetters(t.Context()))(t) {
						all = append(all, l.ID())
					}
					return all
				}
				prune()
				require.ElementsMatch(t, c.letters, letters())
				holds(c.problems, c.posts)
				if end == "replayed" {
					for _, id := range c.letters {
						require.NoError(t, s.ReplayDead(t.Context(), id))
					}
					prune()
					holds(c.problems, c.posts)
					st := stats(t, s)
					require.NotZero(t, st.PostsPending+st.NoticesPending, "it is sent again")
					c.done(t, s)
				} else {
					for _, id := range c.letters {
						require.NoError(t, s.DropDead(t.Context(), id))
					}
				}
				prune()
				require.Empty(t, letters())
				holds(nil, 0)
				st := stats(t, s)
				require.Zero(t, st.PostsPending+st.NoticesPending)
				require.Empty(t, must(s.PendingGroups(t.Context(), ""))(t))
				_, err := s.Group(t.Context(), 1)
				require.ErrorIs(t, err, store.ErrNotFound)
			})
		}
	}
}
