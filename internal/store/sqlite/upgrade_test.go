package sqlite

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// unzip writes the store of an earlier schema version to a file.
func unzip(t *testing.T, version int64, to string) {
	t.Helper()
	packed, err := os.Open(fmt.Sprintf("testdata/schema-%02d.db.gz", version))
	require.NoError(t, err, "each earlier schema version needs a store: run the last relay of that version between the simulators, and keep `alert-relay backup`, gzipped")
	defer packed.Close()
	in, err := gzip.NewReader(packed)
	require.NoError(t, err)
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(t, err)
	defer out.Close()
	_, err = io.Copy(out, in)
	require.NoError(t, err)
}

// numbers runs queries that count, by name.
func numbers(t *testing.T, path string, queries map[string]string) map[string]int {
	t.Helper()
	db, err := open(path)
	require.NoError(t, err)
	defer db.Close()
	found := map[string]int{}
	for name, q := range queries {
		var n int
		require.NoError(t, db.QueryRowContext(t.Context(), q).Scan(&n), q)
		found[name] = n
	}
	return found
}

// kept are counts that an upgrade doesn't change, for a schema version.
func kept(version int64) map[string]string {
	q := map[string]string{
		"journal":   `SELECT count(*) FROM journal`,
		"pending":   `SELECT count(*) FROM journal WHERE pending = 1`,
		"set aside": `SELECT count(*) FROM journal WHERE set_aside <> ''`,
		"problems":  `SELECT count(*) FROM problems`,
		"open":      `SELECT count(*) FROM problems WHERE open = 1`,
		"posts":     `SELECT count(*) FROM posts`,
		"roots":     `SELECT count(*) FROM cursors WHERE root_id <> ''`,
		"cards":     `SELECT count(*) FROM cursors WHERE card_id <> ''`,
		"dead":      `SELECT count(*) FROM cursors WHERE state = 'dead'`,
		"groups":    `SELECT count(*) FROM groups`,
		"members":   `SELECT count(*) FROM posts WHERE grp > 0`,
		"commands":  `SELECT count(*) FROM commands`,
		"notices":   `SELECT count(*) FROM notices`,
		"unsent":    `SELECT count(*) FROM notices WHERE state = 'pending'`,
		"values":    `SELECT count(*) FROM kept_values`,
	}
	if version < 12 {
		q["roots"], q["cards"], q["dead"] = `SELECT count(*) FROM posts WHERE root_id <> ''`, `SELECT count(*) FROM posts WHERE card_id <> ''`, `SELECT count(*) FROM posts WHERE state = 'dead'`
		q["groups"], q["members"] = `SELECT count(*) FROM digests`, `SELECT count(*) FROM posts WHERE digest > 0`
	}
	if version < 10 {
		q["set aside"] = `SELECT count(*) FROM journal_aside`
		q["pending"] = `SELECT count(*) FROM journal j, fold f WHERE j.id > f.done_through`
	}
	if version < 2 {
		q["groups"], q["members"] = `SELECT 0`, `SELECT 0`
	}
	return q
}

// The stores in testdata were written by the last relay of each schema version, which was killed while it posted a storm (no relay
// ran with version 11: its store is that of 10, migrated once; those of 15 and 16 are that of 14, opened by relays of those versions
// and killed again; those of 17 to 22 are that of 16, migrated). A relay of today opens each, with everything that was in it, and continues.
func TestUpgradeFromEverySchema(t *testing.T) {
	newest, err := newestSchema()
	require.NoError(t, err)
	for version := range newest - 1 {
		version++
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "relay.db")
			unzip(t, version, path)
			before := numbers(t, path, kept(version))
			require.Positive(t, before["journal"])
			require.Positive(t, before["roots"])
			require.Positive(t, before["commands"])
			require.Positive(t, before["notices"])
			require.Equal(t, int(version), numbers(t, path, map[string]string{"": `SELECT max(version_id) FROM schema_version`})[""])

			s, log := reopen(t, path)
			require.Contains(t, log.String(), "store migrated")
			require.NotContains(t, log.String(), "level=ERROR")
			require.Equal(t, before, numbers(t, path, kept(newest)))
			works(t, s)
			require.NoError(t, s.Close())

			c, err := Backup(t.Context(), path, path+".copy")
			require.NoError(t, err)
			require.Equal(t, newest, c.Schema)
			require.EqualValues(t, before["journal"]+1, c.Entries)
			require.Equal(t, 0, numbers(t, path, map[string]string{"": `SELECT count(*) FROM pragma_foreign_key_check`})[""])
		})
	}
}

