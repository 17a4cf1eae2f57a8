package watch

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// CanarySettings say how often the chain is proved, and in which room. The zero value is off.
type CanarySettings struct {
	Interval time.Duration
	Room     string
}

// CanaryStep is a step of a canary that can fail.
type CanaryStep string

// The steps.
const (
	CanaryJournal CanaryStep = "journal" // appended and folded
	CanaryPost    CanaryStep = "post"    // posted in the room
	CanaryRead    CanaryStep = "read"    // read back from Webex
	CanaryDelete  CanaryStep = "delete"  // deleted there
)

var canarySteps = [...]CanaryStep{CanaryJournal, CanaryPost, CanaryRead, CanaryDelete}

// CanaryStore is what Canary needs of store.Store.
type CanaryStore interface {
	Append(ctx context.Context, e store.Entry) (int64, error)
	PendingEntries(ctx context.Context, limit int) ([]store.Entry, error)
	PendingNotices(ctx context.Context) ([]store.Notice, error)
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
}

// CanaryOptions configure Canary.
type CanaryOptions struct {
	Settings CanarySettings
	Store    CanaryStore
	Log      *slog.Logger
	Now      func() time.Time
}

// Canary proves on a schedule that the chain works: a journal entry becomes a message in a room, which is read back and deleted. One at
// a time is under way. It is a collector of Prometheus, too. See docs/adr/040-the-canary-is-a-notice.md.
type Canary struct {
	opts     CanaryOptions
	woken    chan struct{}
	failures *prometheus.CounterVec

	loaded bool // Run's alone

	mu       sync.Mutex
	settings CanarySettings
	state    canaryState
	current  string // the canary that began last, until its outcome is known
	unsaved  bool
}

// canaryState is what is stored.
type canaryState struct {
	Looked   time.Time     `json:"looked,omitzero"` // when one began last, or would have
	Name     string        `json:"name,omitempty"`  // of the one that began last
	Room     string        `json:"room,omitempty"`  // its room
	Proved   time.Time     `json:"proved,omitzero"` // when the last proof was complete
	ProvedIn string        `json:"proved_in,omitempty"`
	Took     time.Duration `json:"took,omitempty"`
}

const (
	canaryValue = "canary"
	// maxBehind is how many pending entries are searched for a canary. A fold that is further behind isn't given another one.
	maxBehind = 100
)

// NewCanary makes a Canary.
func NewCanary(opts CanaryOptions) *Canary {
	c := &Canary{opts: opts, woken: make(chan struct{}, 1), settings: opts.Settings, failures: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "alert_relay_canary_failures_total",
		Help: "Canaries that failed, or weren't through after an interval, by the step that they were at.",
	}, []string{"step"})}
	for _, step := range canarySteps {
		c.failures.WithLabelValues(string(step))
	}
	return c
}

// Set changes the settings, while it runs too. A canary that is under way is finished in its room.
func (c *Canary) Set(s CanarySettings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settings = s
	pace.Wake(c.woken)
}

// Ended takes the outcome of a canary: failed is the step that failed, "" for none.
func (c *Canary) Ended(name string, failed CanaryStep) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if failed != "" {
		c.fail(name, failed)
	} else {
		now := c.opts.Now()
		c.state.Proved, c.state.ProvedIn, c.unsaved = now, c.state.Room, true
		if began, ok := beginOf(name); ok {
			c.state.Took = now.Sub(began)
		}
		c.opts.Log.Debug("canary: the chain works", "canary", name, "took", c.state.Took)
	}
	if name == c.current {
		c.current = ""
	}
	pace.Wake(c.woken)
}

func (c *Canary) fail(name string, step CanaryStep) {
	c.failures.WithLabelValues(string(step)).Inc()
	c.opts.Log.Warn("canary failed: messages may not reach rooms", "canary", name, "step", string(step))
}

// Run begins canaries until ctx ends.
func (c *Canary) Run(ctx context.Context) error {
	return keep(ctx, c.check, c.opts.Now, c.woken, func(err error) {
		c.opts.Log.Warn("cannot look after the canary: retrying", "in", storeRetry, "error", err)
	})
}

// check begins a canary if one is due and none is under way, and returns when to check again.
func (c *Canary) check(ctx context.Context) (next time.Time, err error) {
	if err := c.load(ctx); err != nil {
		return next, err
	}
	c.mu.Lock()
	settings, state, current, unsaved, now := c.settings, c.state, c.current, c.unsaved, c.opts.Now()
	c.unsaved = false
	c.mu.Unlock()
	if unsaved {
		if err := c.save(ctx, state); err != nil {
			c.update(func() { c.unsaved = true })
			return next, err
		}
	}
	if settings.Interval == 0 {
		return now.Add(time.Hour), nil
	}
	due := state.Looked.Add(settings.Interval)
	early := now.Before(due) && !now.Before(state.Looked) // the clock may have been set back
	if early && state.Room == settings.Room {
		return due, nil
	}
	step, name, err := c.underWay(ctx, current)
	if err != nil {
		return next, err
	}
	switch {
	case step != "" && early: // in the room of earlier settings
		return due, nil
	case step != "":
		c.update(func() { c.state.Looked = now })
		c.fail(name, step)
		return now.Add(settings.Interval), nil
	case current != "" && c.isCurrent(current): // it was set aside, or its room is gone
		c.fail(current, CanaryJournal)
	}
	return now.Add(settings.Interval), c.begin(ctx, settings.Room, now)
}

