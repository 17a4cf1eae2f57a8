package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// Heartbeat is a sign of life that a sender gives at an interval.
type Heartbeat struct {
	Name            string
	Interval, Grace time.Duration
	Rooms           []string
}

// maxStartGrace bounds how long the relay waits after its start for a heartbeat that was due while it was down.
const maxStartGrace = time.Hour

// deadline is when a heartbeat counts as missing. watched is since when this relay listens to it.
func (h Heartbeat) deadline(b Beat, watched time.Time) time.Time {
	heard := b.Last
	if heard.IsZero() {
		heard = b.Known
	}
	due, earliest := heard.Add(h.Interval+h.Grace), watched.Add(min(h.Interval, maxStartGrace)+h.Grace)
	if due.Before(earliest) {
		return earliest
	}
	return due
}

// HeartbeatOptions configure Heartbeats.
type HeartbeatOptions struct {
	Heartbeats []Heartbeat
	Store      Store
	// Notices makes the messages about a heartbeat that is missing, or was. One with the same key edits it.
	Notices func(h Heartbeat, key string, b Beat) []store.Notice
	Log     *slog.Logger
	Now     func() time.Time
}

// Heartbeats watch senders that give signs of life. They are a collector of Prometheus, too.
type Heartbeats struct {
	shown atomic.Pointer[[]heartbeat] // as they were when mu was last unlocked: a scrape doesn't wait for the store

	opts  HeartbeatOptions
	woken chan struct{}

	told told

	mu    sync.Mutex
	beats map[string]*heartbeat
	ended bool // those that were removed have their message
}

// heartbeat is one of them while the relay runs.
type heartbeat struct {
	Heartbeat
	beat    Beat
	loaded  bool
	watched time.Time // since when
}

// NewHeartbeats makes Heartbeats.
func NewHeartbeats(opts HeartbeatOptions) *Heartbeats {
	h := &Heartbeats{opts: opts, woken: make(chan struct{}, 1), told: told{store: opts.Store, value: "heartbeats", log: opts.Log}}
	h.Set(opts.Heartbeats)
	return h
}

// Set makes these the heartbeats, while they run too. Those that stay keep what was heard of them.
func (h *Heartbeats) Set(heartbeats []Heartbeat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.show()
	next := make(map[string]*heartbeat, len(heartbeats))
	for _, b := range heartbeats {
		known := h.beats[b.Name]
		if known == nil {
			known = &heartbeat{watched: h.opts.Now()}
		}
		known.Heartbeat = b
		next[b.Name] = known
	}
	h.beats, h.ended = next, false
	pace.Wake(h.woken)
}

// Beat records a sign of life and returns once it is on disk, with the time by which the next one is expected. store.ErrNotFound: there is
// no heartbeat of that name.
func (h *Heartbeats) Beat(ctx context.Context, name string) (expectedBy time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.show()
	b := h.beats[name]
	if b == nil {
		return time.Time{}, store.ErrNotFound
	}
	if err := h.load(ctx, b); err != nil {
		return time.Time{}, err
	}
	now := h.opts.Now()
	missing := b.beat.Missing()
	if err := h.save(ctx, b, b.beat.heard(now)); err != nil {
		return time.Time{}, err
	}
	if missing {
		pace.Wake(h.woken)
	}
	return b.deadline(b.beat, b.watched), nil
}

// Names are the names of the heartbeats, sorted.
func (h *Heartbeats) Names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for name := range h.beats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// storeRetry is the pause after a failure of the store.
const storeRetry = 10 * time.Second

// keep calls check whenever it is due, or woken, until ctx ends. A check that fails is repeated.
func keep(ctx context.Context, check func(context.Context) (time.Time, error), now func() time.Time, woken <-chan struct{}, failed func(error)) error {
	for {
		next, err := check(ctx)
		if err != nil && ctx.Err() == nil {
			failed(err)
			next = now().Add(storeRetry)
		}
		if !pace.Pause(ctx, max(next.Sub(now()), time.Millisecond), woken) {
			return nil
		}
	}
}

// Run queues messages about heartbeats that are missing, or are back, until ctx ends.
func (h *Heartbeats) Run(ctx context.Context) error {
	return keep(ctx, h.check, h.opts.Now, h.woken, func(err error) {
		h.opts.Log.Warn("cannot check the heartbeats: retrying", "in", storeRetry, "error", err)
	})
}

