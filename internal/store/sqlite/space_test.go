//go:build linux || darwin

package sqlite

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The free space is what df reports for the store's directory, up to what others write meanwhile. It is known without the store's file.
func TestFreeBytes(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command("df", "-Pk", dir).Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	kib, err := strconv.ParseFloat(strings.Fields(lines[1])[3], 64)
	require.NoError(t, err)
	free, known := (&Store{path: filepath.Join(dir, "relay.db")}).FreeBytes()
	require.True(t, known)
	require.InEpsilon(t, 1024*kib, float64(free), 0.5)
	_, known = (&Store{path: filepath.Join(dir, "gone", "relay.db")}).FreeBytes()
	require.False(t, known)
}
