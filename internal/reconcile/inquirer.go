// Package reconcile reads from the Zabbix API what payloads lack (exact times, the authors of updates, whether a trigger allows
// closing) and what they missed: it compares what Zabbix holds open with the store. It appends the answers to the journal, as
// observations.
package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/roster"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// Observer reads events from one Zabbix: zabbix.Client.
type Observer interface {
	Observe(ctx context.Context, eventIDs []string) (map[string]alert.Observation, error)
}

// Journal stores the answers: store.Store.
type Journal interface {
	Append(ctx context.Context, e store.Entry) (int64, error)
}

const (
	// batch is the most events in one call.
	batch = 100
	// maxAppends is how many answers are journalled concurrently, so that they share commits.
	maxAppends = 32
	// mergeWindow is how close two reads of a problem must be to become one.
	mergeWindow = 500 * time.Millisecond
	// minRetry and maxRetry bound the backoff while a Zabbix doesn't answer.
	minRetry, maxRetry = 2 * time.Second, time.Minute
)

// Options make an Inquirer.
type Options struct {
	Sources map[string]Observer // by the source's name, without those that have no API token
	Journal Journal
	// Unobserved lists problems that the API never answered about, the worst first; nil for none.
	Unobserved func(ctx context.Context, limit int) ([]alert.Key, error)
	// Gone is called for each problem that was looked up and that Zabbix doesn't show; nil for nobody.
	Gone    func(key alert.Key, at time.Time)
	Log     *slog.Logger
	Metrics *Metrics
}

// Inquirer reads problems from Zabbix soon after they changed. While a Zabbix is unreachable they wait in memory,
// within bounds. After a restart, or an overflow, it reads every open problem that was never read.
type Inquirer struct {
	opts    Options
	sources roster.Roster[*asked]
	missed  chan struct{} // a schedule dropped problems and has room again, or there is another source

	mu sync.Mutex // guards the schedules
}

// asked is a source that is asked about its problems.
type asked struct {
	observer Observer
	due      *schedule
	lookups  map[alert.Key]Lookup // those that wait for their answers
	woken    chan struct{}
}

func (a *asked) wake() { pace.Wake(a.woken) }

// NewInquirer makes an Inquirer.
func NewInquirer(opts Options) *Inquirer {
	q := &Inquirer{opts: opts, missed: make(chan struct{}, 1)}
	q.SetSources(opts.Sources)
	return q
}

// SetSources makes these the sources, while the inquirer runs too. Those that stay keep their observer and what waits for it. What a
// source that goes had waiting is forgotten: the store knows what was never read.
func (q *Inquirer) SetSources(sources map[string]Observer) {
	added, _ := q.sources.Set(slices.Collect(maps.Keys(sources)), func(name string) *asked {
		return &asked{observer: sources[name], due: newSchedule(), lookups: map[alert.Key]Lookup{}, woken: make(chan struct{}, 1)}
	})
	if len(added) > 0 {
		pace.Wake(q.missed)
	}
}

// Ask schedules a read of a problem. Reads that are close together become one.
func (q *Inquirer) Ask(key alert.Key, in time.Duration) { q.AskAll([]alert.Key{key}, in) }

// AskAll schedules reads of many problems.
func (q *Inquirer) AskAll(keys []alert.Key, in time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := time.Now().Add(in)
	for _, key := range keys {
		source, ok := q.sources.Get(key.Source)
		if !ok {
			continue
		}
		delete(source.lookups, key) // the ordinary read answers it, too
		full := source.due.dropped
		if !source.due.add(key, at) && !full {
			q.opts.Log.Warn("too many problems wait to be read from Zabbix: the rest is found in the store once Zabbix answers", "source", key.Source, "waiting", maxKeys)
		}
		source.wake()
	}
}

// askAgain schedules a read from within the source's loop, which needs no waking.
func (q *Inquirer) askAgain(source *asked) func(key alert.Key, at time.Time) {
	return func(key alert.Key, at time.Time) {
		q.mu.Lock()
		defer q.mu.Unlock()
		source.due.add(key, at)
	}
}

// Run reads problems until ctx ends.
func (q *Inquirer) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { q.sources.Run(ctx, q.loop) })
	if q.opts.Unobserved != nil {
		loops.Go(func() { q.catchUp(ctx) })
	}
	loops.Wait()
	return nil
}

