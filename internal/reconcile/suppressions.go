package reconcile

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/roster"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// Suppressor lists the suppressed problems of one Zabbix: zabbix.Client.
type Suppressor interface {
	// Suppressed returns the event ids of all problems that are suppressed now.
	Suppressed(ctx context.Context) (map[string]bool, error)
}

// SuppressionOptions make Suppressions.
type SuppressionOptions struct {
	Sources  map[string]Suppressor // by the source's name
	Interval time.Duration
	// Held is store.Store.Suppressions.
	Held func(ctx context.Context, source string, at time.Time) ([]store.Suppression, error)
	Ask  func(keys []alert.Key, in time.Duration) // Inquirer.AskAll
	Log  *slog.Logger
}

// Suppressions finds problems whose suppression changed without a message: Zabbix sends none when a maintenance
// begins over an open problem or ends early. It only has the inquirer read each problem that differs.
type Suppressions struct {
	opts     SuppressionOptions
	sources  roster.Roster[*polled]
	interval atomic.Int64 // a time.Duration
}

// NewSuppressions makes a Suppressions.
func NewSuppressions(opts SuppressionOptions) *Suppressions {
	s := &Suppressions{opts: opts}
	s.interval.Store(int64(opts.Interval))
	s.SetSources(opts.Sources, opts.Interval)
	return s
}

// polled is a source whose suppressed problems are compared.
type polled struct {
	Suppressor
	woken chan struct{} // the interval has changed
}

// SetSources makes these the sources, while it runs too. Those that stay keep their suppressor.
func (s *Suppressions) SetSources(sources map[string]Suppressor, interval time.Duration) {
	s.sources.Set(slices.Collect(maps.Keys(sources)), func(name string) *polled { return &polled{sources[name], make(chan struct{}, 1)} })
	if s.interval.Swap(int64(interval)) == int64(interval) {
		return
	}
	for _, source := range s.sources.All() {
		pace.Wake(source.woken)
	}
}

func (s *Suppressions) every() time.Duration { return time.Duration(s.interval.Load()) }

// Run compares every interval until ctx ends.
func (s *Suppressions) Run(ctx context.Context) error {
	s.sources.Run(ctx, s.loop)
	return nil
}

func (s *Suppressions) loop(ctx context.Context, source string, polled *polled) {
	differences := map[alert.Key]difference{}
	wait, pause, logged := s.every(), minRetry, ""
	for {
		if pace.Pause(ctx, wait, polled.woken); ctx.Err() != nil {
			return
		}
		keys, after, err := s.compare(ctx, source, polled, differences)
		if err == nil {
			if logged != "" {
				s.opts.Log.Info("Zabbix lists suppressed problems again", "source", source)
			}
			differences, wait, pause, logged = after, s.every(), minRetry, ""
			if len(keys) > 0 {
				s.opts.Log.Debug("suppressed problems differ from the store: reading them", "source", source, "problems", len(keys))
				s.opts.Ask(keys, 0)
			}
			continue
		}
		wait, pause = max(s.every(), pause, retryAfter(err)), min(2*pause, maxRetry)
		if zabbix.KindOf(err) == zabbix.RoleForbids || ctx.Err() != nil {
			continue // the client logs a missing permission
		}
		if what := outageOf(err); what != logged {
			s.opts.Log.Warn("cannot list the suppressed problems of Zabbix: retrying", "source", source, "in", wait, "error", err)
			logged = what
		}
	}
}

// compare compares Zabbix with the store.
func (s *Suppressions) compare(ctx context.Context, source string, suppressor Suppressor, before map[alert.Key]difference) ([]alert.Key, map[alert.Key]difference, error) {
	suppressed, err := suppressor.Suppressed(ctx)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	held, err := s.opts.Held(ctx, source, now)
	if err != nil {
		return nil, nil, err
	}
	keys, after := differing(held, suppressed, before, now)
	return keys, after, nil
}

// difference is a problem whose suppression differs between Zabbix and the store.
type difference struct {
	suppressed bool // in Zabbix
	times      int  // it was read
	nextRead   time.Time
}

// differing returns the problems to read: those whose suppression differs. One that keeps differing is read with
// a growing backoff.
func differing(held []store.Suppression, suppressed map[string]bool, before map[alert.Key]difference, now time.Time) (ask []alert.Key, after map[alert.Key]difference) {
	after = map[alert.Key]difference{}
	for _, h := range held {
		inZabbix := suppressed[h.Key.EventID]
		if inZabbix == h.Suppressed {
			continue
		}
		d, known := before[h.Key]
		if !known || d.suppressed != inZabbix {
			d = difference{suppressed: inZabbix, nextRead: now}
		}
		if !now.Before(d.nextRead) {
			ask = append(ask, h.Key)
			d.nextRead = now.Add(backoff(d.times))
			d.times++
		}
		after[h.Key] = d
	}
	return ask, after
}
