package sqlite

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// Every column named "sealed" is in the registry, so that rekey reaches it, and the registry has columns that exist.
func TestSealedColumns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s, _ := reopen(t, path)
	require.NoError(t, s.Close())
	db, err := open(path)
	require.NoError(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name LIKE '%sealed%'`)
	require.NoError(t, err)
	defer rows.Close()
	var found, known []string
	for rows.Next() {
		var table, column string
		require.NoError(t, rows.Scan(&table, &column))
		found = append(found, table+"."+column)
	}
	require.NoError(t, rows.Err())
	for _, c := range store.SealedColumns {
		known = append(known, c.Table+"."+c.Column)
		require.NotEmpty(t, c.Key)
		_, err := db.ExecContext(t.Context(), `SELECT `+strings.Join(append(slices.Clone(c.Key), c.Column), ", ")+` FROM `+c.Table)
		require.NoError(t, err)
	}
	require.ElementsMatch(t, found, known)
}
