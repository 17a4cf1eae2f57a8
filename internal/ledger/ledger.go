// Package ledger folds the journal into problems and posts. It is the only
// writer of problems.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/logging"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// Store is what the ledger needs of store.Store.
type Store interface {
	PendingEntries(ctx context.Context, limit int) ([]store.Entry, error)
	Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error)
	PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error)
	CommitFold(ctx context.Context, f store.Fold) error
	DuePosts(ctx context.Context, now time.Time, limit int) ([]store.Post, error)
	RecentProblems(ctx context.Context, since time.Time, limit int) ([]alert.Problem, error)
}

// Router says where problems go: route.Router.
type Router interface {
	Rooms(p alert.Problem, sendTo string, now time.Time) []route.Target
}

// Options make a Ledger. All but Changed, Learned and Flapping are needed.
type Options struct {
	Store  Store
	Router Router
	// Decode reads a payload (EntryEvent); the relay's own entries need none.
	Decode func(e store.Entry) (Decoded, error)
	// Test makes the messages of Zabbix's Test button.
	Test func(source, sendTo string, now time.Time) []store.Notice
	// Changed is told, after a commit, what was written, where that is posts or notices.
	Changed func(written store.Fold)
	// Learned is told, after a commit, of problems that a payload told something new of.
	Learned func(keys []alert.Key)
	// Timing says when a room hears of what a route sends there: route.Router.Timing; nil: at once.
	Timing func(room, rule string) route.Timing
	// UnknownSendTo says in words what an {ALERT.SENDTO} holds that names nothing; nil: nothing ever does.
	UnknownSendTo func(source, sendTo string) []string
	OrphanWait    time.Duration // how long an update waits for its problem
	Flapping      func(room string) Flapping
	FlapWindow    time.Duration  // the longest of all rooms'
	Notifier      store.Notifier // wakes the fold (store.TopicJournal); without one only Wake does
	Log           *slog.Logger
	Metrics       *Metrics
}

const (
	// A batch, and with it a transaction, has minBatch to maxBatch entries. It grows while commits take less than
	// fastCommit and shrinks when they take more than slowCommit: appends wait while a fold is being written.
	minBatch, maxBatch     = 128, 512
	fastCommit, slowCommit = 4 * time.Millisecond, 8 * time.Millisecond
	// After a batch of more than burst entries the fold waits for gatherFor, since a commit costs the same for
	// one entry as for many.
	burst     = 4
	gatherFor = 25 * time.Millisecond
	// pollEvery is how often the journal and the clocks are looked at when nothing wakes the fold.
	pollEvery = 2 * time.Second
	// maxConflicts is how often a batch is planned again because what it read has changed.
	maxConflicts = 10
	// minBackoff and maxBackoff bound the pause while the store fails.
	minBackoff, maxBackoff = 50 * time.Millisecond, 5 * time.Second
)

// Ledger is the fold.
type Ledger struct {
	opts  Options
	woken <-chan struct{}
	rules Rules

	// Used by Run alone.
	nagged     time.Time     // when everything due had been done
	unknown    *logging.Once // of UnknownSendTo
	openings   openings
	remembered bool // openings are what the store has
}

// New makes a Ledger; Run starts it.
func New(o Options) *Ledger {
	if o.Notifier == nil {
		o.Notifier = new(store.Local)
	}
	woken, _ := o.Notifier.Subscribe(store.TopicJournal)
	return &Ledger{
		opts: o, woken: woken, unknown: logging.NewOnce(maxUnknown),
		rules: Rules{Rooms: o.Router.Rooms, Test: o.Test, OrphanWait: o.OrphanWait, Flapping: o.Flapping, Timing: o.Timing},
	}
}

// Wake makes the fold look at the journal at once. It doesn't block.
func (l *Ledger) Wake() { l.opts.Notifier.Notify(store.TopicJournal) }

// Run folds until ctx ends. A batch that has begun is finished.
func (l *Ledger) Run(ctx context.Context) error {
	backoff, size, limit := minBackoff, minBatch, minBatch
	for ctx.Err() == nil {
		more := l.nag(ctx)
		entries, took, err := l.fold(ctx, size)
		n := len(entries)
		switch {
		case err == nil:
			if took > slowCommit {
				limit = max(limit/2, minBatch)
			} else if took < fastCommit && n == limit {
				limit = min(2*limit, maxBatch)
			}
			drained := n < size && !more
			backoff, size = minBackoff, min(2*size, limit)
			if drained && n > burst {
				pause(ctx, gatherFor)
			} else if drained {
				l.await(ctx)
			}
		case ctx.Err() != nil:
		case errors.Is(err, store.ErrRejected) && n > 1:
			size = max(1, n/2) // halve until the entry that fails is alone
		case errors.Is(err, store.ErrRejected) && n == 1 && l.giveUp(ctx, entries[0], err):
			// It is set aside; go on with the next.
		default:
			l.opts.Log.Error("folding the journal failed, retrying", "entries", n, "in", backoff, "error", err)
			l.opts.Metrics.Failures.Inc()
			pause(ctx, backoff)
			backoff = min(2*backoff, maxBackoff)
		}
	}
	return nil
}

