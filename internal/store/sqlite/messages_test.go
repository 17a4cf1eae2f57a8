package sqlite

import (
	"io/fs"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// After an upgrade messages still lead to the posts and groups that they show.
func TestMessagesOfAnOlderStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	require.NoError(t, makeFile(path))
	db, err := open(path)
	require.NoError(t, err)
	files, err := fs.Sub(migrations, "migrations")
	require.NoError(t, err)
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	_, err = p.UpTo(t.Context(), 8)
	require.NoError(t, err)
	for _, statement := range []string{
		`INSERT INTO posts VALUES ('4711', 'main', 'noc', '', 1, 4, 1, 0, 0, 0, 'live', 1, 1, 1, 'ROOT', '', 'CARD', '', 0, 0, 0, 0, '', '', 0, 0, 0, 0, 0, 0, 0, 0, '')`,
		`INSERT INTO posts VALUES ('4712', 'main', 'noc', '', 1, 4, 1, 0, 0, 0, 'live', 1, 1, 1, '', '', '', '', 0, 1, 0, 0, '', '', 0, 0, 0, 0, 0, 0, 0, 0, '')`,
		`INSERT INTO digests (id, room, state, created_at, message_id, hash, complete, edits, shown, listed, said, spoke_at, pending, joined, left_for,
			attempts, not_before, last_error, tracking_id, dead_at) VALUES (1, 'noc', 'live', 0, 'DIGEST', '', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, '', '', 0)`,
		`INSERT INTO notices VALUES (1, 'answer', '', 'noc', '', '', 'bot', 'CARD', '', 'x', NULL, '', 'sent', 'ANSWER', 1, 1, 0, 0, 0, '', '', 0, 0)`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, db.Close())

	s, err := Open(t.Context(), Options{Path: path, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for _, id := range []string{"ROOT", "CARD", "ANSWER"} {
		post, err := s.PostByMessage(t.Context(), id)
		require.NoError(t, err, id)
		require.Equal(t, alert.Key{Source: "main", EventID: "4711"}, post.Key, id)
	}
	d, err := s.GroupByMessage(t.Context(), "DIGEST")
	require.NoError(t, err)
	require.EqualValues(t, 1, d.ID)

	// A message's row is removed together with its post, group or notice.
	count := func() (n int) {
		require.NoError(t, s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM messages`).Scan(&n))
		return n
	}
	require.Equal(t, 4, count())
	defer func() {
		for _, table := range []string{"posts", "groups", "notices"} {
			require.NoError(t, s.write(t.Context(), "remove", func(tx *tx) error {
				_, err := tx.exec(`DELETE FROM ` + table)
				return err
			}))
		}
		require.Zero(t, count())
	}()

	// A message that is replaced after the upgrade still leads there.
	require.NoError(t, s.SavePost(t.Context(), alert.Key{Source: "main", EventID: "4711"}, "noc", store.Cursor{State: store.PostLive, RootID: "ROOT2"}))
	for _, id := range []string{"ROOT", "CARD", "ROOT2"} {
		_, err := s.PostByMessage(t.Context(), id)
		require.NoError(t, err, id)
	}
}
