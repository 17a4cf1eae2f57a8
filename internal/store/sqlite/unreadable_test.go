package sqlite

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// A row that can't be read doesn't hide the other rows of a list. The log names it once, and reading it by itself
// returns store.ErrRejected.
func TestUnreadableRows(t *testing.T) {
	for name, tc := range map[string]struct{ damage, named string }{
		"a post's revision":  {`UPDATE posts SET desired = 'many' WHERE event_id = '2'`, "post of main/2 in noc"},
		"a post's flag":      {`UPDATE posts SET open = 'perhaps' WHERE event_id = '2'`, "post of main/2 in noc"},
		"a post's time":      {`UPDATE posts SET joined_at = 'yesterday' WHERE event_id = '2'`, "post of main/2 in noc"},
		"a notice's version": {`UPDATE notices SET version = 'one' WHERE id = 2`, "notice 2"},
		"a notice's edits":   {`UPDATE notices SET edits = x'00ff' WHERE id = 2`, "notice 2"},
		"a cursor's counter": {`UPDATE cursors SET edits = 'all' WHERE event_id = '2'`, "post of main/2 in noc"},
		"a group's counter":  {`UPDATE groups SET joined = 'all' WHERE id = 2`, "group 2"},
		"a group's flag":     {`UPDATE group_cursors SET complete = 'no idea' WHERE grp = 2`, "group 2"},
		"a command's count":  {`UPDATE commands SET attempts = 'many' WHERE id = '2'`, "command 2"},
		"a command's keys":   {`UPDATE commands SET keys = '["main/1' WHERE id = '2'`, "command 2"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "relay.db"), Log: slog.New(slog.NewTextHandler(&log, nil))})
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			var keys []alert.Key
			for _, id := range []string{"1", "2", "3", "4", "5"} {
				k := alert.Key{Source: "main", EventID: id}
				keys = append(keys, k)
				require.NoError(t, s.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{{Key: k, Revision: 1, State: alert.StateOpen}}, Posts: []store.Post{{
					Key: k, Room: "noc", Desired: 1, Open: true, PendingSince: time.Now(),
				}}}))
			}
			for range 3 {
				_, err := s.AddNotice(t.Context(), store.Notice{Kind: store.NoticeSystem, Room: "noc", Markdown: "x"})
				require.NoError(t, err)
			}
			for _, id := range []string{"1", "2", "3"} {
				_, err := s.ClaimCommand(t.Context(), store.Command{ID: id})
				require.NoError(t, err)
			}
			for i, k := range keys[3:] {
				require.NoError(t, s.CommitFold(t.Context(), store.Fold{Groups: []store.Group{{ID: -1, Room: "noc", Kind: store.GroupStorm, Joined: 1, Revision: 2}},
					Posts: []store.Post{{Key: k, Room: "noc", Desired: 1, Open: true, Group: -1}}}))
				require.NoError(t, s.SaveGroup(t.Context(), int64(i+1), store.GroupCursor{Shown: 1}))
			}
			claimed, err := s.ClaimPost(t.Context(), keys[1], "noc")
			require.NoError(t, err)
			require.True(t, claimed)
			rows := func() (posts, of, notices, groups, commands int) {
				pending, err := s.PendingPosts(t.Context(), nil, time.Time{})
				require.NoError(t, err)
				byKey, err := s.PostsOf(t.Context(), keys)
				require.NoError(t, err)
				letters, err := s.PendingNotices(t.Context())
				require.NoError(t, err)
				pendingGroups, err := s.PendingGroups(t.Context(), "noc")
				require.NoError(t, err)
				unfinished, err := s.UnfinishedCommands(t.Context())
				require.NoError(t, err)
				recent, err := s.RecentCommands(t.Context(), time.Time{}, time.Time{})
				require.NoError(t, err)
				require.Equal(t, unfinished, recent)
				return len(pending), len(byKey), len(letters), len(pendingGroups), len(recent)
			}
			posts, of, notices, groups, commands := rows()
			require.Equal(t, []int{3, 5, 3, 2, 3}, []int{posts, of, notices, groups, commands})
			require.NoError(t, s.write(t.Context(), "damage", func(t *tx) error { _, err := t.exec(tc.damage); return err }))
			for range 3 {
				p, o, n, d, c := rows()
				switch sort, _, _ := strings.Cut(tc.named, " "); sort {
				case "post":
					require.Equal(t, []int{2, 4, 3, 2, 3}, []int{p, o, n, d, c})
				case "notice":
					require.Equal(t, []int{3, 5, 2, 2, 3}, []int{p, o, n, d, c})
					_, err = s.Notice(t.Context(), 2)
					require.ErrorIs(t, err, store.ErrRejected)
				case "group":
					require.Equal(t, []int{3, 5, 3, 1, 3}, []int{p, o, n, d, c})
					_, err = s.Group(t.Context(), 2)
					require.ErrorIs(t, err, store.ErrRejected)
				case "command":
					require.Equal(t, []int{3, 5, 3, 2, 2}, []int{p, o, n, d, c})
					_, err = s.Command(t.Context(), "2")
					require.ErrorIs(t, err, store.ErrRejected)
				}
			}
			require.Equal(t, 1, strings.Count(log.String(), "skipping a row"), log.String())
			require.Contains(t, log.String(), tc.named)
		})
	}
}

