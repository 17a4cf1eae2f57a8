package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testlog"
)

// payloads returns the payloads of every entry in the journal.
func payloads(t *testing.T, s *Store) (all []string) {
	t.Helper()
	entries, err := s.Entries(t.Context(), 0, 0)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, string(e.Payload))
	}
	return all
}

func reopen(t *testing.T, path string) (*Store, *testlog.Lines) {
	t.Helper()
	log := &testlog.Lines{}
	s, err := Open(t.Context(), Options{Path: path, Log: log.Logger()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s, log
}

// A second after the database or its log was deleted, moved or replaced, the store refuses every write, isn't ready,
// and has logged the remedy once, until it is opened again.
func TestAMissingFile(t *testing.T) {
	for name, remove := range map[string]func(t *testing.T, path string){
		"deleted": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"deleted with its log": func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Remove(path+"-wal"))
			require.NoError(t, os.Remove(path+"-shm"))
		},
		"only its log":         func(t *testing.T, path string) { require.NoError(t, os.Remove(path+"-wal")) },
		"moved":                func(t *testing.T, path string) { require.NoError(t, os.Rename(path, path+".old")) },
		"moved and moved back": func(t *testing.T, path string) { require.NoError(t, os.Rename(path, path+".old")) },
		"replaced": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+".new", []byte("another file"), 0o600))
			require.NoError(t, os.Rename(path+".new", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "relay.db")
			synctest.Test(t, func(t *testing.T) {
				s, log := reopen(t, path)
				_, err := s.Append(t.Context(), entry("first"))
				require.NoError(t, err)
				time.Sleep(10 * filesInterval)
				synctest.Wait()
				require.NoError(t, s.Ping(t.Context()))
				require.Empty(t, log.String())

				remove(t, path)
				time.Sleep(filesInterval)
				synctest.Wait()
				if name == "moved and moved back" {
					require.NoError(t, os.Rename(path+".old", path))
				}
				time.Sleep(10 * filesInterval)
				_, err = s.Append(t.Context(), entry("refused"))
				require.ErrorIs(t, err, errGone)
				require.ErrorContains(t, err, path)
				require.NotErrorIs(t, err, store.ErrRejected)
				require.ErrorIs(t, s.Ping(t.Context()), errGone, "not ready")
				require.ErrorIs(t, s.CommitFold(t.Context(), store.Fold{Applied: []int64{1}}), errGone)
				_, err = s.Stats(t.Context())
				require.ErrorIs(t, err, errGone, "alert_relay_store_up is 0")
				require.Equal(t, []string{"first"}, payloads(t, s), "reads still use the file that was opened")
				require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
				require.Contains(t, log.String(), "restart the relay")
				_ = s.Close()
			})
			if strings.HasPrefix(name, "moved and") {
				s, _ := reopen(t, path)
				require.Equal(t, []string{"first"}, payloads(t, s))
				_, err := s.Append(t.Context(), entry("second"))
				require.NoError(t, err)
			}
		})
	}
}
