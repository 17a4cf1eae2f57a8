package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// part runs until its context ends.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// stage is a set of parts that stop together. Stages start in order and stop in reverse order: intake stops before the parts that
// process what it accepted.
type stage []part

// runStages runs all parts until ctx ends or a part fails. Then it calls draining and stops the stages one by one, waiting at most
// grace for each. It returns the errors of all parts, joined.
func runStages(ctx context.Context, log *slog.Logger, grace time.Duration, draining func(), stages ...stage) error {
	var (
		mu     sync.Mutex
		faults []error
		broken = make(chan struct{})
		once   sync.Once
	)
	type running struct {
		cancel context.CancelFunc
		done   chan struct{}
		parts  []string // still running
	}
	started := make([]*running, 0, len(stages))
	for _, s := range stages {
		// A stage ends in its turn, not when ctx does.
		sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r := &running{cancel: cancel, done: make(chan struct{})}
		for _, p := range s {
			r.parts = append(r.parts, p.name)
		}
		var wg sync.WaitGroup
		for _, p := range s {
			wg.Go(func() {
				err := p.run(sctx)
				unasked := sctx.Err() == nil
				if unasked {
					// A part that ends unasked stops the relay: otherwise its failure would go unnoticed.
					if err == nil {
						err = errors.New("stopped by itself")
					}
					log.Error("part failed; the relay stops", "part", p.name, "error", err)
					once.Do(func() { close(broken) })
				}
				mu.Lock()
				defer mu.Unlock()
				r.parts = slices.DeleteFunc(r.parts, func(name string) bool { return name == p.name })
				if err != nil && (unasked || !errors.Is(err, context.Canceled)) {
					faults = append(faults, fmt.Errorf("%s: %w", p.name, err))
				}
			})
		}
		go func() { wg.Wait(); close(r.done) }()
		started = append(started, r)
	}
	select {
	case <-ctx.Done():
	case <-broken:
	}
	draining()
	for _, r := range slices.Backward(started) {
		r.cancel()
		timer := time.NewTimer(grace)
		select {
		case <-r.done:
		case <-timer.C:
			mu.Lock()
			if len(r.parts) > 0 {
				err := fmt.Errorf("%s: still running %s after it was told to stop", strings.Join(r.parts, ", "), grace)
				log.Error("parts did not stop in time; stopping without them", "parts", r.parts, "waited", grace)
				faults = append(faults, err)
			}
			mu.Unlock()
		}
		timer.Stop()
	}
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(faults...)
}
