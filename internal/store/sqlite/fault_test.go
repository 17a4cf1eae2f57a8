package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// A read-only store refuses every write with a hint, and recovers by itself.
func TestReadOnly(t *testing.T) {
	s := openHere(t)
	only := func(on int) {
		require.NoError(t, s.writer.lock(t.Context()))
		defer s.writer.unlock()
		_, err := s.writer.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA query_only = %d", on))
		require.NoError(t, err)
	}
	only(1)
	_, err := s.Append(t.Context(), entry("refused"))
	require.ErrorContains(t, err, "readonly database")
	require.ErrorContains(t, err, "check owner, mode and mount options")
	require.ErrorContains(t, err, s.path)
	require.NotErrorIs(t, err, store.ErrRejected)
	require.ErrorContains(t, s.Ping(t.Context()), "mount options", "not ready")
	only(0)
	id, err := s.Append(t.Context(), entry("taken"))
	require.NoError(t, err)
	require.EqualValues(t, 1, id)
	require.Equal(t, []string{"taken"}, payloads(t, s))
}

// damage overwrites a file from an offset on.
func damage(t *testing.T, path string, from int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte("damaged!"), int(info.Size()-from)/8), from)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// filled is a store whose journal is larger than the caches of its connections, all of it in the
// database file.
func filled(t *testing.T, path string) *Store {
	t.Helper()
	s, _ := reopen(t, path)
	large := strings.Repeat("x", 900_000)
	for range 60 {
		_, err := s.Append(t.Context(), entry(large))
		require.NoError(t, err)
	}
	_, _, err := s.check.pragma("TRUNCATE")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s, _ = reopen(t, path)
	return s
}

// Errors of a damaged database name the damage and the remedy, and don't blame an entry. The file isn't changed, not
// even at the next start.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := filled(t, path)
	damage(t, path, 4096) // all but the header page
	_, err := s.PendingEntries(t.Context(), 1)
	require.ErrorContains(t, err, "malformed")
	require.ErrorContains(t, err, "the file is damaged: stop the relay, keep "+path+" and its -wal, and restore a backup")
	_, err = s.Append(t.Context(), entry("refused"))
	require.ErrorContains(t, err, "the file is damaged")
	require.NotErrorIs(t, err, store.ErrRejected)
	require.ErrorContains(t, s.Ping(t.Context()), "the file is damaged", "not ready")
	p := alert.Problem{Key: alert.Key{Source: "main", EventID: "1"}, State: alert.StateOpen}
	err = s.CommitFold(t.Context(), store.Fold{Applied: []int64{1}, Problems: []alert.Problem{p}})
	require.ErrorContains(t, err, "the file is damaged")
	require.NotErrorIs(t, err, store.ErrRejected, "no entry is to blame for it")
	_, err = s.Stats(t.Context())
	require.ErrorContains(t, err, "the file is damaged", "alert_relay_store_up is 0")
	_ = s.Close()

	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = Open(t.Context(), Options{Path: path})
	require.ErrorContains(t, err, "the file isn't a relay's database, or it is damaged")
	require.ErrorContains(t, err, "restore a backup")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after), "the file is unchanged")

	damage(t, path, 0)
	_, err = Open(t.Context(), Options{Path: path})
	require.ErrorContains(t, err, "restore a backup")
}

// damaged is SQLite's error for a file that is no database.
func damaged(t *testing.T) error {
	t.Helper()
	other := filepath.Join(t.TempDir(), "text.db")
	require.NoError(t, os.WriteFile(other, []byte(strings.Repeat("no database ", 1000)), 0o600))
	db, err := open(other)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "CREATE TABLE x (y)")
	require.Error(t, err)
	return fmt.Errorf("wrapped: %w", err)
}

