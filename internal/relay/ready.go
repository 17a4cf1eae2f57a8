package relay

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// readyWait bounds how long a probe waits for the store.
const readyWait = 2 * time.Second

// readiness answers /readyz. It logs changes of the answer, not each answer, since probes come every few seconds.
type readiness struct {
	draining func() bool
	ping     func(ctx context.Context) error
	log      *slog.Logger

	mu     sync.Mutex
	failed bool
}

func (p *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if p.draining() {
		writeText(w, http.StatusServiceUnavailable, "draining")
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), readyWait)
	defer cancel()
	err := p.ping(ctx)
	if err != nil && req.Context().Err() != nil {
		return // the probe gave up, which says nothing about the store
	}
	p.logChange(err)
	if err != nil {
		writeText(w, http.StatusServiceUnavailable, "the store can't be written to")
		return
	}
	writeText(w, http.StatusOK, "ready")
}

func (p *readiness) logChange(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil && !p.failed:
		p.log.Warn("not ready: cannot write to the store", "error", err)
	case err == nil && p.failed:
		p.log.Info("ready again: the store is writable")
	}
	p.failed = err != nil
}
