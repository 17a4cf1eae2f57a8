//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A copy isn't written to a terminal, which changes line ends: kubectl exec -t has one, too.
func TestBackupRefusesATerminal(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	defer terminal.Close()
	config := filepath.Join(t.TempDir(), "relay.yaml")
	require.NoError(t, os.WriteFile(config, []byte("store: {path: relay.db}\n"), 0o600))
	var stderr bytes.Buffer
	require.Equal(t, exitFailed, run([]string{"backup", "-", "--config", config}, nil, terminal, &stderr))
	require.Contains(t, stderr.String(), "standard output is a terminal, which would change the copy")
	stderr.Reset()
	require.Equal(t, exitFailed, run([]string{"backup", "-", "--config", config}, nil, &bytes.Buffer{}, &stderr))
	require.Contains(t, stderr.String(), "no such file or directory")
}
