package relay

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// readyWait is how long a probe waits for the store.
const readyWait = 2 * time.Second

// readiness answers /readyz. Probes come every few seconds: the log tells when the answer
// changes, not each answer.
type readiness struct {
	draining func() bool
	ping     func(ctx context.Context) error
	log      *slog.Logger

	mu     sync.Mutex
	failed bool
}

func (p *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if p.draining() {
		say(w, http.StatusServiceUnavailable, "draining")
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), readyWait)
	defer cancel()
	err := p.ping(ctx)
	if err != nil && req.Context().Err() != nil {
		return // the prober went away, which says nothing about the store
	}
	p.note(err)
	if err != nil {
		say(w, http.StatusServiceUnavailable, "the store can't be written to")
		return
	}
	say(w, http.StatusOK, "ready")
}

func (p *readiness) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil && !p.failed:
		p.log.Warn("not ready: the store can't be written to", "error", err)
	case err == nil && p.failed:
		p.log.Info("ready again: the store can be written to")
	}
	p.failed = err != nil
}
