// Package reconcile asks Zabbix what a payload can't say: the exact times, who
// did what, whether a trigger allows closing. What it learns goes into the journal
// as observations.
package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// Observer asks one Zabbix about events: zabbix.Client.
type Observer interface {
	Observe(ctx context.Context, eventIDs []string) (map[string]alert.Observation, error)
}

// Journal takes what was learned, and tells the ledger of it.
type Journal interface {
	Append(ctx context.Context, e store.Entry) (int64, error)
}

const (
	// batch is how many events one call asks about at most.
	batch = 100
	// atOnce is how many answers are journalled at once: they share commits.
	atOnce = 32
	// settle is how close together two looks at the same problem are one look.
	settle = 500 * time.Millisecond
	// firstPause and lastPause bound the backoff while a Zabbix doesn't answer.
	firstPause, lastPause = 2 * time.Second, time.Minute
)

// Options make an Inquirer.
type Options struct {
	Sources map[string]Observer // by the source's name; a source without an API isn't asked
	Journal Journal
	// Unobserved gives problems that the API never answered about, the worst first; nil for none.
	Unobserved func(ctx context.Context, limit int) ([]alert.Key, error)
	Log        *slog.Logger
	Metrics    *Metrics
}

// Inquirer asks about problems soon after they changed. While a Zabbix is away they wait in
// memory, within bounds. After a restart, and for what found no room, it asks about every open
// problem that was never observed.
type Inquirer struct {
	opts   Options
	mu     sync.Mutex
	due    map[string]*agenda // by source
	wake   map[string]chan struct{}
	missed chan struct{} // what an agenda dropped is to be caught up with
}

// NewInquirer makes one.
func NewInquirer(opts Options) *Inquirer {
	q := &Inquirer{opts: opts, due: map[string]*agenda{}, wake: map[string]chan struct{}{}, missed: make(chan struct{}, 1)}
	for name := range opts.Sources {
		q.due[name] = newAgenda()
		q.wake[name] = make(chan struct{}, 1)
	}
	return q
}

// Ask has the problem looked at when in is over. Looks that fall together are one.
func (q *Inquirer) Ask(key alert.Key, in time.Duration) { q.AskAll([]alert.Key{key}, in) }

// AskAll asks about many.
func (q *Inquirer) AskAll(keys []alert.Key, in time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := time.Now().Add(in)
	for _, key := range keys {
		due, ok := q.due[key.Source]
		if !ok {
			continue
		}
		full := due.dropped
		if !due.add(key, at) && !full {
			q.opts.Log.Warn("too many problems wait for Zabbix to be asked about them: further ones are looked up in the store once it answers", "source", key.Source, "waiting", maxKeys)
		}
		select {
		case q.wake[key.Source] <- struct{}{}:
		default:
		}
	}
}

// askAt has a problem looked at at a given time. It is for the loops themselves,
// which need no waking.
func (q *Inquirer) askAt(key alert.Key, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.due[key.Source].add(key, at)
}

// Run asks until ctx ends.
func (q *Inquirer) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	for source, observer := range q.opts.Sources {
		loops.Go(func() { q.loop(ctx, source, observer) })
	}
	if q.opts.Unobserved != nil {
		loops.Go(func() { q.catchUp(ctx) })
	}
	loops.Wait()
	<-ctx.Done() // without any source too
	return nil
}

func (q *Inquirer) loop(ctx context.Context, source string, observer Observer) {
	a := newAsker()
	wait, complained := firstPause, ""
	for ctx.Err() == nil {
		if len(a.queue) < batch {
			q.mu.Lock()
			due, idle := q.due[source].take(time.Now())
			q.mu.Unlock()
			if a.take(due, time.Now(), q.askAt); len(due) == 0 && a.idle() {
				rest(ctx, idle, q.wake[source])
			}
		}
		keys, _ := a.next()
		if len(keys) == 0 {
			continue
		}
		seen, err := q.ask(ctx, source, observer, keys)
		if ctx.Err() != nil {
			return
		}
		known := func(k alert.Key) bool { _, ok := seen[k.EventID]; return ok }
		excluded, hold := a.done(known, resultOf(err), time.Now())
		for _, key := range excluded {
			e := a.apart[key]
			q.askAt(key, e.until)
			if e.times == 1 {
				q.opts.Log.Warn("Zabbix can't answer about one problem: the others are asked without it", "key", key, "again", time.Until(e.until).Round(time.Second), "error", err)
			}
		}
		q.opts.Metrics.Apart.WithLabelValues(source).Set(float64(len(a.apart)))
		if !hold {
			q.lookForRoom(source)
			if err == nil && complained != "" {
				q.opts.Log.Info("Zabbix answers about problems again", "source", source)
				wait, complained = firstPause, ""
			}
			continue
		}
		in := max(wait, askedToWait(err))
		if what := complaint(err); what != complained {
			q.opts.Log.Warn("can't ask Zabbix about problems; trying again", "source", source, "problems", len(keys), "in", in, "error", err)
			complained = what
		}
		rest(ctx, in, nil)
		wait = min(2*wait, lastPause)
	}
}

// complaint is the same for errors that say the same, so that an outage is one line in the log.
func complaint(err error) string {
	var e *zabbix.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return fmt.Sprint(e.Method, e.Kind, e.Code, e.Status)
}

func askedToWait(err error) time.Duration {
	var e *zabbix.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// rest waits for d, or until it is woken.
func rest(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// ask makes one call and journals the answers.
func (q *Inquirer) ask(ctx context.Context, source string, observer Observer, keys []alert.Key) (map[string]alert.Observation, error) {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = key.EventID
	}
	seen, err := observer.Observe(ctx, ids)
	if err != nil {
		q.opts.Metrics.Asked.WithLabelValues(source, "failed").Add(float64(len(keys)))
		return nil, err
	}
	var appends errgroup.Group
	appends.SetLimit(atOnce)
	for id, o := range seen {
		if o.Gone {
			// One such answer proves nothing: without permission on the host an event
			// looks gone too.
			q.opts.Metrics.Asked.WithLabelValues(source, "gone").Inc()
			q.opts.Log.Debug("Zabbix doesn't know the event, or doesn't show it to us", "key", source+"/"+id)
			continue
		}
		appends.Go(func() error {
			payload, err := json.Marshal(store.Envelope{EventID: id, Observation: &o})
			if err == nil {
				_, err = q.opts.Journal.Append(ctx, store.Entry{Source: source, Kind: store.EntryObservation, Payload: payload, ReceivedAt: time.Now()})
			}
			if err != nil {
				return fmt.Errorf("observation of %s/%s: %w", source, id, err)
			}
			q.opts.Metrics.Asked.WithLabelValues(source, "ok").Inc()
			return nil
		})
	}
	return seen, appends.Wait()
}
