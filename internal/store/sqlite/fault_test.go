package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// A store that can't be written to refuses everything whole, says what to do, and
// goes on once it can.
func TestReadOnly(t *testing.T) {
	s := openHere(t)
	only := func(on int) {
		require.NoError(t, s.writer.take(t.Context()))
		defer s.writer.give()
		_, err := s.writer.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA query_only = %d", on))
		require.NoError(t, err)
	}
	only(1)
	_, err := s.Append(t.Context(), entry("refused"))
	require.ErrorContains(t, err, "readonly database")
	require.ErrorContains(t, err, "see who owns them, and how it is mounted")
	require.ErrorContains(t, err, s.path)
	require.NotErrorIs(t, err, store.ErrRejected)
	require.ErrorContains(t, s.Ping(t.Context()), "how it is mounted", "not ready")
	only(0)
	id, err := s.Append(t.Context(), entry("taken"))
	require.NoError(t, err)
	require.EqualValues(t, 1, id)
	require.Equal(t, []string{"taken"}, payloads(t, s))
}

// damage writes over a file's pages from one on.
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

// filled is a store whose journal has outgrown what its connections keep in memory, all
// of it in the database file.
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

// A database that is damaged while it is open: who meets it is told so and what to do;
// what is damaged is neither called a fault of an entry's, nor mended, nor begun anew. At the next start as well.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := filled(t, path)
	damage(t, path, 4096) // all but the first page, which says that it is a database
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
	require.ErrorContains(t, err, "the file isn't a store, or it is damaged")
	require.ErrorContains(t, err, "restore a backup")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after), "it is left as it is")

	damage(t, path, 0)
	_, err = Open(t.Context(), Options{Path: path})
	require.ErrorContains(t, err, "restore a backup")
}

// Nothing is taken in for as long as the fold meets damage, and no longer: a page that
// nothing needs keeps nobody out.
func TestDamageThatPasses(t *testing.T) {
	s := openHere(t)
	require.NoError(t, s.damage.refuses())
	s.damage.meet(errors.New("context canceled"))
	require.NoError(t, s.damage.refuses())

	other := filepath.Join(t.TempDir(), "text.db")
	require.NoError(t, os.WriteFile(other, []byte(strings.Repeat("no database ", 1000)), 0o600))
	db, err := open(other)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "CREATE TABLE x (y)")
	require.Error(t, err)
	s.damage.meet(fmt.Errorf("wrapped: %w", err))
	_, err = s.Append(t.Context(), entry("refused"))
	require.ErrorContains(t, err, "not a database")
	require.Error(t, s.Ping(t.Context()))
	require.NoError(t, s.CommitFold(t.Context(), store.Fold{}), "it is what finds out")
	_, err = s.Append(t.Context(), entry("taken"))
	require.NoError(t, err)
}

// A path that isn't a file that may be opened is told with what to do.
func TestCantBeOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	require.NoError(t, os.Mkdir(path, 0o700))
	_, err := Open(t.Context(), Options{Path: path})
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "the relay's user may not open it")
}

// An error that has its advice isn't given another.
func TestAdviceIsGivenOnce(t *testing.T) {
	s := openHere(t)
	require.NoError(t, s.writer.take(t.Context()))
	_, err := s.writer.conn.ExecContext(t.Context(), "ATTACH ? AS x", filepath.Join(t.TempDir(), "no", "where"))
	s.writer.give()
	require.Error(t, err)
	once := explained(err, s.path)
	require.NotEqual(t, err, once)
	require.Equal(t, once, explained(once, s.path))
	other := errors.New("other")
	require.Equal(t, other, explained(other, s.path))
}