// check checks every heartbeat and returns when to check again.
func (h *Heartbeats) check(ctx context.Context) (next time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.show()
	now := h.opts.Now()
	next = now.Add(time.Hour)
	faults := []error{h.endRemoved(ctx, now)}
	for _, b := range h.beats {
		at, err := h.checkOne(ctx, b, now)
		if err != nil {
			faults = append(faults, fmt.Errorf("heartbeat %s: %w", b.Name, err))
			continue
		}
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next, errors.Join(faults...)
}

// endRemoved ends the messages of missing heartbeats that aren't configured any more.
func (h *Heartbeats) endRemoved(ctx context.Context, now time.Time) error {
	if h.ended {
		return nil
	}
	names, err := h.told.list(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if h.beats[name] != nil {
			continue
		}
		b := &heartbeat{Heartbeat: Heartbeat{Name: name}, watched: now}
		if err := h.load(ctx, b); err != nil {
			return err
		}
		if next := b.beat; next.Silent.Open() {
			next.Silent = next.Silent.remove(now)
			if err := h.save(ctx, b, next); err != nil {
				return err
			}
		}
		b.Rooms = b.beat.Rooms
		if err := h.queue(ctx, b); err != nil {
			return err
		}
		if err := h.told.set(ctx, name, false); err != nil {
			return err
		}
	}
	h.ended = true
	return nil
}

// checkOne stores that a heartbeat is missing, queues the message, and stores that it is queued. After a crash in between the message is
// queued again, which edits it. It returns when to check again; zero for when it is heard.
func (h *Heartbeats) checkOne(ctx context.Context, b *heartbeat, now time.Time) (at time.Time, err error) {
	if err := h.load(ctx, b); err != nil {
		return at, err
	}
	if err := h.queue(ctx, b); err != nil { // before another trouble begins
		return at, err
	}
	was := b.beat
	next, at := was.next(b.deadline(was, b.watched), now)
	if next.Missing() && !was.Missing() {
		next.Rooms = b.Rooms
		if err := h.told.set(ctx, b.Name, true); err != nil {
			return at, err
		}
	}
	if next.Silent != was.Silent || next.Missed != was.Missed {
		if err := h.save(ctx, b, next); err != nil {
			return at, err
		}
	}
	if next.Missing() && !was.Missing() && !was.Stays {
		h.opts.Log.Warn("heartbeat missing", "heartbeat", b.Name, "last", next.Last, "interval", b.Interval)
	}
	return at, h.queue(ctx, b)
}

// queue queues the message about a heartbeat that is missing, or isn't any more, unless it is queued already.
func (h *Heartbeats) queue(ctx context.Context, b *heartbeat) error {
	silent := b.beat.Silent
	if silent.Since.IsZero() || silent.Queued {
		return nil
	}
	for _, n := range h.opts.Notices(b.Heartbeat, valueOf(b.Name)+"/"+silent.Since.UTC().Format(time.RFC3339Nano), b.beat) {
		if _, err := h.opts.Store.AddNotice(ctx, n); err != nil {
			return err
		}
	}
	next := b.beat
	next.Silent.Queued = true
	if !silent.Open() && !next.Stays {
		h.opts.Log.Info("heartbeat back", "heartbeat", b.Name)
	}
	return h.save(ctx, b, next)
}

// valueOf is the name of the stored value of a heartbeat.
func valueOf(name string) string { return "heartbeat/" + name }

// load reads what is stored of a heartbeat, once.
func (h *Heartbeats) load(ctx context.Context, b *heartbeat) error {
	if b.loaded {
		return nil
	}
	beat, found, err := readValue[Beat](ctx, h.opts.Store, valueOf(b.Name), h.opts.Log)
	switch {
	case err != nil:
		return err
	case found:
		b.beat = beat
	default:
		if err := h.save(ctx, b, Beat{Known: b.watched}); err != nil {
			return err
		}
	}
	b.loaded = true
	return nil
}

func (h *Heartbeats) save(ctx context.Context, b *heartbeat, next Beat) error {
	if err := writeValue(ctx, h.opts.Store, valueOf(b.Name), next); err != nil {
		return err
	}
	b.beat = next
	return nil
}

var (
	ageDesc = prometheus.NewDesc("alert_relay_heartbeat_age_seconds",
		"Time since a heartbeat was last heard, or since it was configured if it never was, by name.", []string{"name"}, nil)
	missingDesc = prometheus.NewDesc("alert_relay_heartbeat_missing",
		"1 while a heartbeat isn't heard within its interval and grace, by name.", []string{"name"}, nil)
)

// show copies the heartbeats for Collect.
func (h *Heartbeats) show() {
	copies := make([]heartbeat, 0, len(h.beats))
	for _, b := range h.beats {
		copies = append(copies, *b)
	}
	h.shown.Store(&copies)
}

// Describe describes the metrics.
func (h *Heartbeats) Describe(to chan<- *prometheus.Desc) { to <- ageDesc; to <- missingDesc }

// Collect collects the metrics.
func (h *Heartbeats) Collect(to chan<- prometheus.Metric) {
	now := h.opts.Now()
	for _, b := range *h.shown.Load() {
		heard, missing := b.watched, 0.0
		if !b.beat.Known.IsZero() {
			heard = b.beat.Known
		}
		if !b.beat.Last.IsZero() {
			heard = b.beat.Last
		}
		if b.beat.Missing() {
			missing = 1
		}
		to <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, now.Sub(heard).Seconds(), b.Name)
		to <- prometheus.MustNewConstMetric(missingDesc, prometheus.GaugeValue, missing, b.Name)
	}
}
