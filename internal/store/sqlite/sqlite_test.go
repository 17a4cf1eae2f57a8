package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
	"nms-alert-relay/internal/store/storetest"
)

func TestMain(m *testing.M) {
	// database/sql's connection opener ends only after Close has returned.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
}

func open(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(dir, "relay.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// SQLite conforms to the contract, also with two handles on one file.
func TestStore(t *testing.T) {
	shared := func(t testing.TB, dir string) store.Store {
		s, err := sqlite.Open(context.Background(), sqlite.Options{Path: sqlitetest.In(t, dir), Shared: true})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	storetest.Run(t, shared)
	storetest.RunFiles(t, shared)
}

// Two relays never share a file; the error names it and says what to do.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "relay.db")
	first := open(t, dir)
	_, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.ErrorIs(t, err, store.ErrLocked)
	require.ErrorContains(t, err, path+".lock")
	require.ErrorContains(t, err, "stop the other relay")
	require.NoError(t, first.Close())
	require.NoError(t, open(t, dir).Ping(t.Context()))
}

// Only the owner may read the files.
func TestFileMode(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Ping(t.Context()))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 3, "the database, its log and the lock")
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
}

// A clean stop leaves the database, with everything written, and the lock file.
func TestCloseLeavesOneFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	id, err := s.Append(t.Context(), store.Entry{Source: "main", Kind: store.EntryEvent, Payload: []byte("kept")})
	require.NoError(t, err)
	require.NoError(t, s.CommitFold(t.Context(), store.Fold{Applied: []int64{id}, Problems: []alert.Problem{{Key: alert.Key{Source: "main", EventID: "1"}, State: alert.StateOpen}}}))
	_, err = s.Problems(t.Context(), []alert.Key{{Source: "main", EventID: "1"}})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, f.Name())
	}
	require.ElementsMatch(t, []string{"relay.db", "relay.db.lock"}, names)
	moved := t.TempDir()
	require.NoError(t, os.Rename(filepath.Join(dir, "relay.db"), filepath.Join(moved, "relay.db")))
	entries, err := open(t, moved).Entries(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// Close leaves the log of another database alone that replaced the store's.
func TestCloseLeavesTheLogOfAnother(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	path := filepath.Join(dir, "relay.db")
	for _, end := range []string{"", "-wal"} {
		require.NoError(t, os.WriteFile(path+".new", []byte("of another"), 0o600))
		require.NoError(t, os.Rename(path+".new", path+end))
	}
	require.NoError(t, s.Close())
	log, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	require.Equal(t, "of another", string(log))
}

// The error for an unusable path names it.
func TestUnusablePaths(t *testing.T) {
	dir := t.TempDir()
	_, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "missing", "relay.db")})
	require.ErrorContains(t, err, filepath.Join(dir, "missing", "relay.db"))

	text := filepath.Join(dir, "text.db")
	require.NoError(t, os.WriteFile(text, []byte("this is no database, and long enough to be read as one"), 0o600))
	_, err = sqlite.Open(t.Context(), sqlite.Options{Path: text})
	require.ErrorContains(t, err, "isn't a relay's database")
	require.ErrorContains(t, err, text)
}

// Characters that are special in a URL may be in a path.
func TestOddPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b%20?#&ü")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, open(t, dir).SetValue(t.Context(), "a", "b"))
	require.FileExists(t, filepath.Join(dir, "relay.db"))
}
