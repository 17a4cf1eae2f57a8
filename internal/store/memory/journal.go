package memory

import (
	"cmp"
	"context"
	"slices"

	"nms-alert-relay/internal/store"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, e store.Entry) (int64, error) {
	return call(ctx, s, func() (int64, error) {
		s.lastEntry++
		e.ID, e.ReceivedAt, e.Payload, e.Applied, e.SetAside = s.lastEntry, micro(e.ReceivedAt), slices.Clone(e.Payload), false, ""
		s.journal[e.ID] = &e
		return e.ID, nil
	})
}

// entries are those that pass, oldest first.
func (s *Store) entries(ctx context.Context, pass func(e *store.Entry) bool) ([]store.Entry, error) {
	return call(ctx, s, func() (all []store.Entry, err error) {
		for _, e := range sorted(s.journal, pass, byEntry) {
			one := *e
			one.Payload = slices.Clone(e.Payload)
			all = append(all, one)
		}
		return all, nil
	})
}

func byEntry(a, b *store.Entry) int { return cmp.Compare(a.ID, b.ID) }

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
