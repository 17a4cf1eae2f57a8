package relay

import (
	"context"
	"log/slog"
	"time"

	"nms-alert-relay/internal/pace"
)

const (
	pruneEvery = 10 * time.Minute
	pruneRows  = 500 // rows a batch: few enough that no append waits noticeably
	prunePause = 50 * time.Millisecond
)

// prune removes rows past their retention, in small batches with pauses in between, so that intake never waits for it.
func (r *Relay) prune(ctx context.Context) error {
	return prune(ctx, r.log, func(now time.Time) (int, error) {
		keep := r.live.Load().cfg.Retention
		r.live.bindings.Forget(now.Add(-time.Duration(keep.Audit)))
		r.live.incidents.Forget(now.Add(-time.Duration(keep.Audit)))
		return r.store.Prune(ctx, now.Add(-time.Duration(keep.Journal)), now.Add(-time.Duration(keep.Problems)), now.Add(-time.Duration(keep.Audit)), pruneRows)
	})
}

// prune calls batch, which returns how many rows it removed, until ctx ends.
func prune(ctx context.Context, log *slog.Logger, batch func(now time.Time) (int, error)) error {
	for {
		wait := pruneEvery
		n, err := batch(time.Now())
		switch {
		case err != nil && ctx.Err() == nil:
			log.Warn("pruning failed; retrying later", "error", err)
		case n > 0:
			wait = prunePause
		}
		if !pace.Pause(ctx, wait, nil) {
			return nil
		}
	}
}
