package delivery

import (
	"context"
	"errors"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// storeMost is when a task is served again that the store's trouble stopped.
const storeMost = 5 * time.Second

// persist is attempt for callers that don't need the error.
func (d *Delivery) persist(ctx context.Context, what string, do func(ctx context.Context) error) bool {
	err := d.attempt(ctx, what, do)
	if errors.Is(err, store.ErrRejected) {
		d.Log.Error("the store rejects this; only this is affected", "doing", what, "err", err)
	}
	return err == nil
}

// read is persist for calls that return a value.
func read[T any](ctx context.Context, d *Delivery, what string, do func(context.Context) (T, error)) (got T, ok bool) {
	ok = d.persist(ctx, what, func(ctx context.Context) (err error) {
		got, err = do(ctx)
		return err
	})
	return got, ok
}

// attempt is store.Retry, with a metric. A worker that waits in it makes no calls, so a crash while the store is down
// repeats one message for each worker at most.
func (d *Delivery) attempt(ctx context.Context, what string, do func(ctx context.Context) error) error {
	return store.Retry(ctx, d.Log, d.Jitter, what, func(ctx context.Context) error {
		err := do(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrClosed) {
			d.Metrics.StoreErrors.Inc()
		}
		return err
	})
}

// problems reads problems. Unreadable ones are left out like missing ones, so that a damaged document stops neither
// its bot nor its digest; broken is the reason. false if ctx ended.
func (b *bot) problems(ctx context.Context, what string, keys []alert.Key) (found map[alert.Key]alert.Problem, broken error, ok bool) {
	err := b.attempt(ctx, what, func(ctx context.Context) (err error) {
		found, err = b.Store.Problems(ctx, keys)
		return err
	})
	if errors.Is(err, store.ErrRejected) {
		b.Log.Error("problems can't be read; only these problems are affected", "bot", b.name, "err", err)
		return found, err, true
	}
	return found, nil, err == nil
}

// save writes a task's progress. If the store rejects it, the task is skipped until the relay restarts: every further
// attempt would repeat a message that the room already has.
func (b *bot) save(l lives, id, what string, do func(ctx context.Context) error) bool {
	err := b.attempt(l.save, what, do)
	if errors.Is(err, store.ErrRejected) {
		b.skipped.Store(id, true)
		b.Log.Error("the progress of a task can't be saved: the task is skipped until the relay restarts", "task", id, "bot", b.name, "doing", what, "err", err)
	}
	return err == nil
}

// skips reports whether a task is skipped.
func (b *bot) skips(id string) bool {
	_, skipped := b.skipped.Load(id)
	return skipped
}
