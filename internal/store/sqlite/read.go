package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"nms-alert-relay/internal/store"
)

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error)) (all []T, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := scan(rows)
		if err == errSkip {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// query runs a reading statement and scans its rows.
func query[T any](ctx context.Context, s *Store, what string, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	rows, err := s.rows(ctx, text, args...)
	if err != nil {
		return nil, s.readError(what, err)
	}
	all, err := collect(rows, scan)
	if err != nil {
		return nil, s.readError(what, err)
	}
	return all, nil
}

// queryOne is query for one row; store.ErrNotFound if there is none. name describes it in errors.
func queryOne[T any](ctx context.Context, s *Store, what, name string, scan func(*sql.Rows) (T, error), text string, args ...any) (one T, err error) {
	found, err := query(ctx, s, what, scan, text, args...)
	if err != nil {
		return one, err
	}
	if len(found) == 0 {
		return one, fmt.Errorf("%s: %w", name, store.ErrNotFound)
	}
	return found[0], nil
}

// keptStatements bounds how many statements stay prepared. The store has some dozens of its own;
// filters add more.
const keptStatements = 200

// rows runs a reading statement, which is prepared once and kept: parsing one takes SQLite longer
// than finding a few rows by key.
func (s *Store) rows(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, ok := s.prepared.Load(text)
	if !ok {
		if s.prepares.Add(1) > keptStatements {
			s.prepares.Add(-1)
			return s.read.QueryContext(ctx, text, args...)
		}
		made, err := s.read.PrepareContext(ctx, text)
		if err != nil {
			s.prepares.Add(-1)
			return nil, err
		}
		if st, ok = s.prepared.LoadOrStore(text, made); ok { // another goroutine was faster
			s.prepares.Add(-1)
			_ = made.Close()
		}
	}
	return st.(*sql.Stmt).QueryContext(ctx, args...)
}

func (s *Store) readError(what string, err error) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	return fmt.Errorf("store %s: %s: %w", s.path, what, explained(err, s.path))
}

// limited is a limit in SQL's notation: -1 for none.
func limited(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}