// works reads everything in a store, and writes.
func works(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	entries, err := s.Entries(ctx, 0, 0)
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, json.Valid(e.Payload), "entry %d", e.ID)
	}
	problems, err := s.FindProblems(ctx, store.Filter{})
	require.NoError(t, err)
	var keys []alert.Key
	for _, p := range problems {
		require.NotEmpty(t, p.Timeline, p.Key)
		keys = append(keys, p.Key)
	}
	posts, err := s.PostsOf(ctx, keys)
	require.NoError(t, err)
	seen := map[string]bool{}
	for key, list := range posts {
		for _, post := range list {
			if post.RootID == "" {
				continue
			}
			found, err := s.PostByMessage(ctx, post.RootID)
			require.NoError(t, err)
			require.Equal(t, key, found.Key)
			seen[post.RootID] = true
		}
	}
	require.NotEmpty(t, seen)
	pending, err := s.PendingPosts(ctx, nil, time.Time{})
	require.NoError(t, err)
	groups, err := s.PendingGroups(ctx, "")
	require.NoError(t, err)
	require.NotEmpty(t, len(pending)+len(groups), "Webex was away")
	for _, g := range groups {
		_, err := s.Members(ctx, g.ID)
		require.NoError(t, err)
	}
	commands, err := s.RecentCommands(ctx, time.Time{}, time.Time{})
	require.NoError(t, err)
	require.NotEmpty(t, commands)
	_, err = s.PendingNotices(ctx)
	require.NoError(t, err)
	_, err = s.Stats(ctx)
	require.NoError(t, err)
	for _, p := range problems {
		trigger, ok := p.Trigger()
		if !ok || p.State != alert.StateResolved {
			continue
		}
		found, err := s.TriggerStats(ctx, []alert.TriggerKey{trigger})
		require.NoError(t, err)
		i := slices.IndexFunc(found[trigger].Occurrences, func(o alert.Occurrence) bool { return o.EventID == p.Key.EventID })
		require.GreaterOrEqual(t, i, 0, "%s is remembered", p.Key)
		o := found[trigger].Occurrences[i]
		require.Equal(t, alert.MicroOf(p.OpenedAt), o.Opened)
		require.True(t, p.Gone || p.ResolvedAt.Sub(o.Resolved.Time()).Abs() < time.Millisecond)
		var rooms []string
		for _, post := range posts[p.Key] {
			rooms = append(rooms, post.Room)
		}
		require.ElementsMatch(t, rooms, o.Rooms)
	}

	id, err := s.Append(ctx, entry("goes on"))
	require.NoError(t, err)
	p := problems[0]
	was := p.Revision
	p.Revision++
	require.NoError(t, s.CommitFold(ctx, store.Fold{Read: map[alert.Key]int64{p.Key: was}, Applied: []int64{id}, Problems: []alert.Problem{p}, Posts: []store.Post{
		{Key: p.Key, Room: "another", Desired: p.Revision, PendingSince: time.Now()},
	}}))
	claimed, err := s.ClaimPost(ctx, p.Key, "another")
	require.NoError(t, err)
	require.True(t, claimed)
	require.NoError(t, s.SavePost(ctx, p.Key, "another", store.Cursor{Delivered: p.Revision, RootID: "ROOT"}))
}
