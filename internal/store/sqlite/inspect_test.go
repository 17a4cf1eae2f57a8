package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// Inspect reads a store that a relay has open, and one that nobody has, and leaves no file behind.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "relay.db")
	_, err := Inspect(t.Context(), path)
	require.ErrorIs(t, err, os.ErrNotExist)

	s, err := Open(t.Context(), Options{Path: path})
	require.NoError(t, err)
	_, err = s.Append(t.Context(), entry("waits"))
	require.NoError(t, err)
	require.NoError(t, s.SetValue(t.Context(), "watch/main/found", "known"))
	require.NoError(t, s.SetValue(t.Context(), "watches", "something else"))
	open, err := Inspect(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), open.Mode)
	require.Positive(t, open.Bytes)
	require.Positive(t, open.Schema)
	require.Equal(t, open.Newest, open.Schema)
	require.Equal(t, int64(1), open.Pending, "it is still in the write-ahead log")
	require.Empty(t, open.Damage)
	require.Equal(t, map[string]string{"watch/main/found": "known"}, open.Values)
	require.NoError(t, s.Close())

	before := names(t, dir)
	closed, err := Inspect(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, open.Schema, closed.Schema)
	require.Equal(t, int64(1), closed.Pending)
	require.Equal(t, before, names(t, dir))
}

// Damage is reported, and a file that isn't a store at all is an error.
func TestInspectDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s, err := Open(t.Context(), Options{Path: path})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	broken := append([]byte{}, whole...)
	copy(broken[len(broken)-4096:], make([]byte, 2048))
	for i := 4096 * 8; i < len(broken); i += 4096 {
		copy(broken[i:i+64], "this is damage, and no page of a database at all, not even nearly")
	}
	require.NoError(t, os.WriteFile(path, broken, 0o600))
	found, err := Inspect(t.Context(), path)
	require.True(t, err != nil || len(found.Damage) > 0)
	require.NoError(t, os.WriteFile(path, []byte("this is not a database, whatever its name says; it is longer than a header"), 0o600))
	_, err = Inspect(t.Context(), path)
	require.ErrorContains(t, err, "it isn't a relay's store, or it is damaged")
}

// A check that takes too long says so.
func TestInspectInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s, err := Open(t.Context(), Options{Path: path})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	found, err := Inspect(ctx, path)
	require.True(t, err != nil || found.Unchecked)
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// People's tokens are read from a store that is open, and from one that isn't, without changing it. An older store has none.
func TestInspectTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	_, err := InspectTokens(t.Context(), path)
	require.ErrorIs(t, err, os.ErrNotExist)
	s, err := Open(t.Context(), Options{Path: path})
	require.NoError(t, err)
	token := store.PersonToken{Person: "P1", Source: "main", Confirmed: true, Sealed: "v1:a:1", Email: "alice@example.com"}
	require.NoError(t, s.SavePersonToken(t.Context(), token))
	for range 2 {
		found, err := InspectTokens(t.Context(), path)
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, "v1:a:1", found[0].Sealed)
		require.NoError(t, s.Close())
	}
	require.NoError(t, os.WriteFile(path, []byte("damaged, and long enough to look like a file of a database, or almost"), 0o600))
	_, err = InspectTokens(t.Context(), path)
	require.Error(t, err)
}
