package sqlite

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// A backup that is written to a stream is a whole copy, and leaves nothing behind, also if the stream breaks off.
func TestExport(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "relay.db")
	s, _ := reopen(t, path)
	_, err := s.Append(t.Context(), entry("kept"))
	require.NoError(t, err)
	var copied bytes.Buffer
	c, err := Export(t.Context(), path, &copied)
	require.NoError(t, err)
	require.EqualValues(t, 1, c.Entries)
	require.EqualValues(t, c.Bytes, copied.Len())

	pipe, broken := io.Pipe()
	require.NoError(t, pipe.Close())
	_, err = Export(t.Context(), path, broken)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	left, err := filepath.Glob(filepath.Join(dir, "*"+partial))
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = Export(t.Context(), filepath.Join(dir, "nothing.db"), &copied)
	require.ErrorIs(t, err, os.ErrNotExist)

	to := filepath.Join(t.TempDir(), "relay.db")
	_, err = Import(t.Context(), &copied, "standard input", to, "")
	require.NoError(t, err)
	restored, _ := reopen(t, to)
	entries, err := restored.Entries(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// A restore moves the store that is there away, whole, but only once the copy is known to be good.
func TestImportMovesTheStoreAway(t *testing.T) {
	dir := t.TempDir()
	path, before := filepath.Join(dir, "relay.db"), filepath.Join(dir, "before")
	s, _ := reopen(t, path)
	_, err := s.Append(t.Context(), entry("first"))
	require.NoError(t, err)
	var copied bytes.Buffer
	_, err = Export(t.Context(), path, &copied)
	require.NoError(t, err)
	sound := copied.Bytes()
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(path+"-wal", []byte("of a crash"), 0o600))
	old, err := os.ReadFile(path)
	require.NoError(t, err)

	for name, c := range map[string]struct {
		from io.Reader
		want string
	}{
		"cut off":   {bytes.NewReader(sound[:len(sound)/2]), "backup standard input: "},
		"broken":    {io.MultiReader(bytes.NewReader(sound), iotest.ErrReader(errors.New("unplugged"))), "unplugged"},
		"empty":     {strings.NewReader(""), "isn't a relay's store"},
		"no --move": {bytes.NewReader(sound), path + " exists"},
	} {
		to := before
		if name == "no --move" {
			to = ""
		}
		_, err := Import(t.Context(), c.from, "standard input", path, to)
		require.ErrorContains(t, err, c.want, name)
		require.NoDirExists(t, before, name)
		now, err := os.ReadFile(path)
		require.NoError(t, err, name)
		require.Equal(t, old, now, name)
	}
	require.NoError(t, os.Mkdir(before, 0o700))
	_, err = Import(t.Context(), bytes.NewReader(sound), "standard input", path, before)
	require.ErrorIs(t, err, os.ErrExist, "nothing is mixed with files of another time")
	require.NoError(t, os.Remove(before))

	c, err := Import(t.Context(), bytes.NewReader(sound), "standard input", path, before)
	require.NoError(t, err)
	require.Equal(t, before, c.Before)
	moved, err := os.ReadFile(filepath.Join(before, "relay.db"))
	require.NoError(t, err)
	require.Equal(t, old, moved)
	require.FileExists(t, filepath.Join(before, "relay.db-wal"))
	require.NoFileExists(t, path+"-wal")
	restored, _ := reopen(t, path)
	entries, err := restored.Entries(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
