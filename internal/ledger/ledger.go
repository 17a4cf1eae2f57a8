// Package ledger folds the journal into problems and posts, and decides what is posted in which room, when, and in which
// message. It is the only writer of problems, posts and groups.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/logging"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
)

// Store is what the ledger needs of store.Store.
type Store interface {
	PendingEntries(ctx context.Context, limit int) ([]store.Entry, error)
	Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error)
	TriggerStats(ctx context.Context, triggers []alert.TriggerKey) (map[alert.TriggerKey]alert.TriggerStats, error)
	SymptomsOf(ctx context.Context, causes []alert.Key) ([]alert.Key, error)
	PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error)
	Grouping(ctx context.Context, asks []store.GroupingAsk) (map[string]store.RoomGrouping, error)
	CommitFold(ctx context.Context, f store.Fold) error
	DuePosts(ctx context.Context, now time.Time, limit int) ([]store.Post, error)
	FreshRooms(ctx context.Context) ([]string, error)
	Group(ctx context.Context, id int64) (store.Group, error)
}

// Options configure a Ledger. Store, Decode, Log and Metrics are required.
type Options struct {
	Store Store
	Rules Rules
	// Decode reads a payload of Zabbix (store.EntryEvent).
	Decode func(e store.Entry) (Decoded, error)
	// Changed is called after a commit of posts, groups or notices, with what was written. Groups that are new have
	// no id yet.
	Changed func(written store.Fold)
	// Learned is called after a commit with the problems that a payload changed.
	Learned func(keys []alert.Key)
	// Lapsed is called with the problems whose acknowledgements are to be taken back, every minute until Zabbix reports that they
	// were: after a crash there is another call.
	Lapsed func(lapsed []Lapsed)
	// UnknownSendTo explains each name in an {ALERT.SENDTO} that refers to nothing; nil if none ever does.
	UnknownSendTo func(source, sendTo string) []string
	// Notifier wakes the fold (store.TopicJournal). Without one only Wake does.
	Notifier store.Notifier
	Log      *slog.Logger
	Metrics  *Metrics
	Trace    *tracing.Tracer // nil while tracing is off
}

const (
	// A batch, and with it a transaction, has minBatch to maxBatch entries. It grows while commits take less than
	// fastCommit and shrinks when they take more than slowCommit: appends wait while a fold is being written.
	minBatch, maxBatch     = 256, 1024
	fastCommit, slowCommit = 12 * time.Millisecond, 25 * time.Millisecond
	// After a batch of more than gatherFrom entries the fold waits for gatherFor, since a commit costs the same for
	// one entry as for many.
	gatherFrom = 4
	gatherFor  = 75 * time.Millisecond
	// pollEvery is how often the fold checks the journal and the clocks when nothing wakes it.
	pollEvery = 2 * time.Second
	// foundEvery is how often a kind of what only reconciliation found is logged as a warning.
	foundEvery = time.Minute
	// minBackoff and maxBackoff bound the pause while the store fails.
	minBackoff, maxBackoff = 50 * time.Millisecond, 5 * time.Second
	// maxConflicts is how many conflicts a batch may meet, each of which makes the fold plan it again, before it
	// fails.
	maxConflicts = 10
)

// Ledger is the fold.
type Ledger struct {
	opts  Options
	woken <-chan struct{}

	// Used by Run alone.
	clockAt time.Time        // when the clocks are checked next
	found   *logging.Limited // by kind and source
	unknown *logging.Once    // of UnknownSendTo
	damaged *logging.Once    // of problems that wait for their first message
}

// New makes a Ledger; Run starts it.
func New(o Options) *Ledger {
	if o.Notifier == nil {
		o.Notifier = new(store.Local)
	}
	woken, _ := o.Notifier.Subscribe(store.TopicJournal)
	return &Ledger{opts: o, woken: woken, found: logging.NewLimited(o.Log, foundEvery), unknown: logging.NewOnce(maxLogged), damaged: logging.NewOnce(maxLogged)}
}

// Run folds until ctx ends. A batch that has begun is finished.
func (l *Ledger) Run(ctx context.Context) error {
	backoff, size, limit := minBackoff, minBatch, minBatch
	for ctx.Err() == nil {
		more := l.clock(ctx)
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
			if drained && n > gatherFrom {
				pace.Pause(ctx, gatherFor, nil)
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
			pace.Pause(ctx, backoff, nil)
			backoff = min(2*backoff, maxBackoff)
		}
	}
	return nil
}

