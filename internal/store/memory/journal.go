package memory

import (
	"cmp"
	"context"
	"slices"

	"nms-alert-relay/internal/store"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, e store.Entry) (id int64, err error) {
	err = s.do(ctx, func() error {
		s.lastEntry++
		id = s.lastEntry
		e.ID, e.ReceivedAt, e.Payload, e.Applied, e.SetAside = id, micro(e.ReceivedAt), slices.Clone(e.Payload), false, ""
		s.journal[id] = &e
		return nil
	})
	return id, err
}

// entries are those that pass, oldest first.
func (s *Store) entries(ctx context.Context, pass func(e *store.Entry) bool) (all []store.Entry, err error) {
	err = s.do(ctx, func() error {
		for _, e := range sorted(s.journal, pass, func(a, b *store.Entry) int { return cmp.Compare(a.ID, b.ID) }) {
			one := *e
			one.Payload = slices.Clone(e.Payload)
			all = append(all, one)
		}
		return nil
	})
	return all, err
}

func pending(e *store.Entry) bool { return !e.Applied && e.SetAside == "" }

// PendingEntries implements store.Store.
func (s *Store) PendingEntries(ctx context.Context, limit int) ([]store.Entry, error) {
	all, err := s.entries(ctx, pending)
	return limited(all, limit), err
}

// Entries implements store.Store.
func (s *Store) Entries(ctx context.Context, after int64, limit int) ([]store.Entry, error) {
	all, err := s.entries(ctx, func(e *store.Entry) bool { return e.ID > after })
	return limited(all, limit), err
}

// SetAsideEntries implements store.Store.
func (s *Store) SetAsideEntries(ctx context.Context, limit int) ([]store.Entry, error) {
	all, err := s.entries(ctx, func(e *store.Entry) bool { return e.SetAside != "" })
	slices.Reverse(all)
	return limited(all, limit), err
}

// RetryEntry implements store.Store.
func (s *Store) RetryEntry(ctx context.Context, id int64) error {
	return s.do(ctx, func() error {
		e := s.journal[id]
		if e == nil || e.SetAside == "" {
			return notFound("journal entry %d that was set aside", id)
		}
		e.SetAside = ""
		return nil
	})
}