func (c *Canary) update(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// isCurrent reports whether the outcome of a canary isn't known yet.
func (c *Canary) isCurrent(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current == name
}

// begin appends the entry of a canary. That it began is stored first, so that a restart doesn't begin another one at once.
func (c *Canary) begin(ctx context.Context, room string, now time.Time) error {
	name := nameOf(now)
	payload, err := json.Marshal(store.Envelope{EventID: name, Room: room})
	if err != nil {
		return err
	}
	var state canaryState
	c.update(func() {
		c.state.Looked, c.state.Name, c.state.Room, c.current = now, name, room, name
		state = c.state
	})
	if err := c.save(ctx, state); err != nil {
		return err
	}
	if _, err := c.opts.Store.Append(ctx, store.Entry{Kind: store.EntryCanary, Payload: payload, ReceivedAt: now}); err != nil && ctx.Err() == nil {
		c.update(func() { c.current = "" })
		c.fail(name, CanaryJournal)
		c.opts.Log.Warn("cannot append a canary to the journal", "canary", name, "error", err)
	}
	return nil
}

// errBehind says that a canary may be further back in the journal than the entries that are searched for it.
var errBehind = errors.New("the fold is behind")

// underWay returns the step that a canary is at, and its name; "" if none is under way. current is the one that began last.
func (c *Canary) underWay(ctx context.Context, current string) (CanaryStep, string, error) {
	isCanary := func(n store.Notice) bool { return n.Kind == store.NoticeCanary }
	entries, err := c.opts.Store.PendingEntries(ctx, maxBehind)
	if err != nil {
		return "", "", err
	}
	if slices.ContainsFunc(entries, func(e store.Entry) bool { return e.Kind == store.EntryCanary }) || len(entries) == maxBehind && current != "" {
		return CanaryJournal, current, nil
	}
	notices, err := c.opts.Store.PendingNotices(ctx)
	if err != nil {
		return "", "", err
	}
	switch i := slices.IndexFunc(notices, isCanary); {
	case i < 0 && len(entries) == maxBehind:
		return "", "", errBehind
	case i < 0:
		return "", "", nil
	case notices[i].MessageID == "":
		return CanaryPost, notices[i].Dedup, nil
	default:
		return CanaryDelete, notices[i].Dedup, nil
	}
}

// namePrefix begins the name of each canary. A name has letters and digits alone: Webex returns it as it was sent.
const namePrefix = "canary"

// nameOf names the canary that begins now.
func nameOf(now time.Time) string { return namePrefix + strconv.FormatInt(now.UnixNano(), 36) }

// beginOf is when a canary began.
func beginOf(name string) (time.Time, bool) {
	if len(name) < len(namePrefix) {
		return time.Time{}, false
	}
	nanos, err := strconv.ParseInt(name[len(namePrefix):], 36, 64)
	return time.Unix(0, nanos), err == nil
}

// load reads what is stored, once.
func (c *Canary) load(ctx context.Context) error {
	if c.loaded {
		return nil
	}
	stored, _, err := readValue[canaryState](ctx, c.opts.Store, canaryValue, c.opts.Log)
	if err != nil {
		return err
	}
	c.update(func() {
		proved, took := c.state.Proved, c.state.Took
		if c.state = stored; proved.After(stored.Proved) { // one that was under way ended already
			c.state.Proved, c.state.ProvedIn, c.state.Took = proved, stored.Room, took
		}
	})
	c.loaded = true
	return nil
}

func (c *Canary) save(ctx context.Context, state canaryState) error {
	return writeValue(ctx, c.opts.Store, canaryValue, state)
}

var (
	provedDesc = prometheus.NewDesc("alert_relay_canary_last_success_timestamp_seconds",
		"When a canary last proved that the chain from the journal to its room works; 0 for never. Only while canary.interval is set.", []string{"room"}, nil)
	intervalDesc = prometheus.NewDesc("alert_relay_canary_interval_seconds", "How often the chain is proved. Only while canary.interval is set.", []string{"room"}, nil)
	tookDesc     = prometheus.NewDesc("alert_relay_canary_last_duration_seconds",
		"How long the last proof took, from the journal until its message was deleted. Only while canary.interval is set.", []string{"room"}, nil)
)

// Describe describes the metrics.
func (c *Canary) Describe(to chan<- *prometheus.Desc) {
	to <- provedDesc
	to <- intervalDesc
	to <- tookDesc
	c.failures.Describe(to)
}

// Collect collects the metrics.
func (c *Canary) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures.Collect(to)
	if c.settings.Interval == 0 {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, c.settings.Room)
	}
	proved, took := 0.0, time.Duration(0)
	if !c.state.Proved.IsZero() && c.state.ProvedIn == c.settings.Room {
		proved, took = float64(c.state.Proved.UnixMilli())/1e3, c.state.Took
	}
	gauge(provedDesc, proved)
	gauge(intervalDesc, c.settings.Interval.Seconds())
	gauge(tookDesc, took.Seconds())
}