func (q *Inquirer) loop(ctx context.Context, name string, source *asked) {
	defer func() {
		if _, ok := q.sources.Get(name); !ok {
			q.opts.Metrics.Excluded.DeleteLabelValues(name)
		}
	}()
	a, askAgain := newBatcher(), q.askAgain(source)
	wait, logged := minRetry, ""
	for ctx.Err() == nil {
		if len(a.queue) < batch {
			q.mu.Lock()
			due, idle := source.due.popDue(time.Now())
			q.mu.Unlock()
			if a.enqueue(due, time.Now(), askAgain); len(due) == 0 && a.idle() {
				pace.Pause(ctx, idle, source.woken)
			}
		}
		keys, _ := a.next()
		if len(keys) == 0 {
			continue
		}
		seen, err := q.ask(ctx, name, source, keys)
		if ctx.Err() != nil {
			return
		}
		known := func(k alert.Key) bool { _, ok := seen[k.EventID]; return ok }
		excluded, holdOff := a.done(known, resultOf(err), time.Now())
		for _, key := range excluded {
			e := a.excluded[key]
			askAgain(key, e.until)
			if e.times == 1 {
				q.opts.Log.Warn("Zabbix can't answer about one problem: reading the others without it", "key", key, "retry_in", time.Until(e.until).Round(time.Second), "error", err)
			}
		}
		q.opts.Metrics.Excluded.WithLabelValues(name).Set(float64(len(a.excluded)))
		if !holdOff {
			q.catchUpIfRoom(source)
			if err == nil && logged != "" {
				q.opts.Log.Info("Zabbix answers about problems again", "source", name)
				wait, logged = minRetry, ""
			}
			continue
		}
		in := max(wait, retryAfter(err))
		if what := outageOf(err); what != logged {
			q.opts.Log.Warn("cannot read problems from Zabbix: retrying", "source", name, "problems", len(keys), "in", in, "error", err)
			logged = what
		}
		pace.Pause(ctx, in, nil)
		wait = min(2*wait, maxRetry)
	}
}

// outageOf identifies errors of the same kind, so that an outage is one line in the log.
func outageOf(err error) string {
	var e *zabbix.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return fmt.Sprint(e.Method, e.Kind, e.Code, e.Status)
}

func retryAfter(err error) time.Duration {
	var e *zabbix.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// ask makes a call and journals the answers.
func (q *Inquirer) ask(ctx context.Context, source string, asked *asked, keys []alert.Key) (map[string]alert.Observation, error) {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = key.EventID
	}
	seen, err := asked.observer.Observe(ctx, ids)
	if err != nil {
		q.opts.Metrics.Asked.WithLabelValues(source, "failed").Add(float64(len(keys)))
		return nil, err
	}
	var appends errgroup.Group
	appends.SetLimit(maxAppends)
	for id, o := range seen {
		key := alert.Key{Source: source, EventID: id}
		lookup := q.taken(asked, key)
		if o = lookup.mark(o); o.Gone && o.Found == "" {
			// This proves nothing: an event also looks gone if the user may not read its host.
			q.opts.Metrics.Asked.WithLabelValues(source, "gone").Inc()
			q.opts.Log.Debug("Zabbix doesn't show the event", "key", key)
			if q.opts.Gone != nil && lookup.Key == key {
				q.opts.Gone(key, o.At)
			}
			continue
		}
		appends.Go(func() error {
			if err := journal(ctx, q.opts.Journal, key, o); err != nil {
				q.putBack(asked, lookup)
				return err
			}
			q.opts.Metrics.Asked.WithLabelValues(source, "ok").Inc()
			return nil
		})
	}
	return seen, appends.Wait()
}

// journal appends an answer of Zabbix.
func journal(ctx context.Context, j Journal, key alert.Key, o alert.Observation) error {
	payload, err := json.Marshal(store.Envelope{EventID: key.EventID, Observation: &o})
	if err == nil {
		_, err = j.Append(ctx, store.Entry{Source: key.Source, Kind: store.EntryObservation, Payload: payload, ReceivedAt: time.Now()})
	}
	if err != nil {
		return fmt.Errorf("journalling the observation of %s: %w", key, err)
	}
	return nil
}
