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
	"slices"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// Observer asks one Zabbix about events: zabbix.Client.
type Observer interface {
	Observe(ctx context.Context, eventIDs []string) (map[string]alert.Observation, error)
}

// Journal takes what was learned: store.Store.
type Journal interface {
	Append(ctx context.Context, e store.Entry) (int64, error)
}

const (
	// batch is how many events one call asks about.
	batch = 100
	// settle is how close together two looks at the same problem are one look.
	settle = 500 * time.Millisecond
	// firstPause and lastPause bound the backoff while a Zabbix doesn't answer.
	firstPause, lastPause = 2 * time.Second, time.Minute
)

// Options make an Inquirer.
type Options struct {
	Sources map[string]Observer // by the source's name; a source without an API isn't asked
	Journal Journal
	Wake    func() // tells the ledger of an append
	Log     *slog.Logger
	Metrics *Metrics
}

// Inquirer asks about problems soon after they changed. What it is asked while
// a Zabbix is away waits in memory: after a restart the relay asks again about every open
// problem that was never observed.
type Inquirer struct {
	opts Options
	mu   sync.Mutex
	due  map[string]map[alert.Key][]time.Time // by source
	wake map[string]chan struct{}
}

// NewInquirer makes one.
func NewInquirer(opts Options) *Inquirer {
	q := &Inquirer{opts: opts, due: map[string]map[alert.Key][]time.Time{}, wake: map[string]chan struct{}{}}
	for name := range opts.Sources {
		q.due[name] = map[alert.Key][]time.Time{}
		q.wake[name] = make(chan struct{}, 1)
	}
	return q
}

// Ask has the problem looked at when in is over. Looks that fall together are one.
func (q *Inquirer) Ask(key alert.Key, in time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	keys, ok := q.due[key.Source]
	if !ok {
		return
	}
	at := time.Now().Add(in)
	keys[key] = merge(keys[key], at)
	select {
	case q.wake[key.Source] <- struct{}{}:
	default:
	}
}

// merge adds a look, unless one stands within settle of it.
func merge(looks []time.Time, at time.Time) []time.Time {
	for _, t := range looks {
		if d := t.Sub(at); d > -settle && d < settle {
			return looks
		}
	}
	looks = append(looks, at)
	slices.SortFunc(looks, time.Time.Compare)
	return looks
}

// take gives the keys that are due, batch at most, the oldest look first; with
// none due it says how long to wait.
func take(keys map[alert.Key][]time.Time, now time.Time) ([]alert.Key, time.Duration) {
	type look struct {
		key alert.Key
		at  time.Time
	}
	var ready []look
	wait := time.Hour
	for key, looks := range keys {
		if d := looks[0].Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		ready = append(ready, look{key, looks[0]})
	}
	slices.SortFunc(ready, func(a, b look) int { return a.at.Compare(b.at) })
	ready = ready[:min(len(ready), batch)]
	taken := make([]alert.Key, 0, len(ready))
	for _, r := range ready {
		rest := slices.DeleteFunc(keys[r.key], func(t time.Time) bool { return !t.After(now) })
		if len(rest) == 0 {
			delete(keys, r.key)
		} else {
			keys[r.key] = rest
		}
		taken = append(taken, r.key)
	}
	return taken, wait
}

// Run asks until ctx ends.
func (q *Inquirer) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	for source, observer := range q.opts.Sources {
		loops.Go(func() { q.loop(ctx, source, observer) })
	}
	loops.Wait()
	<-ctx.Done() // without any source too
	return nil
}

func (q *Inquirer) loop(ctx context.Context, source string, observer Observer) {
	pause := firstPause
	for ctx.Err() == nil {
		q.mu.Lock()
		keys, wait := take(q.due[source], time.Now())
		q.mu.Unlock()
		if len(keys) == 0 {
			q.rest(ctx, wait, q.wake[source])
			continue
		}
		err := q.ask(ctx, source, observer, keys)
		if err == nil {
			pause = firstPause
			continue
		}
		if ctx.Err() != nil {
			return
		}
		q.opts.Log.Warn("can't ask Zabbix about problems; trying again", "source", source, "problems", len(keys), "in", pause, "error", err)
		for _, key := range keys {
			q.Ask(key, pause)
		}
		q.rest(ctx, pause, nil)
		pause = min(2*pause, lastPause)
	}
}

func (q *Inquirer) rest(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// ask makes one call and journals the answers.
func (q *Inquirer) ask(ctx context.Context, source string, observer Observer, keys []alert.Key) error {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = key.EventID
	}
	seen, err := observer.Observe(ctx, ids)
	if err != nil {
		q.opts.Metrics.Asked.WithLabelValues(source, "failed").Add(float64(len(keys)))
		return err
	}
	var faults []error
	for id, o := range seen {
		if o.Gone {
			// One such answer proves nothing: without permission on the host an event
			// looks gone too.
			q.opts.Metrics.Asked.WithLabelValues(source, "gone").Inc()
			q.opts.Log.Debug("Zabbix doesn't know the event, or doesn't show it to us", "key", source+"/"+id)
			continue
		}
		payload, err := json.Marshal(store.Envelope{EventID: id, Observation: &o})
		if err == nil {
			_, err = q.opts.Journal.Append(ctx, store.Entry{Source: source, Kind: store.EntryObservation, Payload: payload, ReceivedAt: time.Now()})
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("observation of %s/%s: %w", source, id, err))
			continue
		}
		q.opts.Metrics.Asked.WithLabelValues(source, "ok").Inc()
	}
	q.opts.Wake()
	return errors.Join(faults...)
}
