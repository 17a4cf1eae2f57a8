package watch

import (
	"context"
	"log/slog"
	"slices"
	"sync"
)

// told is the stored list of names whose trouble is in a room's message. One that isn't configured any more, perhaps since before a
// restart, is found in it, so that its message ends.
type told struct {
	store Store
	value string // its name in the store
	log   *slog.Logger

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
	if err := writeValue(ctx, t.store, t.value, next); err != nil {
		return err
	}
	t.names = next
	return nil
}

func (t *told) load(ctx context.Context) error {
	if t.loaded {
		return nil
	}
	names, _, err := readValue[[]string](ctx, t.store, t.value, t.log)
	if err != nil {
		return err
	}
	t.names = names
	t.loaded = true
	return nil
}
