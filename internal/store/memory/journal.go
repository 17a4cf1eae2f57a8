package memory

import (
	"cmp"
	"context"
	"fmt"

	"nms-alert-relay/internal/store"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, e store.Entry) (int64, error) {
	return call(ctx, s, func() (int64, error) {
		s.lastEntry++
		e.ID, e.Applied, e.SetAside = s.lastEntry, false, ""
		s.journal.put(e.ID, e)
		return e.ID, nil
	})
}

func oldestEntry(a, b store.Entry) int { return cmp.Compare(a.ID, b.ID) }

func pending(e store.Entry) bool { return !e.Applied && e.SetAside == "" }

func setAside(e store.Entry) bool { return e.SetAside != "" }

// entries returns the first entries that pass, in an order.
func (s *Store) entries(ctx context.Context, limit int, order func(a, b store.Entry) int, pass func(e store.Entry) bool) ([]store.Entry, error) {
	return call(ctx, s, func() ([]store.Entry, error) { return s.journal.find(limit, order, pass), nil })
}

// PendingEntries implements store.Store.
func (s *Store) PendingEntries(ctx context.Context, limit int) ([]store.Entry, error) {
	return s.entries(ctx, limit, oldestEntry, pending)
}

// Entries implements store.Store.
func (s *Store) Entries(ctx context.Context, after int64, limit int) ([]store.Entry, error) {
	return s.entries(ctx, limit, oldestEntry, func(e store.Entry) bool { return e.ID > after })
}

// SetAsideEntries implements store.Store.
func (s *Store) SetAsideEntries(ctx context.Context, limit int) ([]store.Entry, error) {
	newest := func(a, b store.Entry) int { return oldestEntry(b, a) }
	return s.entries(ctx, limit, newest, setAside)
}

// RetryEntry implements store.Store.
func (s *Store) RetryEntry(ctx context.Context, id int64) error {
	return s.do(ctx, func() error {
		if !setAside(s.journal.rows[id]) {
			return fmt.Errorf("journal entry %d that was set aside: %w", id, store.ErrNotFound)
		}
		return s.mark(id, false, "")
	})
}
