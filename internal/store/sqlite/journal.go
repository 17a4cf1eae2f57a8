package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

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

// query runs one reading statement.
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

// keptStatements bounds how many texts are kept prepared. The store's own are some
// dozens; filters make more.
const keptStatements = 200

// rows runs a reading statement, which is prepared once and kept: SQLite takes
// longer to parse one than to find a few rows by key.
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
		if st, ok = s.prepared.LoadOrStore(text, made); ok { // another caller was faster
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

// limited is a limit as SQL wants it: none for 0.
func limited(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

const entryColumns = `j.id, j.source, j.kind, j.received_at, j.payload, j.packed`

func scanEntry(rows *sql.Rows) (store.Entry, error) {
	var e store.Entry
	var received, how int64
	err := rows.Scan(&e.ID, &e.Source, &e.Kind, &received, &e.Payload, &how, &e.SetAside, &e.Applied)
	e.ReceivedAt = at(received)
	if err != nil {
		return e, err
	}
	// One that can't be unpacked any more is given as it is kept: the fold can't read it, sets
	// it aside and goes on.
	if payload, err := unpack(e.Payload, how); err == nil {
		e.Payload = payload
	}
	return e, nil
}

// Both halves are found by id, whatever the journal's length.
const pendingEntries = `
		SELECT * FROM (
			SELECT ` + entryColumns + `, '', 0 FROM journal_open o CROSS JOIN journal j ON j.id = o.id
			ORDER BY o.id LIMIT ?1)
		UNION ALL
		SELECT * FROM (
			SELECT ` + entryColumns + `, '', 0 FROM journal j
			WHERE j.id > (SELECT done_through FROM fold) ORDER BY j.id LIMIT ?1)
		LIMIT ?1`

// PendingEntries implements store.Store.
func (s *Store) PendingEntries(ctx context.Context, limit int) ([]store.Entry, error) {
	entries, err := query(ctx, s, "read pending entries", scanEntry, pendingEntries, limited(limit))
	if s.damage.met(readJournal, err); err == nil && len(entries) == 0 {
		s.damage.works(commitFold) // no entry is left to commit, and no commit to clear it
	}
	return entries, err
}

// Entries implements store.Store.
func (s *Store) Entries(ctx context.Context, after int64, limit int) ([]store.Entry, error) {
	return query(ctx, s, "read the journal", scanEntry, `
		SELECT `+entryColumns+`, coalesce(a.reason, ''),
			j.id <= (SELECT done_through FROM fold) AND a.id IS NULL AND o.id IS NULL
		FROM journal j LEFT JOIN journal_aside a ON a.id = j.id LEFT JOIN journal_open o ON o.id = j.id
		WHERE j.id > ? ORDER BY j.id LIMIT ?`, after, limited(limit))
}

// SetAsideEntries implements store.Store.
func (s *Store) SetAsideEntries(ctx context.Context, limit int) ([]store.Entry, error) {
	return query(ctx, s, "read entries set aside", scanEntry, `
		SELECT `+entryColumns+`, a.reason, 0
		FROM journal_aside a CROSS JOIN journal j ON j.id = a.id
		ORDER BY a.id DESC LIMIT ?`, limited(limit))
}

// RetryEntry implements store.Store.
func (s *Store) RetryEntry(ctx context.Context, id int64) error {
	return s.write(ctx, "retry a journal entry", func(t *tx) error {
		n, err := t.exec(`DELETE FROM journal_aside WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("journal entry %d that was set aside: %w", id, store.ErrNotFound)
		}
		t.then = func() { s.pruned.Store(0) } // it lies behind where pruning has got to
		_, err = t.exec(`INSERT INTO journal_open (id) VALUES (?)`, id)
		return err
	})
}

// mark writes that entries are done with, and moves the mark up to which all
// are. Entries are folded in order, so that as a rule the mark is all that is
// written; entries below it that aren't in the batch become exceptions.
func (t *tx) mark(applied []int64, aside map[int64]string) (doneThrough int64, err error) {
	was := t.w.doneThrough
	doneThrough = was
	ids := make([]int64, 0, len(applied)+len(aside))
	ids = append(ids, applied...)
	for id, reason := range aside {
		ids = append(ids, id)
		if _, err := t.exec(`INSERT INTO journal_aside (id, reason) VALUES (?, ?)
			ON CONFLICT (id) DO UPDATE SET reason = excluded.reason`, id, reason); err != nil {
			return 0, err
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		if id > t.w.lastID {
			return 0, fmt.Errorf("%w: entry %d isn't in the journal: its last is %d", store.ErrRejected, id, t.w.lastID)
		}
		if id <= was {
			if _, err := t.exec(`DELETE FROM journal_open WHERE id = ?`, id); err != nil {
				return 0, err
			}
			continue
		}
		for hole := doneThrough + 1; hole < id; hole++ {
			if _, err := t.exec(`INSERT INTO journal_open (id) VALUES (?)`, hole); err != nil {
				return 0, err
			}
		}
		doneThrough = id
	}
	if doneThrough != was {
		_, err = t.exec(`UPDATE fold SET done_through = ?`, doneThrough)
	}
	return doneThrough, err
}