// await waits for a wake-up, the next due post or the next poll.
func (l *Ledger) await(ctx context.Context) {
	pace.Pause(ctx, min(pollEvery, max(0, time.Until(l.clockAt))), l.woken)
}

// fold applies one batch of at most size entries. It returns the batch, also when folding it failed, and how long
// the commit took.
func (l *Ledger) fold(ctx context.Context, size int) (entries []store.Entry, took time.Duration, err error) {
	entries, err = l.opts.Store.PendingEntries(ctx, size)
	if err != nil || len(entries) == 0 {
		return nil, 0, err
	}
	began := time.Now()
	items, keys := make([]Item, len(entries)), make([]alert.Key, 0, len(entries))
	for i, e := range entries {
		items[i] = l.item(e)
		if key := items[i].Decoded.Event.Key; key.EventID != "" {
			keys = append(keys, key)
		}
	}
	out, took, err := l.commit(ctx, keys, items, func(known Known) *Draft { return Plan(items, known, l.opts.Rules, time.Now()) })
	if err != nil {
		return entries, 0, err
	}
	l.opts.Metrics.Batch.Observe(float64(len(items)))
	l.opts.Metrics.Seconds.Observe(time.Since(began).Seconds())
	l.done(out)
	l.trace(out, began)
	return entries, took, nil
}

// commit plans and writes a batch about problems with these keys. After a conflict it reads and plans again; a batch that
// meets only conflicts counts as rejected. It returns how long the write took.
func (l *Ledger) commit(ctx context.Context, keys []alert.Key, items []Item, plan func(Known) *Draft) (out Outcome, took time.Duration, err error) {
	for conflicts := range maxConflicts {
		known, failed := l.known(ctx, keys, items, conflicts)
		if failed != nil {
			return out, 0, failed
		}
		draft := plan(known)
		rooms, waiting, failed := l.rooms(ctx, draft)
		if failed != nil {
			return out, 0, failed
		}
		if out = draft.Finish(rooms, waiting); out.empty() {
			return out, 0, nil
		}
		if err = l.remember(ctx, draft, &out.Fold); err != nil {
			return out, 0, err
		}
		writing := time.Now()
		if err = l.opts.Store.CommitFold(ctx, out.Fold); !errors.Is(err, store.ErrConflict) {
			return out, time.Since(writing), err
		}
	}
	return out, 0, fmt.Errorf("%w: gave up after %d attempts: %w", store.ErrRejected, maxConflicts, err)
}

// rooms reads the groups and fresh posts of the rooms that a draft touches, and the problems that wait there.
func (l *Ledger) rooms(ctx context.Context, d *Draft) (rooms map[string]store.RoomGrouping, waiting map[alert.Key]alert.Problem, err error) {
	asks := d.Asks()
	if len(asks) == 0 {
		return nil, nil, nil
	}
	if rooms, err = l.opts.Store.Grouping(ctx, asks); err != nil {
		return nil, nil, fmt.Errorf("reading groups: %w", err)
	}
	keys := d.Unknown(rooms)
	if len(keys) == 0 {
		return rooms, nil, nil
	}
	waiting, err = l.opts.Store.Problems(ctx, keys)
	if err != nil && !errors.Is(err, store.ErrRejected) { // a damaged one isn't the fault of this batch
		return nil, nil, fmt.Errorf("reading problems: %w", err)
	}
	for _, key := range keys {
		if err != nil && waiting[key].Revision == 0 && l.damaged.First(key.String()) {
			l.opts.Log.Error("a problem that waits for its first message can't be read: it shares no message", "key", key.String(), "error", err)
		}
	}
	return rooms, waiting, nil
}

// done logs a committed batch, and notifies delivery and the inquirer.
func (l *Ledger) done(out Outcome) {
	for _, r := range out.Results {
		l.note(r)
	}
	l.noteGathered(out.Gathered)
	now := time.Now()
	for _, post := range out.Fold.Posts {
		if due := post.DueAt(); due.After(now) && due.Before(l.clockAt) {
			l.clockAt = due
		}
	}
	if f := out.Fold; l.opts.Changed != nil && len(f.Posts)+len(f.Groups)+len(f.Notices) > 0 {
		l.opts.Changed(f)
	}
	if l.opts.Lapsed != nil && len(out.Lapsed) > 0 {
		l.opts.Lapsed(out.Lapsed)
	}
	if l.opts.Learned != nil && len(out.Learned) > 0 {
		l.opts.Learned(out.Learned)
	}
}

