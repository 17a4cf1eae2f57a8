package sqlite

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// An idempotency key is remembered for a day; then it is removed, and a request with it is a new one.
func TestRequestsAreForgottenAfterADay(t *testing.T) {
	s := opened(t)
	now := time.Now()
	s.clock = func() time.Time { return now }
	n := store.Notice{Kind: store.NoticeNotify, Sender: "ansible", Room: "noc", Text: "done", Once: store.Once{Key: "k", Digest: "a"}}
	add := func() int64 {
		t.Helper()
		id, err := s.AddNotice(t.Context(), n)
		require.NoError(t, err)
		return id
	}
	first := add()
	now = now.Add(store.OnceFor - time.Second)
	require.Equal(t, first, add())
	now = now.Add(2 * time.Second)
	n.Once.Digest = "b"
	second := add()
	require.NotEqual(t, first, second)
	now = now.Add(store.OnceFor + time.Second)
	n.Once.Key = "another"
	add()
	require.Equal(t, 1, numbers(t, s.path, map[string]string{"": `SELECT count(*) FROM notice_keys`})[""])
}

// Files that wait to be sent have a limit in sum.
func TestFilesHaveALimit(t *testing.T) {
	s := opened(t)
	_, err := s.writer.conn.ExecContext(t.Context(), `INSERT INTO notice_files VALUES (1000, ?, x'00')`, store.MaxFiles-3)
	require.NoError(t, err)
	n := store.Notice{Kind: store.NoticeNotify, Room: "noc", File: &store.File{Name: "a", Content: []byte("1234")}}
	_, err = s.AddNotice(t.Context(), n)
	require.ErrorIs(t, err, store.ErrFull)
	pending, err := s.PendingNotices(t.Context())
	require.NoError(t, err)
	require.Empty(t, pending)
	n.File.Content = []byte("123")
	_, err = s.AddNotice(t.Context(), n)
	require.NoError(t, err)
}

func opened(t *testing.T) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Path: filepath.Join(t.TempDir(), "relay.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