// For a problem that can't be read, a group's message shows the data of its post.
func TestUnreadableMember(t *testing.T) {
	var log bytes.Buffer
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "relay.db"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	fold := store.Fold{Groups: []store.Group{{ID: -1, Room: "noc", Kind: store.GroupStorm, Joined: 2, Revision: 1}}}
	for _, id := range []string{"1", "2"} {
		p := alert.Problem{Key: alert.Key{Source: "main", EventID: id}, Revision: 1, State: alert.StateOpen}
		fold.Problems = append(fold.Problems, p)
		fold.Posts = append(fold.Posts, store.Post{Key: p.Key, Room: "noc", Desired: 1, Open: true, Severity: alert.High, Group: -1})
	}
	require.NoError(t, s.CommitFold(t.Context(), fold))
	require.NoError(t, s.write(t.Context(), "damage", func(t *tx) error {
		_, err := t.exec(`UPDATE problems SET doc = '{"revision": "one"}' WHERE event_id = '2'`)
		return err
	}))
	for range 2 {
		members, err := s.Members(t.Context(), 1)
		require.NoError(t, err)
		require.Len(t, members, 2)
		for _, m := range members {
			if m.Problem.Key.EventID == "1" {
				require.EqualValues(t, 1, m.Problem.Revision)
			} else {
				require.Equal(t, fold.Posts[1].UnreadableProblem(), m.Problem)
			}
		}
	}
	require.Equal(t, 1, strings.Count(log.String(), "can't be read"), log.String())
	require.Contains(t, log.String(), "problem=main/2")
}

// An incident whose document is damaged hides no other.
func TestDamagedIncident(t *testing.T) {
	var log bytes.Buffer
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "relay.db"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for _, command := range []string{"C1", "C2", "C3"} {
		_, err := s.AddIncident(t.Context(), store.Incident{Command: command})
		require.NoError(t, err)
	}
	require.NoError(t, s.write(t.Context(), "damage", func(t *tx) error {
		_, err := t.exec(`UPDATE incidents SET doc = '{"problems":7' WHERE id = 2`)
		return err
	}))
	all, err := s.Incidents(t.Context())
	require.NoError(t, err)
	var commands []string
	for _, i := range all {
		commands = append(commands, i.Command)
	}
	require.Equal(t, []string{"C1", "C3"}, commands)
	require.Contains(t, log.String(), "incident 2")
}

// A problem whose document is damaged is missing in lists, and hides no other. Reading it by its key returns
// store.ErrRejected, beside those that can be read.
func TestDamagedDocumentInLists(t *testing.T) {
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "relay.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for _, id := range []string{"1", "2", "3"} {
		p := alert.Problem{Key: alert.Key{Source: "main", EventID: id}, Revision: 1, State: alert.StateOpen, Origin: alert.OriginTrigger}
		p.Suppressed = true
		require.NoError(t, s.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{p}}))
	}
	for _, doc := range []string{
		`{"origin": "trig`, `{"revision": "one", "origin": "internal"}`,
		`{"origin": "trigger", "observed": true, "suppressed_until": "soon"}`, `{"origin": "trigger", "observed": true, "suppressed_until": 7}`,
		`{"origin": "trigger", "observed": true, "suppressed": "perhaps"}`, `{"origin": "trigger", "observed": true, "suppressed": {}}`,
	} {
		require.NoError(t, s.write(t.Context(), "damage", func(t *tx) error {
			_, err := t.exec(`UPDATE problems SET doc = ? WHERE event_id = '2'`, doc)
			return err
		}))
		found, err := s.FindProblems(t.Context(), store.Filter{})
		require.NoError(t, err)
		require.Len(t, found, 2, doc)
		keys, err := s.UnobservedProblems(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, keys, 2, doc)
		states, err := s.OpenStates(t.Context(), "main", time.Now())
		require.NoError(t, err)
		require.Len(t, states, 3, "no document is read: %s", doc)
		problems, err := s.Problems(t.Context(), []alert.Key{{Source: "main", EventID: "1"}, {Source: "main", EventID: "2"}, {Source: "main", EventID: "3"}, {Source: "main", EventID: "4"}})
		require.ErrorIs(t, err, store.ErrRejected, doc)
		require.ErrorContains(t, err, "problem main/2 can't be read")
		require.Len(t, problems, 2, doc)
	}
}

// A problem that resolved long before the newest one isn't read again, however long the relay was down since.
func TestEndsAreReadForAnHour(t *testing.T) {
	s := openHere(t)
	for _, id := range []string{"1", "2"} {
		p := alert.Problem{Key: alert.Key{Source: "main", EventID: id}, Origin: alert.OriginTrigger, State: alert.StateResolved}
		p.Merge.Resolved, p.Merge.ResolvedAt.At = true, 1
		require.NoError(t, s.CommitFold(t.Context(), store.Fold{Problems: []alert.Problem{p}}))
	}
	for hours, want := range []int{2, 1} {
		require.NoError(t, s.write(t.Context(), "age", func(t *tx) error {
			_, err := t.exec(`UPDATE problems SET written_at = written_at - ?`, 48*time.Hour.Microseconds())
			if err == nil && hours > 0 {
				_, err = t.exec(`UPDATE problems SET written_at = written_at - ? WHERE event_id = '1'`, store.UnreadFor.Microseconds())
			}
			return err
		}))
		keys, err := s.UnobservedProblems(t.Context(), 0)
		require.NoError(t, err)
		require.Len(t, keys, want)
	}
}
