// Package watch checks whether each Zabbix still sends everything.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/roster"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
)

// Zabbix shows how it sends to the relay: zabbix.Client.
type Zabbix interface {
	Sending(ctx context.Context, since time.Time) (zabbix.Sending, error)
}

// Store is what Sources need of store.Store.
type Store interface {
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
	AddNotice(ctx context.Context, n store.Notice) (int64, error)
}

// Options configure Sources.
type Options struct {
	Sources  map[string]Zabbix // by the source's name
	Interval time.Duration     // between looks; at most maxInterval
	Store    Store
	// Found is how much only reconciliation has found in a source so far.
	Found func(source string) int64
	// Compared returns when a source's open problems were last compared, and why they aren't since.
	Compared func(source string) (at time.Time, failure string)
	// Gone is what reconciliation says of open problems that Zabbix doesn't show; nil for nothing.
	Gone func(source string) Finding
	// Notices makes the message of a condition, for the rooms that get it. One with the same key edits it.
	Notices func(source, key string, kind Kind, c Condition) []store.Notice
	// Language is that of the room that gets them; nil: English.
	Language func() lang.Lang
	Log      *slog.Logger
	Metrics  *Metrics
}

func (o Options) language() lang.Lang {
	if o.Language == nil {
		return lang.English
	}
	return o.Language()
}

const (
	// maxInterval is how often each source is asked at least.
	maxInterval = time.Minute
	// settle is how long after its start the relay ignores what reconciliation finds: that is from its own downtime.
	settle = 5 * time.Minute
)

// Sources ask each source every interval whether it still reports. See docs/adr/037-is-the-source-speaking.md.
type Sources struct {
	opts    Options
	sources roster.Roster[*watched]
	told    told

	mu       sync.Mutex // guards interval
	interval time.Duration
}

// watched is a source.
type watched struct {
	Zabbix
	woken chan struct{}
}

// NewSources makes Sources.
func NewSources(opts Options) *Sources {
	s := &Sources{opts: opts, told: told{store: opts.Store, value: "watch/sources", log: opts.Log}}
	s.SetSources(opts.Sources, opts.Interval)
	return s
}

// SetSources makes these the sources, while they run too.
func (s *Sources) SetSources(sources map[string]Zabbix, interval time.Duration) {
	names := slices.Collect(maps.Keys(sources))
	s.opts.Metrics.Add(names)
	s.sources.Set(names, func(name string) *watched { return &watched{sources[name], make(chan struct{}, 1)} })
	s.mu.Lock()
	changed := s.interval != 0 && s.interval != interval
	s.interval = interval
	s.mu.Unlock()
	if changed {
		for _, source := range s.sources.All() {
			pace.Wake(source.woken)
		}
	}
}

// current is the interval of the configuration.
func (s *Sources) current() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.interval
}

// wait is the time between looks.
func (s *Sources) wait() time.Duration { return min(s.current(), maxInterval) }

// Run watches until ctx ends.
func (s *Sources) Run(ctx context.Context) error {
	var ending sync.WaitGroup
	ending.Go(func() { s.endUnknown(ctx) })
	s.sources.Run(ctx, s.loop)
	ending.Wait()
	return nil
}

// endUnknown ends the messages of sources that were removed from the configuration while the relay was down.
func (s *Sources) endUnknown(ctx context.Context) {
	for {
		names, err := s.told.list(ctx)
		for _, name := range names {
			if _, ok := s.sources.Get(name); !ok && err == nil {
				err = s.newLook(name, nil).end(ctx, time.Now())
			}
		}
		if err == nil || !pace.Pause(ctx, storeRetry, nil) {
			return
		}
		s.opts.Log.Warn("cannot end the message about a source that was removed: retrying", "error", err)
	}
}

// look is the state of one source's loop.
type look struct {
	*Sources
	*watched
	name       string
	began      time.Time
	conditions map[Kind]Condition
	loaded     bool
	looks      map[Kind]int // in a row that found trouble
	mediaType  string       // the id of ours, in an earlier look
	history    history
	pulse      pulse
	hidden     string // what Zabbix doesn't show, as it was logged
}

func (s *Sources) loop(ctx context.Context, name string, source *watched) {
	l := s.newLook(name, source)
	defer func() {
		if _, ok := s.sources.Get(name); !ok {
			s.opts.Metrics.forget(name)
			if err := l.end(context.WithoutCancel(ctx), time.Now()); err != nil {
				s.opts.Log.Warn("cannot end the message about a source that was removed: the next start does it", "source", name, "error", err)
			}
		}
	}()
	for pace.Pause(ctx, s.wait(), source.woken) {
		if err := l.once(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.opts.Log.Debug("cannot find out whether a source still reports: retrying", "source", name, "error", err)
		}
	}
}

func (s *Sources) newLook(name string, source *watched) *look {
	return &look{Sources: s, watched: source, name: name, began: time.Now(), conditions: map[Kind]Condition{}, looks: map[Kind]int{}}
}

// end ends the messages of a source that isn't configured any more.
func (l *look) end(ctx context.Context, now time.Time) error {
	if err := l.load(ctx); err != nil {
		return err
	}
	l.opts.Metrics.forget(l.name)
	for _, kind := range Kinds {
		c := l.conditions[kind]
		if c.Open() {
			c = c.remove(now)
			if err := l.save(ctx, kind, c); err != nil {
				return err
			}
		}
		if err := l.queue(ctx, kind, c); err != nil {
			return err
		}
	}
	return l.told.set(ctx, l.name, false)
}

