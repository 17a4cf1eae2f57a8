package sqlite

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/testlog"
)

// olderStore creates a store of an earlier schema version and returns the newest version.
func olderStore(t *testing.T, path string, version int64) (newest int64) {
	t.Helper()
	require.NoError(t, makeFile(path))
	db, err := open(path)
	require.NoError(t, err)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	require.NoError(t, err)
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	if version > 0 {
		_, err = p.UpTo(t.Context(), version)
		require.NoError(t, err)
	}
	_, newest, err = p.GetVersions(t.Context())
	require.NoError(t, err)
	return newest
}

// An upgrade logs the versions before it begins, and each step before and after it, so that an operator
// sees its progress on a large file.
func TestMigrationIsLogged(t *testing.T) {
	newest := olderStore(t, filepath.Join(t.TempDir(), "relay.db"), 0)
	for name, from := range map[string]int64{"from the first version": 1, "from the third": 3, "from the version before": newest - 1, "up to date": newest} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "relay.db")
			olderStore(t, path, from)
			info, err := os.Stat(path)
			require.NoError(t, err)
			s, log := reopen(t, path)
			_, err = s.Append(t.Context(), entry("taken"))
			require.NoError(t, err)
			var want []string
			if from < newest {
				want = append(want, fmt.Sprintf(`msg="migrating the store; the relay starts once it is done" path=%s bytes=%d from=%d to=%d`, path, info.Size(), from, newest))
				for v := from; v < newest; v++ {
					want = append(want, fmt.Sprintf(`msg="store migration begins" path=%s from=%d of=%d`, path, v, newest),
						fmt.Sprintf(`msg="store migration done" path=%s version=%d of=%d took=`, path, v+1, newest))
				}
				want = append(want, fmt.Sprintf(`msg="store migrated" path=%s from=%d to=%d took=`, path, from, newest))
			}
			text := log.String()
			require.Equal(t, len(want), strings.Count(text, "\n"), text)
			for _, line := range want {
				_, rest, found := strings.Cut(text, line)
				require.True(t, found, "missing or out of order: %s\n%s", line, log.String())
				text = rest
			}
		})
	}
}

// An upgrade keeps which journal entries are pending, applied and set aside, and never gives an
// id twice.
func TestUpgradeOfTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	olderStore(t, path, 9)
	db, err := open(path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `
		INSERT INTO journal (id, source, kind, received_at, payload) VALUES
			(1, 'main', 'event', 1, 'applied'), (2, 'main', 'event', 2, 'set aside'), (3, 'main', 'event', 3, 'retried'), (5, 'lab', 'event', 5, 'new');
		INSERT INTO journal_aside VALUES (2, 'not JSON'), (4, 'its entry was pruned');
		INSERT INTO journal_open VALUES (3);
		UPDATE fold SET done_through = 4`)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	s, _ := reopen(t, path)
	entries, err := s.Entries(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Equal(t, []store.Entry{
		{ID: 1, Source: "main", Kind: "event", ReceivedAt: at(1), Payload: []byte("applied"), Applied: true},
		{ID: 2, Source: "main", Kind: "event", ReceivedAt: at(2), Payload: []byte("set aside"), SetAside: "not JSON"},
		{ID: 3, Source: "main", Kind: "event", ReceivedAt: at(3), Payload: []byte("retried")},
		{ID: 5, Source: "lab", Kind: "event", ReceivedAt: at(5), Payload: []byte("new")},
	}, entries)
	pending, err := s.PendingEntries(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, entries[2:], pending)
	id, err := s.Append(t.Context(), entry("next"))
	require.NoError(t, err)
	require.EqualValues(t, 6, id)
}

// An id isn't given twice even if every entry was pruned before the upgrade.
func TestUpgradeOfAnEmptyJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	olderStore(t, path, 9)
	db, err := open(path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `UPDATE fold SET done_through = 41`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	s, _ := reopen(t, path)
	id, err := s.Append(t.Context(), entry("next"))
	require.NoError(t, err)
	require.EqualValues(t, 42, id)
}

// Creating a store logs no upgrade.
func TestANewStoreIsNoMigration(t *testing.T) {
	_, log := reopen(t, filepath.Join(t.TempDir(), "relay.db"))
	require.NotContains(t, log.String(), "migrat")
}

// A failed migration leaves the file unchanged; the next start retries.
func TestMigrationFails(t *testing.T) {
	for name, c := range map[string]struct {
		ctx         func(ctx context.Context) context.Context
		break_, fix string
		want        string
	}{
		"a table exists already": {break_: `CREATE TABLE messages (x)`, fix: `DROP TABLE messages`, want: "migrating from schema version 8"},
		"the relay is stopped": {ctx: func(ctx context.Context) context.Context {
			ctx, stop := context.WithCancel(ctx)
			stop()
			return ctx
		}, want: "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "relay.db")
			olderStore(t, path, 8)
			do := func(text string) {
				db, err := open(path)
				require.NoError(t, err)
				defer db.Close()
				_, err = db.ExecContext(t.Context(), text+" -- ")
				require.NoError(t, err)
			}
			ctx := t.Context()
			if c.ctx != nil {
				ctx = c.ctx(ctx)
			}
			do(c.break_)
			log := &testlog.Lines{}
			_, err := Open(ctx, Options{Path: path, Log: log.Logger()})
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, path)
			require.NotContains(t, log.String(), "store migrated")
			do(c.fix)
			s, log := reopen(t, path)
			require.Contains(t, log.String(), "from=8")
			require.NoError(t, s.Ping(t.Context()))
		})
	}
}
