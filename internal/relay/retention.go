package relay

import (
	"context"
	"time"
)

const (
	pruneEvery = 10 * time.Minute
	pruneRows  = 500 // rows a batch: few enough that no append waits noticeably
	prunePause = 50 * time.Millisecond
)

// prune removes rows past their retention, in small batches with pauses in between, so that intake never waits for it.
func (r *Relay) prune(ctx context.Context) error {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		now, keep := time.Now(), r.live.Load().cfg.Retention
		pause := time.NewTimer(0)
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
			n, err := r.store.Prune(ctx, now.Add(-time.Duration(keep.Journal)), now.Add(-time.Duration(keep.Problems)), now.Add(-time.Duration(keep.Audit)), pruneRows)
			if err != nil && ctx.Err() == nil {
				r.log.Warn("pruning failed; retrying later", "error", err)
			}
			if err != nil || n == 0 {
				break
			}
			pause.Reset(prunePause)
		}
		pause.Stop()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
