package memory

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"nms-alert-relay/internal/store"
)

type tokenID struct {
	person, source string
	confirmed      bool
}

func tokenOrder(a, b store.PersonToken) int {
	return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Source, b.Source), cmp.Compare(confirmed(a), confirmed(b)))
}

func confirmed(t store.PersonToken) int {
	if t.Confirmed {
		return 1
	}
	return 0
}

func idOfToken(t store.PersonToken) tokenID { return tokenID{t.Person, t.Source, t.Confirmed} }

// PersonTokens implements store.Store.
func (s *Store) PersonTokens(ctx context.Context, person string) ([]store.PersonToken, error) {
	return call(ctx, s, func() ([]store.PersonToken, error) {
		return s.tokens.find(0, tokenOrder, func(t store.PersonToken) bool { return t.Person == person }), nil
	})
}

// AllPersonTokens implements store.Store.
func (s *Store) AllPersonTokens(ctx context.Context) ([]store.PersonToken, error) {
	return call(ctx, s, func() ([]store.PersonToken, error) {
		return s.tokens.find(0, tokenOrder, func(store.PersonToken) bool { return true }), nil
	})
}

// SavePersonToken implements store.Store.
func (s *Store) SavePersonToken(ctx context.Context, t store.PersonToken) error {
	return s.do(ctx, func() error {
		if err := t.Belongs(); err != nil {
			return err
		}
		s.tokens.put(idOfToken(t), t)
		return nil
	})
}

// ConfirmPersonToken implements store.Store.
func (s *Store) ConfirmPersonToken(ctx context.Context, person, source, command string) error {
	return s.do(ctx, func() error {
		t, err := s.tokens.get(tokenID{person, source, false}, "token to confirm")
		if err == nil && t.Command != command {
			err = fmt.Errorf("token to confirm: %w", store.ErrNotFound)
		}
		if err != nil {
			return err
		}
		s.tokens.delete(idOfToken(t))
		t.Confirmed = true
		s.tokens.put(idOfToken(t), t)
		return nil
	})
}

// ForgetPersonTokens implements store.Store.
func (s *Store) ForgetPersonTokens(ctx context.Context, person, source string) (int, error) {
	return call(ctx, s, func() (used int, err error) {
		s.removeTokens(func(t store.PersonToken) bool {
			gone := t.Person == person && (source == "" || t.Source == source)
			if gone {
				used += confirmed(t)
			}
			return gone
		})
		return used, nil
	})
}

// ForgetSealed implements store.Store.
func (s *Store) ForgetSealed(ctx context.Context, sealed string) error {
	return s.do(ctx, func() error {
		s.removeTokens(func(t store.PersonToken) bool { return t.Sealed == sealed })
		return nil
	})
}

func (s *Store) removeTokens(pass func(t store.PersonToken) bool) {
	s.tokens.remove(0, tokenOrder, pass, func(t store.PersonToken) { s.tokens.delete(idOfToken(t)) })
}

// SealedValues implements store.Store.
func (s *Store) SealedValues(ctx context.Context) ([]store.SealedValue, error) {
	return call(ctx, s, func() (all []store.SealedValue, err error) {
		for _, t := range s.tokens.find(0, tokenOrder, func(store.PersonToken) bool { return true }) {
			all = append(all, store.SealedValue{Place: t.Place(), Sealed: t.Sealed})
		}
		return all, nil
	})
}

// Reseal implements store.Store.
func (s *Store) Reseal(ctx context.Context, before, after string) error {
	return s.changeToken(ctx, before, func(t *store.PersonToken) { t.Sealed = after })
}

// TellPersonToken implements store.Store.
func (s *Store) TellPersonToken(ctx context.Context, sealed string, at time.Time) error {
	return s.changeToken(ctx, sealed, func(t *store.PersonToken) { t.ToldAt = at })
}

func (s *Store) changeToken(ctx context.Context, sealed string, change func(*store.PersonToken)) error {
	return s.do(ctx, func() error {
		for _, t := range s.tokens.find(0, tokenOrder, func(t store.PersonToken) bool { return t.Sealed == sealed }) {
			change(&t)
			s.tokens.put(idOfToken(t), t)
		}
		return nil
	})
}
