package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"nms-alert-relay/internal/store"
)

// unreadable marks the error of a row that holds something else than its columns are for. Such
// a row can't be read by trying again.
func unreadable(what string, err error) error {
	if err == nil || !strings.HasPrefix(err.Error(), "sql: Scan error") {
		return err // the connection's fault, or the caller's
	}
	return fmt.Errorf("%w: %s can't be read: %w", store.ErrRejected, what, err)
}

// errSkip makes collect skip a row.
var errSkip = errors.New("row skipped")

// queryReadable is query without the rows that can't be read. Each is named once in the log.
func queryReadable[T any](ctx context.Context, s *Store, what string, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	return query(ctx, s, what, func(rows *sql.Rows) (T, error) {
		v, err := scan(rows)
		if !errors.Is(err, store.ErrRejected) {
			return v, err
		}
		if _, named := s.unreadable.LoadOrStore(err.Error(), true); !named {
			s.log.Error("a row of the store can't be read: skipped; everything else goes on", "doing", what, "error", err)
		}
		return v, errSkip
	}, text, args...)
}
