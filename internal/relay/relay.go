// Package relay puts the parts together: it opens the store, connects what
// takes in, folds, delivers and listens, and starts and stops them in order.
package relay

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
)

// Options make a Relay.
type Options struct {
	Config  *config.Config // as config.Load returned it
	Version string
	Log     *slog.Logger
	// Public and Admin are listened on instead of the configuration's addresses.
	Public, Admin net.Listener
}

// Relay is the whole program.
type Relay struct {
	live     live
	metrics  *metrics
	version  string
	log      *slog.Logger
	store    store.Store
	notifier store.Notifier
	registry *prometheus.Registry
	public   net.Listener
	private  net.Listener
	stages   []stage
	draining atomic.Bool
}

// New opens the store and the listeners and connects the parts. Nothing runs
// yet; Run must be called, or Close.
func New(ctx context.Context, o Options) (_ *Relay, err error) {
	r := &Relay{version: cmp.Or(o.Version, "dev"), log: o.Log, public: o.Public, private: o.Admin, registry: prometheus.NewRegistry()}
	r.metrics = newMetrics(r.registry, r.version)
	for _, w := range o.Config.Warnings {
		r.log.Warn(w.String())
	}
	opened, err := sqlite.Open(ctx, sqlite.Options{Path: o.Config.Store.Path, Log: o.Log})
	if err != nil {
		return nil, err
	}
	r.notifier = new(store.Local)
	r.store = store.Waking(opened, r.notifier)
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if err := r.listen(o.Config.Server); err != nil {
		return nil, err
	}
	return r, r.connect(ctx, o.Config)
}

// Close gives back what New took, where Run was never called.
func (r *Relay) Close() error {
	var faults []error
	for _, l := range []net.Listener{r.public, r.private} {
		if l != nil {
			faults = append(faults, l.Close())
		}
	}
	return errors.Join(append(faults, r.store.Close())...)
}

// Addr is where the public listener listens.
func (r *Relay) Addr() string { return r.public.Addr().String() }

// AdminAddr is where the admin listener listens.
func (r *Relay) AdminAddr() string { return r.private.Addr().String() }

// Gatherer is the relay's metrics.
func (r *Relay) Gatherer() prometheus.Gatherer { return r.registry }

// Run runs the relay until ctx ends or a part fails, then drains it and closes the store.
func (r *Relay) Run(ctx context.Context) error {
	r.log.Info("the relay runs", "listen", r.Addr(), "admin", r.AdminAddr(), "store", r.live.Load().cfg.Store.Path)
	err := runStages(ctx, r.log, stopTime, r.drain, r.stages...)
	err = errors.Join(err, r.store.Close())
	r.log.Info("the relay has stopped")
	return err
}

// drain makes /readyz fail, whatever the relay stops for.
func (r *Relay) drain() {
	r.draining.Store(true)
	r.log.Info("stopping: nothing more is taken in, what is under way may finish", "at_most", stopTime*time.Duration(len(r.stages)))
}

// stopTime is how long one stage may take to stop: longer than its calls in
// flight may last.
const stopTime = 20 * time.Second
