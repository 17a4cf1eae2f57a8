package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"nms-alert-relay/internal/store"
)

const entryColumns = `id, source, kind, received_at, payload, packed, set_aside, pending = 0 AND set_aside = '', trace`

func scanEntry(rows *sql.Rows) (store.Entry, error) {
	var e store.Entry
	var how int64
	err := rows.Scan(&e.ID, &e.Source, &e.Kind, stamp{&e.ReceivedAt}, &e.Payload, &how, &e.SetAside, &e.Applied, &e.Trace)
	if err != nil {
		return e, err
	}
	// A payload that can't be unpacked is returned as stored: the fold can't read it either, and
	// sets the entry aside.
	if payload, err := unpack(e.Payload, how); err == nil {
		e.Payload = payload
	}
	return e, nil
}

const pendingEntries = `SELECT ` + entryColumns + ` FROM journal WHERE pending = 1 ORDER BY id LIMIT ?`

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
		SELECT `+entryColumns+` FROM journal WHERE id > ? ORDER BY id LIMIT ?`, after, limited(limit))
}

const setAsideEntries = `SELECT ` + entryColumns + ` FROM journal WHERE set_aside <> '' ORDER BY id DESC LIMIT ?`

// SetAsideEntries implements store.Store.
func (s *Store) SetAsideEntries(ctx context.Context, limit int) ([]store.Entry, error) {
	return query(ctx, s, "read entries set aside", scanEntry, setAsideEntries, limited(limit))
}

// RetryEntry implements store.Store.
func (s *Store) RetryEntry(ctx context.Context, id int64) error {
	return s.write(ctx, "retry a journal entry", func(t *tx) error {
		n, err := t.exec(`UPDATE journal SET pending = 1, set_aside = '' WHERE id = ? AND set_aside <> ''`, id)
		if err == nil && n == 0 {
			err = fmt.Errorf("journal entry %d that was set aside: %w", id, store.ErrNotFound)
		}
		return err
	})
}

const (
	// One statement for the whole batch.
	markApplied  = `UPDATE journal SET pending = 0, set_aside = '' WHERE id IN (SELECT value FROM json_each(?))`
	markSetAside = `UPDATE journal SET pending = 0, set_aside = ? WHERE id = ?`
)

// markApplied marks entries as applied.
func (t *tx) markApplied(ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	n, err := t.exec(markApplied, string(list))
	if err == nil && n != int64(len(ids)) {
		err = fmt.Errorf("%w: %d of %d applied entries aren't in the journal", store.ErrRejected, int64(len(ids))-n, len(ids))
	}
	return err
}

// markSetAside marks entries as set aside, with the reasons.
func (t *tx) markSetAside(reasons map[int64]string) error {
	for id, reason := range reasons {
		n, err := t.exec(markSetAside, cmp.Or(reason, "unknown"), id)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: entry %d to be set aside isn't in the journal", store.ErrRejected, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
