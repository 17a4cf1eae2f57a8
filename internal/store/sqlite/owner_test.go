//go:build unix

package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A restore as root that fails leaves no file that the relay's user can't open; one that succeeds neither.
func TestRestoreLeavesNothingOfRoots(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(dir, 65532, 65532))
	}
	owner := func(name string) uint32 {
		t.Helper()
		info, err := os.Lstat(name)
		require.NoError(t, err)
		return info.Sys().(*syscall.Stat_t).Uid
	}
	belongs := func(names ...string) {
		t.Helper()
		found, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, found, len(names))
		for _, name := range names {
			require.Equal(t, owner(dir), owner(filepath.Join(dir, name)), name)
		}
	}
	path := filepath.Join(dir, "relay.db")
	_, err := Import(t.Context(), strings.NewReader("no copy"), "standard input", path, "")
	require.ErrorContains(t, err, "isn't a relay's store")
	belongs("relay.db.lock")

	other := filepath.Join(t.TempDir(), "relay.db")
	s, _ := reopen(t, other)
	_, err = s.Append(t.Context(), entry("kept"))
	require.NoError(t, err)
	backup := filepath.Join(t.TempDir(), "backup.db")
	_, err = Backup(t.Context(), other, backup)
	require.NoError(t, err)
	_, err = Restore(t.Context(), backup, path, "")
	require.NoError(t, err)
	belongs("relay.db", "relay.db.lock")
	_, err = Restore(t.Context(), backup, path, filepath.Join(dir, "before"))
	require.NoError(t, err)
	belongs("relay.db", "relay.db.lock", "before")
}