// known reads the stored problems with these keys, their causes and symptoms, the earlier problems with their event ids, and the posts
// of all of them. A problem that was pruned may have left earlier ones, which are the conflict when its id comes back: after each conflict it looks for one more.
func (l *Ledger) known(ctx context.Context, keys []alert.Key, items []Item, conflicts int) (k Known, err error) {
	if k.Problems, err = l.opts.Store.Problems(ctx, keys); err != nil {
		return k, fmt.Errorf("reading problems: %w", err)
	}
	var earlier []alert.Key // from before Zabbix's database was recreated: see alert.Relation
	for _, key := range keys {
		for n := range k.Problems[key].Generation + conflicts {
			earlier = append(earlier, key.Earlier(n+1))
		}
	}
	if len(earlier) > 0 {
		more, err := l.opts.Store.Problems(ctx, earlier)
		if err != nil {
			return k, fmt.Errorf("reading earlier problems: %w", err)
		}
		maps.Copy(k.Problems, more)
		for _, key := range keys {
			for p := k.Problems[key]; k.Problems[key.Earlier(p.Generation+1)].Revision != 0; k.Problems[key] = p {
				p.Generation++
			}
		}
	}
	named, err := l.ranked(ctx, k, keys, items)
	if err != nil {
		return k, err
	}
	if len(named) > 0 {
		more, err := l.opts.Store.Problems(ctx, named)
		if err != nil && !errors.Is(err, store.ErrRejected) { // a damaged one carries no symptoms, and is none
			return k, fmt.Errorf("reading causes and symptoms: %w", err)
		}
		maps.Copy(k.Problems, more)
	}
	// In a storm nearly all problems are new, and have no posts.
	if k.Posts, err = l.opts.Store.PostsOf(ctx, slices.Collect(maps.Keys(k.Problems))); err != nil {
		return k, fmt.Errorf("reading posts: %w", err)
	}
	k.Groups, err = l.asking(ctx, k)
	return k, err
}

// asking reads the groups whose threads are to show a question that waits for an answer. One that can't be read hasn't shown it.
func (l *Ledger) asking(ctx context.Context, k Known) (map[int64]store.Group, error) {
	groups := map[int64]store.Group{}
	for key, p := range k.Problems {
		if p.Asked() == nil {
			continue
		}
		for _, post := range k.Posts[key] {
			if _, read := groups[post.Group]; post.Group == 0 || read {
				continue
			}
			g, err := l.opts.Store.Group(ctx, post.Group)
			if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrRejected) {
				return nil, fmt.Errorf("reading a group: %w", err)
			}
			groups[post.Group] = g
		}
	}
	return groups, nil
}

// ranked returns the keys of the causes that problems or entries name, and of the symptoms that arrived before their cause did.
func (l *Ledger) ranked(ctx context.Context, k Known, keys []alert.Key, items []Item) ([]alert.Key, error) {
	named := causes(k, items)
	if fresh := slices.DeleteFunc(slices.Clone(keys), func(key alert.Key) bool { return k.Problems[key].Revision > 0 }); len(fresh) > 0 {
		symptoms, err := l.opts.Store.SymptomsOf(ctx, fresh)
		if err != nil {
			return nil, fmt.Errorf("reading symptoms: %w", err)
		}
		named = append(named, slices.DeleteFunc(symptoms, func(key alert.Key) bool { return k.Problems[key].Revision > 0 })...)
	}
	return named, nil
}

// giveUp sets aside an entry that failed alone in its batch.
func (l *Ledger) giveUp(ctx context.Context, e store.Entry, cause error) bool {
	if err := l.opts.Store.CommitFold(ctx, store.Fold{SetAside: map[int64]string{e.ID: cause.Error()}}); err != nil {
		return false
	}
	l.note(Result{Item: &Item{Entry: e}, SetAside: cause.Error()})
	return true
}
