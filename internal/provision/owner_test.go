//go:build unix

package provision

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A new token file can be read by whoever reads the source's secret: it gets that file's owner if root writes it, else ours alone.
func TestTokenFilesOwner(t *testing.T) {
	dir := t.TempDir()
	like := filepath.Join(dir, "relay-secret")
	require.NoError(t, os.WriteFile(like, []byte(signing), 0o640))
	mode, group := os.FileMode(0o600), os.Getgid()
	if os.Geteuid() == 0 {
		mode, group = 0o640, 4711
		require.NoError(t, os.Chown(like, 0, group))
	}
	f := OnDisk{Path: filepath.Join(dir, "zabbix-token"), Like: like}
	commit, err := f.Prepare()
	require.NoError(t, err)
	require.NoError(t, commit("token"))
	info, err := os.Stat(f.Path)
	require.NoError(t, err)
	require.Equal(t, mode, info.Mode().Perm())
	require.Equal(t, group, int(info.Sys().(*syscall.Stat_t).Gid))
}
