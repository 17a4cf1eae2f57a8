package duty

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// Store keeps the last good copies of the calendars.
type Store interface {
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
}

// Fetch reads a calendar and reduces it: Fetcher.Fetch.
type Fetch func(ctx context.Context, c config.Calendar, key string) ([]byte, error)

// Options configure a Book. All are required.
type Options struct {
	Config *config.Config
	Store  Store
	Fetch  Fetch
	Log    *slog.Logger
	Now    func() time.Time
}

// Book holds the schedules of a configuration, and reads their calendars in the background. Nothing waits for that: a schedule is what the
// last good copies say. It is a collector of Prometheus, too.
type Book struct {
	opts      Options
	woken     chan struct{}
	began     time.Time
	published atomic.Pointer[[]page] // immutable: readers take no lock

	mu        sync.Mutex // never held while a calendar is fetched, parsed or stored
	plans     []*plan
	leaving   []*plan            // of the configuration before, while its router may still be asked
	loaded    bool               // the calendars have the copies that the store has of them
	refreshes map[refreshKey]int // for the metric

	saving sync.Mutex // held while the copies are loaded or stored; before mu
	stored string     // what the store has
}

// valueName is the stored value: the last good copies by their sources. Where a calendar stands in the configuration may change.
const valueName = "duty"

type refreshKey struct{ schedule, result string }

// The results of reading a calendar.
const (
	resultOK     = "ok"
	resultFailed = "failed"
)

// page is what the book says about a schedule.
type page struct {
	schedule  Schedule
	calendars []CalendarState
}

// plan is a schedule with its calendars.
type plan struct {
	config    config.Duty
	calendars []*calendar
}

// calendar is one calendar while the relay runs. Its fields are guarded by Book.mu.
type calendar struct {
	config  config.Calendar
	key     string // in the configuration
	source  string // identifies the address
	reading Reading

	expansion
	fault error     // of the last attempt
	next  time.Time // when it is read again
}

// expansion is a copy of a calendar with what it says about the time around a moment.
type expansion struct {
	copy     copied
	content  Content
	expanded time.Time // the moment
}

// copied is the last good copy of a calendar.
type copied struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"` // reduced
}

// The time that the shifts of a calendar are expanded for, around the moment at which it is read.
const (
	behind = 24 * time.Hour
	ahead  = 62 * 24 * time.Hour
)

// atOnce is how many calendars are read side by side.
const atOnce = 4

// retryAfter is when a calendar that couldn't be read is read again, unless that is due earlier.
const retryAfter = 5 * time.Minute

// NewBook makes a Book with the copies that the store has.
func NewBook(ctx context.Context, o Options) *Book {
	b := &Book{opts: o, woken: make(chan struct{}, 1), began: o.Now(), refreshes: map[refreshKey]int{}}
	b.Set(o.Config, func() {})
	b.load(ctx)
	return b
}

// ReadingOf says how the events of a calendar are read.
func ReadingOf(cfg *config.Config, d config.Duty, c config.Calendar) Reading {
	r := Reading{Zone: d.TimeZone.Location, Layer: c.Layer, Layers: c.Layers, Names: map[string]string{}, Allowed: cfg.Allowed}
	if r.Zone == nil {
		r.Zone = time.UTC
	}
	for _, p := range c.People {
		r.Names[fold(p.Name)] = p.Email
	}
	return r
}

// Set makes a configuration's schedules the current ones, while the Book runs too; by one caller at a time. Calendars that stay keep their
// copies. switched makes the configuration the current one elsewhere: while it runs, the schedules of both are known.
func (b *Book) Set(cfg *config.Config, switched func()) {
	before := map[string]calendar{}
	b.mu.Lock()
	for _, c := range b.all() {
		before[c.source] = *c
	}
	b.mu.Unlock()
	var plans []*plan
	now := b.opts.Now()
	for i, d := range cfg.Duty {
		p := &plan{config: d}
		for j, calendarConfig := range d.Calendars {
			c := &calendar{
				config: calendarConfig, key: "duty[" + strconv.Itoa(i) + "].calendar[" + strconv.Itoa(j) + "]",
				source: sourceOf(calendarConfig), reading: ReadingOf(cfg, d, calendarConfig),
			}
			if old, ok := before[c.source]; ok {
				c.copy, c.fault = old.copy, old.fault
				if c.copy.Text != "" {
					if e, err := c.expand(c.copy, now); err == nil { // its people may be others now
						c.expansion = e
					}
				}
			}
			p.calendars = append(p.calendars, c)
		}
		plans = append(plans, p)
	}
	b.mu.Lock()
	b.plans, b.leaving = plans, b.plans
	b.publish()
	b.mu.Unlock()
	switched()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaving = nil
	b.publish()
	pace.Wake(b.woken)
}

