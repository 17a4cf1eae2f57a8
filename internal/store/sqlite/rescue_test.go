package sqlite

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testlog"
)

// logging opens a store of two entries, the first of which is folded.
func logging(t *testing.T, path string) (*Store, *testlog.Lines) {
	t.Helper()
	log := &testlog.Lines{}
	s, err := Open(t.Context(), Options{Path: path, Log: log.Logger()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	s.guard.every = 0 // nobody else uses it yet
	for _, payload := range []string{"first", "second"} {
		_, err = s.Append(t.Context(), entry(payload))
		require.NoError(t, err)
	}
	p := alert.Problem{Key: alert.Key{Source: "main", EventID: "1"}, State: alert.StateOpen}
	require.NoError(t, s.CommitFold(t.Context(), store.Fold{Applied: []int64{1}, Problems: []alert.Problem{p}}))
	return s, log
}

// payloads are all that a store's journal holds.
func payloads(t *testing.T, s *Store) (all []string) {
	t.Helper()
	entries, err := s.Entries(t.Context(), 0, 0)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, string(e.Payload))
	}
	return all
}

// A store whose file, or whose log, goes away under it takes nothing in any more,
// says so, and saves all that was taken in before beside it: moved into place, it is the same store.
func TestTheFileGoesAway(t *testing.T) {
	for name, away := range map[string]func(t *testing.T, path string){
		"deleted": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"deleted with its log": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Remove(path+"-wal"))
			require.NoError(t, os.Remove(path+"-shm"))
		},
		"its log alone": func(t *testing.T, path string) { require.NoError(t, os.Remove(path+"-wal")) },
		"moved":         func(t *testing.T, path string) { require.NoError(t, os.Rename(path, path+".old")) },
		"replaced": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+".new", []byte("another file"), 0o600))
			require.NoError(t, os.Rename(path+".new", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "relay.db")
			s, log := logging(t, path)
			away(t, path)
			_, _, err := s.check.pragma("NOOP")
			require.NoError(t, err, "the log is copied into the file that was opened, and no other")
			for range readers { // at once: each has its own connection
				conn, err := s.read.Conn(t.Context())
				require.NoError(t, err)
				defer conn.Close()
				var n int
				require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT count(*) FROM journal").Scan(&n), "nor is another one read")
				require.Equal(t, 2, n)
			}
			_, err = s.Append(t.Context(), entry("refused"))
			require.ErrorIs(t, err, errGone)
			require.ErrorContains(t, err, path)
			require.NotErrorIs(t, err, store.ErrRejected)
			require.Error(t, s.Ping(t.Context()), "not ready")
			require.Error(t, s.CommitFold(t.Context(), store.Fold{Applied: []int64{2}}), "nothing is written after it was saved")
			s.guard.work.Wait()
			require.Contains(t, log.String(), "the store's file is gone: nothing is taken in")
			require.Contains(t, log.String(), "what the store held was saved: stop the relay, put it in the store's place, and start")
			require.Equal(t, 2, strings.Count(log.String(), "level=ERROR"), log.String())
			require.NoError(t, s.Close())
			info, err := os.Stat(rescued(path))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

			if _, err := os.Stat(path); err != nil {
				_, err = Open(t.Context(), Options{Path: path})
				require.ErrorContains(t, err, restore(path), "a start doesn't begin anew")
			}
			require.NoError(t, exec.Command("sh", "-c", restore(path)).Run())
			s, _ = reopen(t, path)
			require.Equal(t, []string{"first", "second"}, payloads(t, s)[:2])
			pending, err := s.PendingEntries(t.Context(), 10)
			require.NoError(t, err)
			require.NotEmpty(t, pending)
			require.Equal(t, "second", string(pending[0].Payload))
			_, err = s.Append(t.Context(), entry("after"))
			require.NoError(t, err)
		})
	}
}

func reopen(t *testing.T, path string) (*Store, *testlog.Lines) {
	t.Helper()
	log := &testlog.Lines{}
	s, err := Open(t.Context(), Options{Path: path, Log: log.Logger()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s, log
}

// A file that was moved by mistake and is moved back: the store goes on.
func TestTheFileComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s, log := logging(t, path)
	require.NoError(t, os.Rename(path, path+".old"))
	require.ErrorIs(t, s.Ping(t.Context()), errGone, "a probe notices as well")
	s.guard.work.Wait()
	require.FileExists(t, rescued(path))
	require.NoError(t, os.Rename(path+".old", path))
	_, err := s.Append(t.Context(), entry("after"))
	require.NoError(t, err)
	require.Contains(t, log.String(), "back: going on")
	require.NoFileExists(t, rescued(path))
	require.NoError(t, s.Close())
	s, _ = reopen(t, path)
	require.Contains(t, payloads(t, s), "after")
}

// A file that goes away while nothing happens is noticed by whoever counts what there is,
// for metrics say.
func TestTheFileGoesAwayUnnoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s, _ := logging(t, path)
	_, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	_, err = s.Stats(t.Context())
	require.ErrorIs(t, err, errGone)
	s.guard.work.Wait()
	require.FileExists(t, rescued(path))
}

// One that goes away while nobody looks is noticed when the store is closed: what it
// held doesn't go with the process.
func TestTheFileIsGoneAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s, _ := logging(t, path)
	require.NoError(t, os.Remove(path))
	require.NoError(t, s.Close())
	require.NoError(t, exec.Command("sh", "-c", restore(path)).Run())
	s, _ = reopen(t, path)
	require.Equal(t, []string{"first", "second"}, payloads(t, s))
}

// What is taken in between two looks is saved as well, and the next look is soon.
func TestBetweenTwoLooks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s, _ := logging(t, path)
	require.LessOrEqual(t, lookEvery, 10*time.Millisecond)
	s.guard.mu.Lock()
	s.guard.every, s.guard.looked = time.Hour, time.Now()
	s.guard.mu.Unlock()
	require.NoError(t, os.Remove(path))
	_, err := s.Append(t.Context(), entry("third"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, exec.Command("sh", "-c", restore(path)).Run())
	s, _ = reopen(t, path)
	require.Equal(t, []string{"first", "second", "third"}, payloads(t, s))
}

// Where it can't be saved either, the log says what depends on the process, and the end
// is a failure.
func TestTheDirectoryIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	require.NoError(t, os.Mkdir(dir, 0o700))
	s, log := logging(t, filepath.Join(dir, "relay.db"))
	require.NoError(t, os.RemoveAll(dir))
	_, err := s.Append(context.Background(), entry("refused"))
	require.ErrorIs(t, err, errGone)
	s.guard.work.Wait()
	require.Contains(t, log.String(), "don't stop the relay")
	require.ErrorContains(t, s.Close(), "couldn't be saved")
}