// While the fold meets damage, appends are refused. Once it no longer does, they are accepted, without a
// new event to find that out.
func TestDamageThatPasses(t *testing.T) {
	type step func(t *testing.T, s *Store)
	read := func(t *testing.T, s *Store) {
		_, err := s.PendingEntries(t.Context(), 1)
		require.NoError(t, err)
	}
	commit := func(ids ...int64) step {
		return func(t *testing.T, s *Store) { require.NoError(t, s.CommitFold(t.Context(), store.Fold{Applied: ids})) }
	}
	for name, c := range map[string]struct {
		pending bool // an entry is pending
		met     []operation
		then    []step
		taken   bool
	}{
		"another error":                         {taken: true},
		"the journal, not yet read":             {met: []operation{readJournal}},
		"the journal, read, nothing pending":    {met: []operation{readJournal}, then: []step{read}, taken: true},
		"the journal, read, an entry pending":   {pending: true, met: []operation{readJournal}, then: []step{read}, taken: true},
		"the journal, a commit alone":           {pending: true, met: []operation{readJournal}, then: []step{commit(1)}},
		"a commit, not yet repeated":            {met: []operation{commitFold}},
		"a commit, its entry still pending":     {pending: true, met: []operation{commitFold}, then: []step{read}},
		"a commit, its entry folded":            {pending: true, met: []operation{commitFold}, then: []step{read, commit(1)}, taken: true},
		"a commit without entries":              {met: []operation{commitFold}, then: []step{read}, taken: true},
		"both, and the journal is read":         {pending: true, met: []operation{readJournal, commitFold}, then: []step{read}},
		"both, and both work again":             {pending: true, met: []operation{readJournal, commitFold}, then: []step{read, commit(1)}, taken: true},
		"both, and nothing is pending any more": {met: []operation{readJournal, commitFold}, then: []step{read}, taken: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := reopen(t, filepath.Join(t.TempDir(), "relay.db"))
			if c.pending {
				_, err := s.Append(t.Context(), entry("pending"))
				require.NoError(t, err)
			}
			s.damage.met(readJournal, errors.New("context canceled"))
			for _, o := range c.met {
				s.damage.met(o, damaged(t))
				s.damage.met(o, damaged(t))
			}
			for _, do := range c.then {
				do(t, s)
			}
			_, err := s.Append(t.Context(), entry("new"))
			if c.taken {
				require.NoError(t, err)
				require.NoError(t, s.Ping(t.Context()))
			} else {
				require.ErrorContains(t, err, "not a database")
				require.ErrorContains(t, err, "restore a backup")
				require.Error(t, s.Ping(t.Context()), "not ready")
			}
			require.Equal(t, min(1, len(c.met)), strings.Count(log.String(), "level=ERROR"), log.String())
			require.Equal(t, c.taken && len(c.met) > 0, strings.Contains(log.String(), "accepting events"), log.String())
		})
	}
}

// Only statements that stay prepared count towards the limit.
func TestPreparedStatements(t *testing.T) {
	const good = `SELECT name, value FROM kept_values WHERE name = `
	run := func(t *testing.T, s *Store, ctx context.Context, text string) error {
		rows, err := s.rows(ctx, text)
		if err == nil {
			_, err = collect(rows, func(rows *sql.Rows) (none struct{}, err error) {
				var name, value string
				return none, rows.Scan(&name, &value)
			})
		}
		return err
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		trouble func(t *testing.T, s *Store, i int)
		kept    int64
	}{
		"an invalid statement": {func(t *testing.T, s *Store, i int) {
			require.Error(t, run(t, s, t.Context(), fmt.Sprint("SELECT nothing FROM nowhere ", i)))
		}, 1},
		"the caller has gone": {func(t *testing.T, s *Store, i int) { require.Error(t, run(t, s, ended, fmt.Sprint(good, i))) }, 1},
		"many callers at once": {func(t *testing.T, s *Store, i int) {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := run(t, s, t.Context(), fmt.Sprint(good, i%2)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}, 3},
		"more than are kept": {func(t *testing.T, s *Store, i int) { require.NoError(t, run(t, s, t.Context(), fmt.Sprint(good, i))) }, keptStatements},
	} {
		t.Run(name, func(t *testing.T) {
			s := openHere(t)
			for i := range 2 * keptStatements {
				c.trouble(t, s, i)
			}
			require.NoError(t, run(t, s, t.Context(), good+"'last'"))
			var kept int64
			s.prepared.Range(func(any, any) bool { kept++; return true })
			require.Equal(t, c.kept, kept)
			require.Equal(t, kept, s.prepares.Load())
		})
	}
}

// The error for a path that can't be opened has a hint.
func TestAFileThatCannotBeOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	require.NoError(t, os.Mkdir(path, 0o700))
	_, err := Open(t.Context(), Options{Path: path})
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "the relay's user may not open it")
}

// An error gets one hint only.
func TestAdviceIsGivenOnce(t *testing.T) {
	s := openHere(t)
	require.NoError(t, s.writer.lock(t.Context()))
	_, err := s.writer.conn.ExecContext(t.Context(), "ATTACH ? AS x", filepath.Join(t.TempDir(), "no", "where"))
	s.writer.unlock()
	require.Error(t, err)
	once := explained(err, s.path)
	require.NotEqual(t, err, once)
	require.Equal(t, once, explained(once, s.path))
	other := errors.New("other")
	require.Equal(t, other, explained(other, s.path))
}
