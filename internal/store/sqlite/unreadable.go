package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"nms-alert-relay/internal/store"
)

// unreadable marks the error of a row with values of the wrong type. Trying again doesn't help.
func unreadable(what string, err error) error {
	if err == nil || !strings.HasPrefix(err.Error(), "sql: Scan error") {
		return err // a fault of the connection or the caller
	}
	return fmt.Errorf("%w: %s can't be read: %w", store.ErrRejected, what, err)
}

// errSkip makes collect skip a row.
var errSkip = errors.New("row skipped")

// queryReadable is query without the rows that can't be read. The log names each of them once.
func queryReadable[T any](ctx context.Context, s *Store, what string, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	return query(ctx, s, what, func(rows *sql.Rows) (T, error) {
		v, err := scan(rows)
		if !errors.Is(err, store.ErrRejected) {
			return v, err
		}
		s.logOnce("skipping a row that can't be read", "operation", what, "error", err)
		return v, errSkip
	}, text, args...)
}

// logOnce logs a failed read. The last of args is the error: each error is logged once.
func (s *Store) logOnce(message string, args ...any) {
	if _, logged := s.unreadable.LoadOrStore(fmt.Sprint(args[len(args)-1]), true); !logged {
		s.log.Error(message, args...)
	}
}
