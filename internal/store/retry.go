package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"nms-alert-relay/internal/pace"
)

// retryBase and retryMost bound the backoff between two attempts.
const retryBase, retryMost = 100 * time.Millisecond, 5 * time.Second

// Retry repeats a call of the store until it succeeds. It gives up when ctx ends, and on errors that a retry can't
// cure: lasting ones and ErrClosed. what describes the call in the log.
func Retry(ctx context.Context, log *slog.Logger, jitter func() float64, what string, call func(context.Context) error) error {
	for n := 1; ; n++ {
		err := call(ctx)
		switch {
		case err == nil || Lasting(err) || errors.Is(err, ErrClosed):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		log.Error("the store failed: retrying", "doing", what, "attempt", n, "error", err)
		if !pace.Pause(ctx, pace.Backoff(n, retryBase, retryMost, jitter()), nil) {
			return ctx.Err()
		}
	}
}
