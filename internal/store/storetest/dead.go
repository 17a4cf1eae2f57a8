package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Retention keeps a dead letter, with all that replaying it needs, until somebody replays or
// drops it. Then it keeps what is still to be told, and after that nothing.
func testPruneDead(t *testing.T, open Opener) {
	die := store.Cursor{State: store.PostDead, LastError: "404 Not Found", DeadAt: t0}
	told := store.Cursor{State: store.PostLive, Delivered: 1, RootID: "ROOT", DeliveredAt: t0}
	save := func(t *testing.T, s store.Store, id, room string, c store.Cursor) {
		t.Helper()
		require.NoError(t, s.SavePost(t.Context(), key(id), room, c))
	}
	// digest puts posts of the room noc into a digest.
	digest := func(t *testing.T, s store.Store, ids ...string) store.Digest {
		t.Helper()
		var keys []alert.Key
		for _, id := range ids {
			keys = append(keys, key(id))
		}
		d, joined, err := s.JoinDigest(t.Context(), store.Digest{Room: "noc"}, keys, t0)
		require.NoError(t, err)
		require.Len(t, joined, len(ids))
		return d
	}
	shown := func(t *testing.T, s store.Store, d store.Digest, ids ...string) store.Digest {
		t.Helper()
		d.MessageID, d.Pending, d.Shown = "DIGEST", false, d.Joined
		var all []store.Shown
		for _, id := range ids {
			all = append(all, store.Shown{Key: key(id), Revision: 1, Seq: 1})
		}
		require.NoError(t, s.SaveDigest(t.Context(), d, all))
		return must(s.Digest(t.Context(), d.ID))(t)
	}
	for name, c := range map[string]struct {
		// begin makes the dead letters; the problems 1 and 2 are over, in the rooms noc and db.
		begin    func(t *testing.T, s store.Store)
		letters  []string
		problems []string // that must stay for them
		posts    int
		// done is what delivery writes once the replayed ones are told.
		done func(t *testing.T, s store.Store)
	}{
		"a post": {
			begin:   func(t *testing.T, s store.Store) { save(t, s, "1", "noc", die); save(t, s, "1", "db", told) },
			letters: []string{"post:main/1@noc"}, problems: []string{"1"}, posts: 2,
			done: func(t *testing.T, s store.Store) { save(t, s, "1", "noc", told) },
		},
		"posts of one problem in two rooms": {
			begin:   func(t *testing.T, s store.Store) { save(t, s, "1", "noc", die); save(t, s, "1", "db", die) },
			letters: []string{"post:main/1@noc", "post:main/1@db"}, problems: []string{"1"}, posts: 2,
			done: func(t *testing.T, s store.Store) { save(t, s, "1", "noc", told); save(t, s, "1", "db", told) },
		},
		"a post that left a digest": {
			begin: func(t *testing.T, s store.Store) {
				d := digest(t, s, "1")
				require.NoError(t, s.LeaveDigest(t.Context(), d.ID, []alert.Key{key("1")}))
				shown(t, s, d)
				save(t, s, "1", "noc", die)
				save(t, s, "1", "db", told)
			},
			letters: []string{"post:main/1@noc"}, problems: []string{"1"}, posts: 2,
			done: func(t *testing.T, s store.Store) { save(t, s, "1", "noc", told) },
		},
		"a digest, never shown": {
			begin: func(t *testing.T, s store.Store) {
				d := digest(t, s, "1", "2")
				d.State, d.LastError, d.DeadAt = store.PostDead, "404 Not Found", t0
				require.NoError(t, s.SaveDigest(t.Context(), d, nil))
				save(t, s, "1", "db", told)
			},
			letters: []string{"digest:1"}, problems: []string{"1", "2"}, posts: 3,
			done: func(t *testing.T, s store.Store) { shown(t, s, must(s.Digest(t.Context(), 1))(t), "1", "2") },
		},
		"a digest that was shown": {
			begin: func(t *testing.T, s store.Store) {
				d := shown(t, s, digest(t, s, "1", "2"), "1", "2")
				d.State, d.DeadAt = store.PostDead, t0
				require.NoError(t, s.SaveDigest(t.Context(), d, nil))
				save(t, s, "1", "db", told)
			},
			letters: []string{"digest:1"}, problems: []string{"1", "2"}, posts: 3,
			done: func(t *testing.T, s store.Store) { shown(t, s, must(s.Digest(t.Context(), 1))(t), "1", "2") },
		},
		"the list of a digest that lives": {
			begin: func(t *testing.T, s store.Store) {
				d := shown(t, s, digest(t, s, "1", "2"), "1", "2")
				d.ListDeadAt, d.ListError = t0, "400 Bad Request"
				require.NoError(t, s.SaveDigest(t.Context(), d, nil))
				save(t, s, "1", "db", told)
			},
			letters: []string{"list:1"}, problems: []string{"1", "2"}, posts: 3,
			done: func(t *testing.T, s store.Store) { shown(t, s, must(s.Digest(t.Context(), 1))(t)) },
		},
		"a digest that all posts have left": {
			begin: func(t *testing.T, s store.Store) {
				d := digest(t, s, "1")
				require.NoError(t, s.LeaveDigest(t.Context(), d.ID, []alert.Key{key("1")}))
				d.State, d.DeadAt = store.PostDead, t0
				require.NoError(t, s.SaveDigest(t.Context(), d, nil))
				save(t, s, "1", "noc", told)
				save(t, s, "1", "db", told)
			},
			letters: []string{"digest:1"},
			done:    func(t *testing.T, s store.Store) { shown(t, s, must(s.Digest(t.Context(), 1))(t)) },
		},
		"a notice": {
			begin: func(t *testing.T, s store.Store) {
				save(t, s, "1", "db", told)
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
						if p.Pending() { // of a problem that isn't the letter's
							save(t, s, p.Key.EventID, p.Room, told)
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
						all = append(all, l.ID)
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
					require.NotZero(t, st.PostsPending+st.NoticesPending, "it is told again")
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
				require.Empty(t, must(s.PendingDigests(t.Context(), ""))(t))
				_, err := s.Digest(t.Context(), 1)
				require.ErrorIs(t, err, store.ErrNotFound)
			})
		}
	}
}

