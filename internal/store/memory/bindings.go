package memory

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"nms-alert-relay/internal/store"
)

func bindingOrder(a, b store.Binding) int { return cmp.Compare(a.ID, b.ID) }

// Bindings implements store.Store.
func (s *Store) Bindings(ctx context.Context) ([]store.Binding, error) {
	return call(ctx, s, func() ([]store.Binding, error) {
		return s.bindings.find(0, bindingOrder, func(store.Binding) bool { return true }), nil
	})
}

// AddBinding implements store.Store.
func (s *Store) AddBinding(ctx context.Context, b store.Binding) (int64, error) {
	return call(ctx, s, func() (int64, error) {
		if known := s.bindings.find(1, bindingOrder, func(other store.Binding) bool { return other.Command == b.Command }); len(known) > 0 {
			return known[0].ID, nil
		}
		s.lastBinding++
		b.ID = s.lastBinding
		s.bindings.put(b.ID, b)
		return b.ID, nil
	})
}

// EndBinding implements store.Store.
func (s *Store) EndBinding(ctx context.Context, id int64, why store.BindingEnd, at time.Time) error {
	return s.do(ctx, func() error {
		name := fmt.Sprintf("binding %d", id)
		b, err := s.bindings.get(id, name)
		if err == nil && !b.EndedAt.IsZero() {
			err = fmt.Errorf("%s: %w", name, store.ErrNotFound)
		}
		if err != nil {
			return err
		}
		b.EndedAt, b.Ended = at, why
		s.bindings.put(id, b)
		return nil
	})
}