// await waits until Wake is called, or for the next poll.
func (l *Ledger) await(ctx context.Context) {
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-l.woken:
	case <-timer.C:
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// fold applies one batch of at most size entries. It returns the batch, also when folding it failed, and how long
// the commit took.
func (l *Ledger) fold(ctx context.Context, size int) (entries []store.Entry, took time.Duration, err error) {
	entries, err = l.opts.Store.PendingEntries(ctx, size)
	if err != nil || len(entries) == 0 {
		return nil, 0, err
	}
	if !l.remembered {
		if err := l.remember(ctx); err != nil {
			return nil, 0, err // no entry's fault
		}
		l.remembered = true
	}
	began := time.Now()
	items := make([]Item, len(entries))
	for i, e := range entries {
		items[i] = l.item(e)
	}
	var out Outcome
	took, err = l.commit(ctx, func() (store.Fold, error) {
		known, err := l.known(ctx, items)
		if err != nil {
			return store.Fold{}, err
		}
		out = Plan(items, known, l.rules, began)
		return out.Fold, nil
	})
	if err != nil {
		l.remembered = false // it may be committed all the same
		return entries, 0, err
	}
	l.openings.add(out.Opened, l.rules.Flapping)
	l.opts.Metrics.opened(out.Opened)
	l.opts.Metrics.Batch.Observe(float64(len(items)))
	l.opts.Metrics.Seconds.Observe(time.Since(began).Seconds())
	for _, r := range out.Results {
		l.note(r)
	}
	if l.opts.Changed != nil && (len(out.Fold.Posts) > 0 || len(out.Fold.Notices) > 0) {
		l.opts.Changed(out.Fold)
	}
	if l.opts.Learned != nil && len(out.Learned) > 0 {
		l.opts.Learned(out.Learned)
	}
	return entries, took, nil
}

// commit plans and writes a batch, again if what it read has changed meanwhile. It returns how long writing took.
func (l *Ledger) commit(ctx context.Context, plan func() (store.Fold, error)) (took time.Duration, err error) {
	for range maxConflicts {
		fold, err := plan()
		if err != nil {
			return 0, err
		}
		writing := time.Now()
		if err = l.opts.Store.CommitFold(ctx, fold); !errors.Is(err, store.ErrConflict) {
			return time.Since(writing), err
		}
	}
	return 0, fmt.Errorf("gave up after %d attempts: %w", maxConflicts, store.ErrConflict)
}

// known reads what the store holds of the problems of a batch.
func (l *Ledger) known(ctx context.Context, items []Item) (k Known, err error) {
	keys := make([]alert.Key, 0, len(items))
	for i := range items {
		if key := items[i].Decoded.Event.Key; key.EventID != "" {
			keys = append(keys, key)
		}
	}
	k.Openings = &l.openings
	if k.Problems, err = l.opts.Store.Problems(ctx, keys); err != nil {
		return k, fmt.Errorf("reading problems: %w", err)
	}
	var earlier []alert.Key // a database that was made anew: see alert.Relation
	for _, p := range k.Problems {
		for n := range p.Generation {
			earlier = append(earlier, p.Key.Earlier(n+1))
		}
	}
	if len(earlier) > 0 {
		more, err := l.opts.Store.Problems(ctx, earlier)
		if err != nil {
			return k, fmt.Errorf("reading earlier problems: %w", err)
		}
		maps.Copy(k.Problems, more)
	}
	// In a storm nearly all are new, and have no posts.
	if k.Posts, err = l.opts.Store.PostsOf(ctx, slices.Collect(maps.Keys(k.Problems))); err != nil {
		return k, fmt.Errorf("reading posts: %w", err)
	}
	return k, nil
}

// giveUp sets aside the entry that the store rejected when it was alone in its batch.
func (l *Ledger) giveUp(ctx context.Context, e store.Entry, cause error) bool {
	if err := l.opts.Store.CommitFold(ctx, store.Fold{SetAside: map[int64]string{e.ID: cause.Error()}}); err != nil {
		return false
	}
	l.note(Result{Entry: e, SetAside: cause.Error()})
	return true
}

// item decodes an entry. Whatever goes wrong, even a panic, is that entry's fault alone.
func (l *Ledger) item(e store.Entry) (item Item) {
	item.Entry = e
	defer func() {
		if fault := recover(); fault != nil {
			item.Err = fmt.Errorf("decoding the entry failed, a bug in the relay: %v", fault)
		}
	}()
	if e.Kind == store.EntryEvent {
		item.Decoded, item.Err = l.opts.Decode(e)
	} else {
		item.Decoded, item.Err = own(e)
	}
	return item
}

// own reads an entry that the relay wrote itself.
func own(e store.Entry) (d Decoded, err error) {
	var env store.Envelope
	if err := json.Unmarshal(e.Payload, &env); err != nil {
		return d, fmt.Errorf("the relay's own entry isn't JSON: %w", err)
	}
	d.Event = alert.Event{Key: alert.Key{Source: e.Source, EventID: env.EventID}, Origin: alert.OriginTrigger, ReceivedAt: e.ReceivedAt, SentAt: e.ReceivedAt, Exact: true}
	switch {
	case env.EventID == "":
		return d, errors.New("the relay's own entry names no event")
	case e.Kind == store.EntryObservation && env.Observation != nil:
		d.Event = env.Observation.Event(d.Event.Key, e.ReceivedAt)
	case e.Kind == store.EntryAction && env.Update != nil:
		d.Event.Kind, d.Event.Update, d.Event.At, d.Event.SentAt = alert.KindAction, env.Update, env.Update.At, env.Update.At
	case e.Kind == store.EntryReroute && env.Room != "":
		d.Reroute = env.Room
	default:
		return d, fmt.Errorf("unknown entry kind %q", e.Kind)
	}
	return d, nil
}

// note counts and logs what became of an entry.
func (l *Ledger) note(r Result) {
	switch {
	case r.SetAside != "":
		l.opts.Metrics.SetAside.Inc()
		l.opts.Log.Error("a journal entry can't be applied and is set aside", "entry", r.Entry.ID, "source", r.Entry.Source, "reason", r.SetAside)
	case r.Test:
		l.opts.Log.Info("test of the media type", "entry", r.Entry.ID, "source", r.Entry.Source)
		l.noteSendTo(r)
	case r.Entry.Kind == store.EntryReroute:
		l.opts.Log.Info("problem rerouted", "key", r.Key.String(), "entry", r.Entry.ID)
	default:
		if r.Entry.Kind == store.EntryEvent {
			l.opts.Metrics.count(r)
			l.noteSendTo(r)
		}
		if r.Replaced != "" {
			l.opts.Log.Warn("an event id came back as another problem, and the earlier one is closed as gone: was Zabbix's database made anew, or do two servers send as one source?",
				"key", r.Key.String(), "earlier", r.Replaced, "entry", r.Entry.ID)
		}
		level := slog.LevelInfo
		if r.Duplicate || r.Entry.Kind == store.EntryObservation {
			level = slog.LevelDebug
		}
		if ctx := context.Background(); l.opts.Log.Enabled(ctx, level) {
			l.opts.Log.LogAttrs(ctx, level, "event", slog.String("key", r.Key.String()), slog.String("kind", string(r.Kind)), slog.Int64("entry", r.Entry.ID),
				slog.Bool("duplicate", r.Duplicate), slog.Bool("opened", r.Change.Opened), slog.Bool("resolved", r.Change.Resolved))
		}
	}
}

// maxUnknown bounds how many unknown names are remembered as logged; after that they are counted only.
const maxUnknown = 256

// noteSendTo counts a "Send to" that names nothing, and logs each such name once.
func (l *Ledger) noteSendTo(r Result) {
	if l.opts.UnknownSendTo == nil || r.SendTo == "" {
		return
	}
	unknown := l.opts.UnknownSendTo(r.Entry.Source, r.SendTo)
	if len(unknown) > 0 {
		l.opts.Metrics.SendToUnknown.WithLabelValues(r.Entry.Source).Inc()
	}
	for _, why := range unknown {
		if l.unknown.First(r.Entry.Source + " " + why) {
			l.opts.Log.Warn("Send to names no room: correct it in the media of the Zabbix user", "source", r.Entry.Source, "reason", why)
		}
	}
}