// A post that leaves a digest counts as told there, so that no digest takes it again: also
// where the digest was never posted.
func testLeaveDigest(t *testing.T, open Opener) {
	for name, c := range map[string]struct {
		shown int // the newest entry that the digest's message shows of it; 0 for no message
		dead  bool
		want  int // ToldSeq
	}{
		"before the digest is posted":          {0, false, 1},
		"after it was posted":                  {1, false, 1},
		"after it was edited":                  {7, false, 7},
		"after it was refused":                 {0, true, 1},
		"after it was posted and then refused": {3, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			fold(t, s, store.Fold{Problems: []alert.Problem{problem("1", alert.StateOpen), problem("2", alert.StateOpen)}, Posts: []store.Post{post("1", "noc", 1), post("2", "noc", 1)}})
			d, _, err := s.JoinDigest(t.Context(), store.Digest{Room: "noc"}, []alert.Key{key("1"), key("2")}, t0)
			require.NoError(t, err)
			if c.shown > 0 {
				d.MessageID = "DIGEST"
				require.NoError(t, s.SaveDigest(t.Context(), d, []store.Shown{{Key: key("1"), Revision: 1, Seq: c.shown}}))
			}
			if c.dead {
				d.State = store.PostDead
				require.NoError(t, s.SaveDigest(t.Context(), d, nil))
			}
			require.NoError(t, s.LeaveDigest(t.Context(), d.ID, []alert.Key{key("1")}))
			left := must(s.PostsOf(t.Context(), []alert.Key{key("1")}))(t)[key("1")][0]
			require.Equal(t, c.want, left.ToldSeq)
			require.True(t, left.Pending())
			_, joined, err := s.JoinDigest(t.Context(), store.Digest{Room: "noc"}, []alert.Key{key("1")}, t0.Add(time.Hour))
			require.NoError(t, err)
			require.Empty(t, joined)
		})
	}
}
