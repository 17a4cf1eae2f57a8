package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"nms-alert-relay/internal/store"
)

// writer is the one connection that writes. The holder of its turn has it alone; turns are granted in
// the order of asking, so that intake, fold and delivery don't starve each other.
type writer struct {
	turn chan struct{} // holds one token while the connection is in use
	db   *sql.DB
	conn *sql.Conn

	// BEGIN IMMEDIATE, so that a transaction gets the lock at its start or not at all.
	begin, commit, rollback *sql.Stmt
	prepared                map[string]*sql.Stmt
}

// newWriter opens the connection.
func newWriter(ctx context.Context, path string) (_ *writer, err error) {
	// The checkpointer makes the checkpoints. The log keeps its size: overwriting is cheaper than
	// growing.
	db, err := open(path, "wal_autocheckpoint(0)", "journal_size_limit(67108864)", "cache_size(-32000)")
	if err != nil {
		return nil, err
	}
	w := &writer{turn: make(chan struct{}, 1), db: db, prepared: map[string]*sql.Stmt{}}
	defer func() {
		if err != nil {
			_ = w.close(false)
		}
	}()
	db.SetMaxOpenConns(1)
	if w.conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{{&w.begin, "BEGIN IMMEDIATE"}, {&w.commit, "COMMIT"}, {&w.rollback, "ROLLBACK"}} {
		if *p.to, err = w.conn.PrepareContext(ctx, p.sql); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// lock waits for the turn.
func (w *writer) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) unlock() { <-w.turn }

// finish closes the statements, which database/sql doesn't do for those of a sql.Conn. The last
// connection to be closed copies the log into the database and removes it by its name, but not while it
// has an open statement.
func (w *writer) finish() (err error) {
	for _, st := range slices.AppendSeq([]*sql.Stmt{w.begin, w.commit, w.rollback}, maps.Values(w.prepared)) {
		if st != nil {
			err = errors.Join(err, st.Close())
		}
	}
	return err
}

// close closes the connection. With keepLog the file under the log's name stays: it belongs to another database.
func (w *writer) close(keepLog bool) error {
	w.turn <- struct{}{} // for good: nobody writes after this
	var errs []error
	if !keepLog {
		errs = append(errs, w.finish())
	}
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
	}
	return errors.Join(append(errs, w.db.Close())...)
}

// tx is a transaction of the writer.
type tx struct{ w *writer }

// write runs do in one transaction and returns once it is on disk. ctx only bounds the wait for the
// turn: interrupting a transaction costs more than finishing it.
func (s *Store) write(ctx context.Context, what string, do func(t *tx) error) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	if err := s.writer.lock(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := s.inTurn(do); err != nil {
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrConflict) {
			return err
		}
		return fmt.Errorf("store %s: %s: %w", s.path, what, explained(judged(err), s.path))
	}
	s.check.wrote()
	return nil
}

// inTurn runs a transaction with the turn held, and returns the turn.
func (s *Store) inTurn(do func(t *tx) error) error {
	defer s.writer.unlock()
	if s.closed.Load() {
		return store.ErrClosed
	}
	if err := s.files.err(); err != nil {
		return err
	}
	return s.writer.transaction(do)
}

// background is the context of statements that must not be interrupted.
var background = context.Background()

// judged marks errors that are the fault of the data, by SQLite's result codes.
func judged(err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case codes.SQLITE_TOOBIG, codes.SQLITE_CONSTRAINT, codes.SQLITE_MISMATCH:
		return fmt.Errorf("%w: %w", store.ErrRejected, err)
	}
	return err
}

func (w *writer) transaction(do func(t *tx) error) (err error) {
	if _, err := w.begin.ExecContext(background); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // also if do panics
			_, _ = w.rollback.ExecContext(background) // fails if SQLite has rolled back already
		}
	}()
	t := &tx{w: w}
	if err := do(t); err != nil {
		return err
	}
	if _, err := w.commit.ExecContext(background); err != nil {
		return err
	}
	done = true
	return nil
}

// stmt prepares a statement once and keeps it.
func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if st, ok := t.w.prepared[query]; ok {
		return st, nil
	}
	st, err := t.w.conn.PrepareContext(background, query)
	if err != nil {
		return nil, err
	}
	t.w.prepared[query] = st
	return st, nil
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	r, err := t.run(query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// insert runs an INSERT of one row and returns the row's id.
func (t *tx) insert(query string, args ...any) (int64, error) {
	r, err := t.run(query, args...)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

func (t *tx) run(query string, args ...any) (sql.Result, error) {
	st, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(background, args...)
}

// one scans the row of a query that returns one row at most; false if there is none.
func (t *tx) one(query string, args []any, into ...any) (bool, error) {
	st, err := t.stmt(query)
	if err != nil {
		return false, err
	}
	err = st.QueryRowContext(background, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
