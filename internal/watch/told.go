package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"nms-alert-relay/internal/store"
)

// told is the stored list of names whose trouble is in a room's message. One that isn't configured any more, perhaps since before a
// restart, is found in it, so that its message ends.
type told struct {
	store Store
	value string // its name in the store

	mu     sync.Mutex
	names  []string
	loaded bool
}

// list returns the names.
func (t *told) list(ctx context.Context) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.load(ctx); err != nil {
		return nil, err
	}
	return slices.Clone(t.names), nil
}

// set adds a name to the list, or removes it.
func (t *told) set(ctx context.Context, name string, on bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.load(ctx); err != nil {
		return err
	}
	if slices.Contains(t.names, name) == on {
		return nil
	}
	next := slices.DeleteFunc(slices.Clone(t.names), func(known string) bool { return known == name })
	if on {
		next = append(next, name)
	}
	encoded, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := t.store.SetValue(ctx, t.value, string(encoded)); err != nil {
		return err
	}
	t.names = next
	return nil
}

func (t *told) load(ctx context.Context) error {
	if t.loaded {
		return nil
	}
	value, err := t.store.Value(ctx, t.value)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal([]byte(value), &t.names); err != nil {
			return fmt.Errorf("%s: %w", t.value, err)
		}
	}
	t.loaded = true
	return nil
}