// publish makes what the plans say now what the book says. The caller holds mu.
func (b *Book) publish() {
	all := slices.Concat(b.plans, b.leaving) // the first of a name counts
	pages := make([]page, len(all))
	for i, p := range all {
		pages[i].schedule = p.schedule()
		for _, c := range p.calendars {
			pages[i].calendars = append(pages[i].calendars, CalendarState{At: c.copy.At, Fault: c.fault, Faults: c.content.Faults, Bad: c.content.Unreadable})
		}
	}
	b.published.Store(&pages)
}

// sourceOf identifies where a calendar comes from, without telling it.
func sourceOf(c config.Calendar) string {
	sum := sha256.Sum256([]byte("alert-relay duty\n" + c.File + "\n" + c.Address()))
	return hex.EncodeToString(sum[:12])
}

// expand reads a copy. That may take a while: the caller doesn't hold Book.mu.
func (c *calendar) expand(copy copied, now time.Time) (expansion, error) {
	content, err := Parse([]byte(copy.Text), c.reading, now.Add(-behind), now.Add(ahead))
	return expansion{copy, content, now}, err
}

// all are all calendars. The caller holds mu.
func (b *Book) all() (all []*calendar) {
	for _, p := range b.plans {
		all = append(all, p.calendars...)
	}
	return all
}

// load gives the calendars the copies that the store has of them, once.
func (b *Book) load(ctx context.Context) {
	b.saving.Lock()
	defer b.saving.Unlock()
	b.mu.Lock()
	loaded, calendars := b.loaded, b.all()
	b.mu.Unlock()
	if loaded {
		return
	}
	value, err := b.opts.Store.Value(ctx, valueName)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		b.opts.Log.Warn("cannot read the stored copies of the calendars", "error", err)
		if !store.Lasting(err) {
			return
		}
	}
	copies := map[string]copied{}
	if value != "" && json.Unmarshal([]byte(value), &copies) != nil {
		b.opts.Log.Warn("the stored copies of the calendars are damaged: they are read anew")
	}
	kept := make([]expansion, len(calendars))
	for i, c := range calendars {
		if copy := copies[c.source]; copy.Text != "" {
			if e, err := c.expand(copy, b.opts.Now()); err == nil { // one that can't be read any more is no copy
				kept[i] = e
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(calendars, b.all()) { // another configuration, meanwhile: Run loads again
		return
	}
	for i, c := range calendars {
		if c.copy.Text == "" { // else it was read meanwhile
			c.expansion = kept[i]
		}
	}
	b.loaded, b.stored = true, value
	b.publish()
}

// Run reads the calendars when they are due, until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	for {
		b.load(ctx)
		b.save(ctx) // without those of calendars that aren't configured any more
		now := b.opts.Now()
		b.mu.Lock()
		calendars := b.all()
		b.mu.Unlock()
		due := make([]time.Time, len(calendars))
		var all errgroup.Group // side by side: one that answers slowly keeps no other waiting
		all.SetLimit(atOnce)
		for i, c := range calendars {
			all.Go(func() error {
				due[i] = b.refresh(ctx, c)
				return nil
			})
		}
		_ = all.Wait()
		next := now.Add(time.Hour)
		for _, at := range due {
			next = pace.Earlier(next, at)
		}
		if !pace.Pause(ctx, max(next.Sub(b.opts.Now()), time.Second), b.woken) {
			return nil
		}
	}
}

