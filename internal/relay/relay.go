// Package relay is the process: it opens the store and the listeners, connects the parts, and starts and stops them in order.
package relay

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/client"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/receiver"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
	"nms-alert-relay/internal/systemd"
	"nms-alert-relay/internal/tracing"
	"nms-alert-relay/internal/webex"
)

// Options configure a Relay.
type Options struct {
	Config  *config.Config
	Version string
	Log     *slog.Logger
	Manager *systemd.Manager // nil: nobody
	// Env is the environment, for tracing; nil: an empty one.
	Env func(name string) string
	// Read reads the configuration again, for a reload, and calls seen with each file that it reads; nil: there is no file.
	Read func(seen func(name string, content []byte)) (*config.Config, error)
	// Signal asks for a reload, as SIGHUP does; nil for never.
	Signal <-chan os.Signal
	// Level is the level of Log, which a reload changes; nil: it stays.
	Level *slog.LevelVar
	// Public and Admin replace the listeners of the configuration; nil: the relay opens its own.
	Public, Admin net.Listener
	// Dial opens connections to Webex and Zabbix; nil: over the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Relay is one relay process.
type Relay struct {
	live     live
	metrics  *metrics
	tracer   *tracing.Tracer // nil while tracing is off
	version  string
	log      *slog.Logger
	manager  *systemd.Manager
	store    store.Store
	free     func() (bytes uint64, known bool) // for the store
	notifier store.Notifier
	registry *prometheus.Registry
	public   net.Listener
	private  net.Listener
	stages   []stage
	draining atomic.Bool

	started *config.Config // the configuration of the start: a running relay keeps its listeners and its store
	read    func(seen func(name string, content []byte)) (*config.Config, error)
	signal  <-chan os.Signal
	level   *slog.LevelVar
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	linkKey []byte
	limits  *receiver.Limits
	intake  atomic.Pointer[receiver.Receiver]
	parts   parts
	// rest are the clients of Webex, by bot, for parts that have no bots of their own.
	rest atomic.Pointer[map[string]*webex.Client]

	reloading sync.Mutex // guards what follows
	announced client.Running
	clients   clients
	files     files // of the last attempt
}

// New opens the store and the listeners and connects the parts. Nothing runs yet: call Run, or Close.
func New(ctx context.Context, o Options) (_ *Relay, err error) {
	r := &Relay{version: cmp.Or(o.Version, "dev"), log: o.Log, manager: o.Manager, public: o.Public, private: o.Admin, registry: prometheus.NewRegistry(),
		read: o.Read, signal: o.Signal, level: o.Level, dial: o.Dial, limits: receiver.NewLimits(o.Log)}
	hash := "unknown"
	if r.read != nil {
		// Before anything is made of them: what changes from now on differs from its digest. If they have changed already, watch reloads them.
		if cfg, seen, err := r.readFiles(); err == nil && len(config.Diff(o.Config, cfg)) == 0 {
			o.Config, r.files, hash = cfg, seen, seen.hash(cfg.File)
		}
	}
	r.started = o.Config
	r.metrics = newMetrics(r.registry, r.version)
	for _, w := range o.Config.Warnings {
		r.log.Warn(w.Error())
	}
	r.tracer = newTracer(ctx, o, r.metrics.tracing)
	opened, err := sqlite.Open(ctx, sqlite.Options{Path: o.Config.Store.Path, Log: o.Log, Migrating: o.Manager.Migrating})
	if err != nil {
		return nil, errors.Join(err, r.stopTracing())
	}
	r.notifier, r.free = new(store.Local), opened.FreeBytes
	r.store = tracing.Store(store.Waking(opened, r.notifier), r.tracer)
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if err := r.listen(o.Config.Server); err != nil {
		return nil, err
	}
	if err := r.connect(ctx, o.Config); err != nil {
		return nil, err
	}
	r.metrics.config.loaded(hash, false, time.Now())
	r.announce()
	return r, nil
}

// Close releases what New opened. Call it only instead of Run.
func (r *Relay) Close() error {
	r.unannounce()
	var faults []error
	for _, l := range []net.Listener{r.public, r.private} {
		if l != nil {
			faults = append(faults, l.Close())
		}
	}
	return errors.Join(append(faults, r.store.Close(), r.stopTracing())...)
}

// Addr is the address of the public listener.
func (r *Relay) Addr() string { return r.public.Addr().String() }

// AdminAddr is the address of the admin listener.
func (r *Relay) AdminAddr() string { return r.private.Addr().String() }

// Gatherer returns the relay's metrics.
func (r *Relay) Gatherer() prometheus.Gatherer { return r.registry }

// Run runs the relay until ctx ends or a part fails, then drains it and closes the store.
func (r *Relay) Run(ctx context.Context) error {
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	}
	r.log.Info("relay started", "listen", r.Addr(), "admin", r.AdminAddr(), "store", r.live.Load().cfg.Store.Path)
	err := runStages(ctx, r.log, stopTime, r.drain, r.stages...)
	r.unannounce()
	err = errors.Join(err, r.stopTracing(), r.store.Close())
	r.log.Info("relay stopped")
	return err
}

// gcPercent is the GOGC of a running relay. A storm allocates much and little of it is kept: an event costs a tenth less
// than with Go's default of 100.
const gcPercent = 200

// drain makes /readyz fail from now on.
func (r *Relay) drain() {
	r.draining.Store(true)
	r.manager.Stopping()
	r.log.Info("relay stopping: requests are refused, calls in flight may finish", "at_most", stopTime*time.Duration(len(r.stages)))
}

// stopTime bounds how long one stage may take to stop. It is longer than any call in flight.
const stopTime = 20 * time.Second
