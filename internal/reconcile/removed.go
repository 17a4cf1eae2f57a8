package reconcile

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// Removed returns how many problems are open of each source that isn't configured any more. Nothing ends them, and they remind and escalate.
func (s *Sweeps) Removed(ctx context.Context) (map[string]int, error) {
	open, err := s.opts.Store.OpenBySource(ctx)
	maps.DeleteFunc(open, func(name string, _ int) bool { return s.opts.Configured == nil || s.opts.Configured(name) })
	return open, err
}

// logRemoved logs them, at the start, after each change of the sources, and each day.
func (s *Sweeps) logRemoved(ctx context.Context) {
	for pace.Pause(ctx, 24*time.Hour, s.changed) {
		err := store.Retry(ctx, s.opts.Log, rand.Float64, "counting the problems of removed sources", func(ctx context.Context) error {
			removed, err := s.Removed(ctx)
			for _, name := range slices.Sorted(maps.Keys(removed)) {
				s.opts.Log.Warn("open problems of a source that isn't configured: nothing ends them. If it was renamed, configure its old name; otherwise close them with 'alert-relay reconcile --accept-gone --source'",
					"source", name, "problems", removed[name])
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			s.opts.Log.Error("cannot count the problems of removed sources", "error", err)
		}
	}
}

// CloseRemoved closes the open problems of a source that isn't configured any more, as gone. store.ErrNotFound if there are none.
func (s *Sweeps) CloseRemoved(ctx context.Context, source, by string) (Report, error) {
	removed, err := s.Removed(ctx)
	if err == nil && removed[source] == 0 {
		err = fmt.Errorf("open problems of the removed source %s: %w", source, store.ErrNotFound)
	}
	if err != nil {
		return Report{}, err
	}
	open, err := s.opts.Store.FindProblems(ctx, store.Filter{Source: source, Open: true})
	if err != nil {
		return Report{}, err
	}
	s.opts.Log.Info("closing the problems of a source that isn't configured, as an operator asked", "source", source, "problems", len(open), "by", by)
	var appends errgroup.Group
	appends.SetLimit(maxAppends)
	for _, p := range open {
		appends.Go(func() error {
			return journal(ctx, s.opts.Store, p.Key, alert.Observation{At: time.Now().UTC(), Gone: true})
		})
	}
	return Report{Source: source, Removed: true, Missing: len(open), Closing: len(open)}, appends.Wait()
}
