package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// values keeps JSON values in the store.
type values interface {
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
}

// readValue reads a JSON value; false if there is none. One that can't be read counts as none, and is logged.
func readValue[T any](ctx context.Context, s values, name string, log *slog.Logger) (v T, found bool, err error) {
	value, err := s.Value(ctx, name)
	if errors.Is(err, store.ErrNotFound) || err == nil && value == "" {
		return v, false, nil
	}
	if err != nil {
		return v, false, fmt.Errorf("reading %s: %w", name, err)
	}
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		log.Error("a stored value can't be read: starting anew", "name", name, "value", text.Shorten(value, maxDetail), "error", err)
		var none T
		return none, false, nil
	}
	return v, true, nil
}

// writeValue writes a JSON value.
func writeValue(ctx context.Context, s values, name string, v any) error {
	encoded, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := s.SetValue(ctx, name, string(encoded)); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