// refresh reads a calendar if it is due, and returns when it is due next.
func (b *Book) refresh(ctx context.Context, c *calendar) time.Time {
	b.mu.Lock()
	due := c.next
	b.mu.Unlock()
	if due.After(b.opts.Now()) {
		return due
	}
	text, err := b.opts.Fetch(ctx, c.config, c.key)
	if ctx.Err() != nil {
		return due
	}
	now := b.opts.Now()
	b.mu.Lock()
	had, before := c.fault, c.expansion
	b.mu.Unlock()
	known, after := before.copy.Text, before
	if err == nil {
		var e expansion
		if e, err = c.expand(copied{At: now, Text: string(text)}, now); err == nil {
			after = e
		}
	}
	if err != nil && known != "" && now.Sub(before.expanded) > behind {
		if e, err := c.expand(before.copy, now); err == nil { // for the days to come
			after = e
		}
	}
	b.mu.Lock()
	c.expansion = after
	c.fault, c.next = err, now.Add(time.Duration(c.config.Refresh))
	result := resultOK
	if err != nil {
		result, c.next = resultFailed, pace.Earlier(c.next, now.Add(retryAfter))
	}
	b.refreshes[refreshKey{b.scheduleOf(c), result}]++
	next, copy, content := c.next, c.copy, c.content
	b.publish()
	b.mu.Unlock()

	log := b.opts.Log.With("calendar", c.key)
	switch {
	case err != nil && had == nil:
		log.Warn("cannot read a calendar of who is on duty: the last good copy stays in use", "error", err, "copy_of", copy.At, "retry_in", next.Sub(now))
	case err == nil && had != nil:
		log.Info("the calendar can be read again")
	}
	if err != nil {
		return next
	}
	if string(text) != known {
		log.Info("calendar read", "events", content.Events, "shifts", len(content.Shifts), "unreadable", content.Unreadable)
	}
	b.save(ctx)
	return next
}

// scheduleOf returns the name of a calendar's schedule. The caller holds mu.
func (b *Book) scheduleOf(c *calendar) string {
	for _, p := range b.plans {
		if slices.Contains(p.calendars, c) {
			return p.config.Name
		}
	}
	return ""
}

// save stores the copies of the calendars that are configured, if they aren't stored yet.
func (b *Book) save(ctx context.Context) {
	b.saving.Lock()
	defer b.saving.Unlock()
	b.mu.Lock()
	loaded, copies := b.loaded, map[string]copied{}
	for _, c := range b.all() {
		if c.copy.Text != "" && !c.copy.At.Before(copies[c.source].At) {
			copies[c.source] = c.copy
		}
	}
	b.mu.Unlock()
	if !loaded { // the store may have copies that the calendars don't have
		return
	}
	if len(copies) == 0 && b.stored == "" {
		return
	}
	value, err := json.Marshal(copies)
	if err == nil && string(value) != b.stored {
		if err = b.opts.Store.SetValue(ctx, valueName, string(value)); err == nil {
			b.stored = string(value)
		}
	}
	if err != nil && ctx.Err() == nil {
		b.opts.Log.Warn("cannot store the copies of the calendars", "error", err)
	}
}

// CalendarState is how reading a calendar goes.
type CalendarState struct {
	At     time.Time     // of the copy in use; zero for none
	Fault  error         // why a newer one couldn't be read; nil if it is up to date
	Faults []lang.Phrase // the first events that can't be read
	Bad    int           // how many can't be read
}

// Of returns a schedule, and how reading its calendars goes. ok is false if there is no schedule of that name.
func (b *Book) Of(name string) (s Schedule, calendars []CalendarState, ok bool) {
	for _, p := range *b.published.Load() {
		if p.schedule.Name == name {
			return p.schedule, p.calendars, true
		}
	}
	return s, nil, false
}

// errUnread says that a calendar wasn't read yet.
var errUnread = lang.Errorf("not read yet")

// schedule returns the plan's schedule as the copies are. The caller holds mu.
func (p *plan) schedule() Schedule {
	var shifts []Shift
	var unread error
	for _, c := range p.calendars {
		shifts = append(shifts, c.content.Shifts...)
		if c.copy.Text == "" {
			if unread = c.fault; unread == nil {
				unread = errUnread
			}
		}
	}
	return New(p.config, shifts, unread)
}

// Call returns the addresses of those who are on duty in a schedule's layer, or else why nobody can be reached.
func (b *Book) Call(schedule, layer string, at time.Time) (emails []string, gap alert.Gap) {
	s, _, ok := b.Of(schedule)
	if !ok {
		return nil, alert.Gap{Why: alert.GapNoSchedule, Schedule: schedule, Layer: layer}
	}
	return s.Call(layer, at)
}
