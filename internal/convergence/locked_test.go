package convergence

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/store/sqlite/sqlitetest"
)

// A program that locks the database for a moment (a backup, sqlite3) delays an answer. Nothing is refused or lost.
func TestAnotherProgramLocksTheDatabase(t *testing.T) {
	path := sqlitetest.New(t)
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	other, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	conn, err := other.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)

	released := make(chan error, 1)
	time.AfterFunc(200*time.Millisecond, func() {
		_, err := conn.ExecContext(t.Context(), "ROLLBACK")
		released <- err
	})
	id, err := s.Append(t.Context(), store.Entry{Source: source, Kind: store.EntryEvent, Payload: []byte(`{"EVENT.ID":"1"}`)})
	require.NoError(t, err)
	require.NoError(t, <-released)
	entries, err := s.PendingEntries(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, id, entries[0].ID)
}