// once looks, and queues the messages about what has changed.
func (l *look) once(ctx context.Context, now time.Time) error {
	if err := l.load(ctx); err != nil {
		return err
	}
	findings := map[Kind]Finding{}
	if now.Sub(l.began) >= settle {
		l.history = l.history.add(sample{now, l.opts.Found(l.name)})
		so := 0
		if c := l.conditions[Found]; c.Open() {
			so = c.Count
		}
		findings[Found] = judgeFound(l.history, so)
	}
	compared, failure := l.opts.Compared(l.name)
	findings[Reconcile] = judgeCompared(compared, l.began, failure, l.current(), now)
	if l.opts.Gone != nil {
		findings[Gone] = l.opts.Gone(l.name)
	}
	since := time.Time{}
	if c := l.conditions[Alerts]; c.Open() {
		since = c.Since
	}
	sending, asked := l.Sending(ctx, alertsFrom(since, now))
	if asked == nil {
		sending = recognise(sending, l.mediaType)
		if ours, shown := sending.OurMediaType(); shown {
			l.mediaType = ours.ID
		}
		findings[MediaType] = judgeMediaType(sending, l.mediaType, l.opts.language())
		findings[Action] = judgeAction(sending, l.opts.language())
		findings[Alerts] = judgeAlerts(sending, now)
		l.pulse = l.pulse.next(sending.Alive, now)
		findings[Server] = l.pulse.judge(now)
		l.logHidden(findings)
	}
	faults := []error{asked}
	for _, kind := range Kinds {
		faults = append(faults, l.apply(ctx, kind, findings[kind], now))
	}
	return errors.Join(faults...)
}

// logHidden logs what Zabbix doesn't show, when that changes.
func (l *look) logHidden(findings map[Kind]Finding) {
	var hidden []string
	for _, kind := range []Kind{MediaType, Action, Alerts} {
		if findings[kind].Verdict == Unknown {
			hidden = append(hidden, string(kind))
		}
	}
	if now := text.Some(hidden, len(hidden)); now != l.hidden {
		l.hidden = now
		if now == "" {
			l.opts.Log.Info("Zabbix shows the relay's user everything that could keep it from reporting", "source", l.name)
			return
		}
		l.opts.Log.Info("Zabbix doesn't show the relay's user everything that could keep it from reporting; 'alert-relay doctor' checks it with a Super admin's token",
			"source", l.name, "not_shown", hidden)
	}
}

// load reads the conditions of an earlier run, once.
func (l *look) load(ctx context.Context) error {
	if l.loaded {
		return nil
	}
	for _, kind := range Kinds {
		c, found, err := readValue[Condition](ctx, l.opts.Store, l.value(kind), l.opts.Log)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		l.conditions[kind] = c
		l.opts.Metrics.set(l.name, kind, c.Open())
	}
	l.loaded = true
	return nil
}

// apply applies a finding: it stores the condition, queues its message, and stores that it is queued. After a crash in between the message
// is queued again, which edits it.
func (l *look) apply(ctx context.Context, kind Kind, f Finding, now time.Time) error {
	switch f.Verdict {
	case Trouble:
		l.looks[kind]++
	case Fine:
		l.looks[kind] = 0
	}
	before := l.conditions[kind]
	c := before.next(f, l.looks[kind], now)
	if c != before {
		if err := errors.Join(l.told.set(ctx, l.name, true), l.save(ctx, kind, c)); err != nil {
			return err
		}
		l.opts.Metrics.set(l.name, kind, c.Open())
		switch {
		case c.Open() && !before.Open():
			l.opts.Log.Warn("a source may not report everything", "source", l.name, "kind", string(kind), "count", c.Count, "detail", text.Line(c.Detail))
		case before.Open() && !c.Open():
			l.opts.Log.Info("a source reports again", "source", l.name, "kind", string(kind))
		}
	}
	return l.queue(ctx, kind, c)
}

// queue queues the message of a condition, unless it is queued already.
func (l *look) queue(ctx context.Context, kind Kind, c Condition) error {
	if c.Since.IsZero() || c.Queued {
		return nil
	}
	for _, n := range l.opts.Notices(l.name, l.value(kind)+"/"+c.Since.UTC().Format(time.RFC3339), kind, c) {
		if _, err := l.opts.Store.AddNotice(ctx, n); err != nil {
			return fmt.Errorf("message about a source: %w", err)
		}
	}
	c.Queued = true
	if !c.Open() {
		c = Condition{}
	}
	return l.save(ctx, kind, c)
}

// value is the name of the stored value of a condition.
func (l *look) value(kind Kind) string { return "watch/" + l.name + "/" + string(kind) }

func (l *look) save(ctx context.Context, kind Kind, c Condition) error {
	var err error
	if c.Since.IsZero() {
		err = l.opts.Store.SetValue(ctx, l.value(kind), "")
	} else {
		err = writeValue(ctx, l.opts.Store, l.value(kind), c)
	}
	if err != nil {
		return err
	}
	l.conditions[kind] = c
	return nil
}
