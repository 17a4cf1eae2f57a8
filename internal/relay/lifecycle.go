package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// part is something that runs until its context ends.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// stage is a set of parts that stop together. Stages start in order and stop in
// the reverse one: what takes things in stops before what works them off.
type stage struct {
	parts []part
}

// runStages runs all until ctx ends or a part fails, then stops stage by stage,
// each within grace. It gives the errors of all parts, joined.
func runStages(ctx context.Context, log *slog.Logger, grace time.Duration, stages ...stage) error {
	var (
		mu     sync.Mutex
		faults []error
		broken = make(chan struct{})
		once   sync.Once
	)
	type running struct {
		cancel context.CancelFunc
		done   chan struct{}
	}
	var started []running
	for _, s := range stages {
		// A stage isn't stopped by ctx but in its turn.
		sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		var wg sync.WaitGroup
		for _, p := range s.parts {
			wg.Go(func() {
				err := p.run(sctx)
				if sctx.Err() == nil {
					// A part that ends by itself ends the relay: half a relay helps nobody.
					if err == nil {
						err = errors.New("stopped by itself")
					}
					log.Error("a part of the relay failed; stopping", "part", p.name, "error", err)
					once.Do(func() { close(broken) })
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					mu.Lock()
					faults = append(faults, fmt.Errorf("%s: %w", p.name, err))
					mu.Unlock()
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		started = append(started, running{cancel, done})
	}
	select {
	case <-ctx.Done():
	case <-broken:
	}
	for i := len(started) - 1; i >= 0; i-- {
		started[i].cancel()
		timer := time.NewTimer(grace)
		select {
		case <-started[i].done:
		case <-timer.C:
			mu.Lock()
			faults = append(faults, fmt.Errorf("stage %d didn't stop within %s", i+1, grace))
			mu.Unlock()
		}
		timer.Stop()
	}
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(faults...)
}
