package reconcile

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// Suppressor lists what one Zabbix suppresses: zabbix.Client.
type Suppressor interface {
	// Suppressed gives the event ids of all problems that are suppressed now.
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

// Suppressions finds problems whose suppression Zabbix changed without telling anybody: it sends no
// message when a maintenance begins over an open problem or ends early. It changes nothing itself:
// the inquirer asks about each problem that differs, and that answer counts.
type Suppressions struct{ opts SuppressionOptions }

// NewSuppressions makes one.
func NewSuppressions(opts SuppressionOptions) *Suppressions { return &Suppressions{opts} }

// Run compares every interval until ctx ends.
func (s *Suppressions) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	for source, suppressor := range s.opts.Sources {
		loops.Go(func() { s.loop(ctx, source, suppressor) })
	}
	loops.Wait()
	<-ctx.Done() // without any source too
	return nil
}

func (s *Suppressions) loop(ctx context.Context, source string, suppressor Suppressor) {
	differences := map[alert.Key]difference{}
	wait, pause, complained := s.opts.Interval, firstPause, ""
	for {
		if rest(ctx, wait, nil); ctx.Err() != nil {
			return
		}
		keys, after, err := s.compare(ctx, source, suppressor, differences)
		if err == nil {
			if complained != "" {
				s.opts.Log.Info("Zabbix says again which problems are suppressed", "source", source)
			}
			differences, wait, pause, complained = after, s.opts.Interval, firstPause, ""
			if len(keys) > 0 {
				s.opts.Log.Debug("Zabbix suppresses other problems than the relay knows of; asking about them", "source", source, "problems", len(keys))
				s.opts.Ask(keys, 0)
			}
			continue
		}
		wait, pause = max(s.opts.Interval, pause, askedToWait(err)), min(2*pause, lastPause)
		if zabbix.KindOf(err) == zabbix.RoleForbids || ctx.Err() != nil {
			continue // the client logs a missing permission itself
		}
		if what := complaint(err); what != complained {
			s.opts.Log.Warn("can't find out which problems Zabbix suppresses; trying again", "source", source, "in", wait, "error", err)
			complained = what
		}
	}
}

// compare asks Zabbix and the store.
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

// difference is a problem whose suppression isn't what the relay holds.
type difference struct {
	suppressed bool // what Zabbix says
	times      int  // asked
	again      time.Time
}

// differing gives the problems to ask about: those whose suppression differs. One that still differs
// after it was asked about is asked about less and less often, until Zabbix says otherwise.
func differing(held []store.Suppression, suppressed map[string]bool, before map[alert.Key]difference, now time.Time) (ask []alert.Key, after map[alert.Key]difference) {
	after = map[alert.Key]difference{}
	for _, h := range held {
		says := suppressed[h.Key.EventID]
		if says == h.Suppressed {
			continue
		}
		d, known := before[h.Key]
		if !known || d.suppressed != says {
			d = difference{suppressed: says, again: now}
		}
		if !now.Before(d.again) {
			ask = append(ask, h.Key)
			d.again = now.Add(backoff(d.times))
			d.times++
		}
		after[h.Key] = d
	}
	return ask, after
}
