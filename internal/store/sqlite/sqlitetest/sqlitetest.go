// Package sqlitetest gives tests the file of an unused store. Opening a new one takes as long as a small test, since it applies
// every migration; this one has them.
package sqlitetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"nms-alert-relay/internal/store/sqlite"
)

// Empty returns the content of the file of an unused store.
func Empty() []byte {
	file, err := empty()
	if err != nil {
		panic(err)
	}
	return file
}

// In returns the path of a store in dir, and puts an unused one there if there is none. Call it outside of a bubble of synctest.
func In(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "relay.db")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.WriteFile(path, Empty(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// New returns the path of an unused store in a directory of its own.
func New(t testing.TB) string {
	t.Helper()
	return In(t, t.TempDir())
}

var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "empty")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "relay.db")
	s, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})
