// Package delivery brings rooms up to date. It is level-triggered: it compares what a room should show with what it
// shows (store.Cursor, store.GroupCursor) and makes the next call that closes the gap. It is the only package that
// posts to rooms.
//
// Package step decides, queue orders the work, pace sets the speed. One loop for each Webex bot combines them: it
// picks a task (a post, a group, a notice), and a worker makes one call for it.
package delivery

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/roster"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/tracing"
	"nms-alert-relay/internal/webex"
)

// Store is the part of store.Store that delivery uses.
type Store interface {
	Problems(ctx context.Context, keys []alert.Key) (map[alert.Key]alert.Problem, error)
	PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error)
	PendingPosts(ctx context.Context, rooms []string, dueBefore time.Time) ([]store.Post, error)
	ClaimPost(ctx context.Context, key alert.Key, room string) (bool, error)
	SavePost(ctx context.Context, key alert.Key, room string, c store.Cursor) error
	Group(ctx context.Context, id int64) (store.Group, error)
	PendingGroups(ctx context.Context, room string) ([]store.Group, error)
	GroupPosts(ctx context.Context, id int64) ([]store.Post, error)
	Members(ctx context.Context, id int64) ([]store.Member, error)
	GroupLeavers(ctx context.Context, id, afterRevision int64) ([]store.Post, error)
	SaveGroup(ctx context.Context, id int64, c store.GroupCursor) error
	AddNotice(ctx context.Context, n store.Notice) (int64, error)
	Notice(ctx context.Context, id int64) (store.Notice, error)
	PendingNotices(ctx context.Context) ([]store.Notice, error)
	NoticeFile(ctx context.Context, id int64) ([]byte, error)
	ThreadRoot(ctx context.Context, n store.Notice) (messageID string, err error)
	SaveNotice(ctx context.Context, n store.Notice) error
	Append(ctx context.Context, e store.Entry) (int64, error)
	Value(ctx context.Context, name string) (string, error)
	SetValue(ctx context.Context, name, value string) error
}

// Webex is the part of webex.Client that delivery uses.
type Webex interface {
	CreateMessage(ctx context.Context, m webex.NewMessage) (webex.Message, error)
	EditMessage(ctx context.Context, id, roomID, markdown string) (webex.Message, error)
	DeleteMessage(ctx context.Context, id string) error
	GetMessage(ctx context.Context, id string) (webex.Message, error)
}

// Renderer is the part of render.Renderer that delivery uses.
type Renderer interface {
	Root(p alert.Problem, room render.Room, now time.Time) string
	Lines(p alert.Problem, entries []alert.Entry, room render.Room, now time.Time) string
	Actions(p alert.Problem) string
	Card(p alert.Problem, room render.Room, now time.Time) (card any, fallback string)
	DigestItem(p alert.Problem, room render.Room) render.DigestItem
	Digest(d render.Digest, room render.Room) (markdown string, complete bool)
	AnswerCard(lines []render.DigestLine, digest string, room render.Room) any
	DigestLines(lines []render.DigestLine, room render.Room) (markdown string, included int)
	FlapLine(d render.Digest, room render.Room) string
	DigestFile(d render.Digest, room render.Room, now time.Time) []byte
}

// Bot is one Webex account that posts.
type Bot struct {
	Name   string
	Client Webex
}

// Options make a Delivery.
type Options struct {
	Store  Store
	Render func() Renderer // called for each message: the renderer of the current configuration
	Bots   []Bot           // at least one; the first serves rooms without a bot
	Rooms  Rooms
	// Fallback returns the room that gets what another room refuses for good; false, or nil, for none.
	Fallback func(room string) (string, bool)

	// Withheld says why a direct chat, or a space that isn't configured, gets nothing about a problem by a route that was posted in
	// these rooms, or in a message with several problems (no route); "" if it does. shown: the room shows it, and a call keeps that up to
	// date. nil: everything.
	Withheld func(room, route string, posted []string, shown bool) string
	// WithheldNotice says why a notice that waits isn't sent any more; "" if it is. nil: all are sent.
	WithheldNotice func(ctx context.Context, n store.Notice) (why string, err error)
	// Refused is told that a room refuses messages for good, each time it does; nil if nobody needs to know.
	Refused func(ctx context.Context, room, reason string)

	// Asks reports whether the relay asks the API of a source about its problems. Their first cards wait for
	// the answer, CardWait at most, since it says which buttons apply. nil for no source.
	Asks func(source string) bool

	// Canary is told the outcome of a canary: failed is the first step that failed, "" for none. nil if there are no canaries.
	Canary func(name string, failed step.Op)

	// Posted is told of each problem that got a message of its own in a room. It mustn't block. nil for nobody.
	Posted func(post store.Post, p alert.Problem)

	Workers   int     // calls in flight for each bot; 4 by default
	RateLimit float64 // initial rate of each bot, in calls a second; see pace.NewRate
	// Rescan is how often delivery reads the store to find work whose wake-up was lost, 30 s by default. Work that
	// another process writes is found earlier only if Notifier reaches across processes.
	Rescan time.Duration
	Grace  time.Duration // how long calls in flight may take after Run's context ended; 10 s by default

	Notifier store.Notifier // wakes delivery (store.TopicPosts, TopicGroups, TopicNotices); nil: it only polls
	Metrics  *Metrics       // nil: nothing is counted
	Log      *slog.Logger
	Trace    *tracing.Tracer // nil while tracing is off
	Jitter   func() float64  // in [0,1); safe for concurrent use; random by default
}

// Delivery serves every room, each by its bot.
type Delivery struct {
	Options
	bots    roster.Roster[*bot]
	first   atomic.Pointer[string] // the name of the bot of rooms without one
	workers atomic.Int64           // Options.Workers, or what SetBots made it
	changed chan struct{}          // wakes watch after SetBots
	tenancy tenancy
	// Wake-ups: to read everything that is pending, the groups, the notices.
	rescan, groups, notices <-chan struct{}
	// skipped are the tasks whose progress the store rejects (save).
	skipped sync.Map
	started time.Time
}

// New makes a Delivery; Run starts it.
func New(o Options) (*Delivery, error) {
	switch {
	case o.Store == nil || o.Render == nil || o.Rooms == nil:
		return nil, errors.New("delivery: Store, Render and Rooms are needed")
	case len(o.Bots) == 0:
		return nil, errors.New("delivery: a bot is needed")
	}
	if o.Canary == nil {
		o.Canary = func(string, step.Op) {}
	}
	if o.Posted == nil {
		o.Posted = func(store.Post, alert.Problem) {}
	}
	if o.Fallback == nil {
		o.Fallback = func(string) (string, bool) { return "", false }
	}
	if o.Withheld == nil {
		o.Withheld = func(string, string, []string, bool) string { return "" }
	}
	if o.WithheldNotice == nil {
		o.WithheldNotice = func(context.Context, store.Notice) (string, error) { return "", nil }
	}
	if o.Refused == nil {
		o.Refused = func(context.Context, string, string) {}
	}
	o.Workers = cmp.Or(o.Workers, 4)
	o.Rescan = cmp.Or(o.Rescan, 30*time.Second)
	o.Grace = cmp.Or(o.Grace, 10*time.Second)
	if o.Metrics == nil {
		o.Metrics = NewMetrics(prometheus.NewRegistry())
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Notifier == nil {
		o.Notifier = new(store.Local)
	}
	d := &Delivery{Options: o, started: time.Now(), changed: make(chan struct{}, 1)}
	d.rescan, _ = o.Notifier.Subscribe(store.TopicPosts)
	d.groups, _ = o.Notifier.Subscribe(store.TopicGroups)
	d.notices, _ = o.Notifier.Subscribe(store.TopicNotices)
	d.SetBots(o.Bots, o.Workers, func() {})
	return d, nil
}

// Run delivers until ctx ends. Calls in flight then have Options.Grace to finish and to save their outcome.
// It may be called once.
func (d *Delivery) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		d.bots.Run(ctx, func(own context.Context, _ string, b *bot) { b.run(own, ctx) })
		return nil
	})
	g.Go(func() error { return d.watch(ctx) })
	return g.Wait()
}

// Notify enqueues the posts that the ledger has just written. It doesn't block. Their cursors are ignored: each
// task reads the store when it is its turn.
func (d *Delivery) Notify(written store.Fold) {
	due := make([]store.Post, 0, len(written.Posts))
	for _, p := range written.Posts {
		if p.Group == 0 && p.Pending() {
			due = append(due, p)
		}
	}
	enqueue(due, d.newPostTask, false)
}

// enqueue gives tasks to their bots.
func enqueue[T any](items []T, newTask func(T) *task, found bool) {
	byBot := map[*bot][]*task{}
	for _, i := range items {
		t := newTask(i)
		byBot[t.Value.bot] = append(byBot[t.Value.bot], t)
	}
	for b, tasks := range byBot {
		b.enqueue(tasks, found)
	}
}

// enqueuePending enqueues the pending items that a read of the store returns.
func enqueuePending[T any](ctx context.Context, d *Delivery, what string, pending func(context.Context) ([]T, error), newTask func(T) *task) {
	if items, ok := read(ctx, d, "reading pending "+what, pending); ok {
		enqueue(items, newTask, true)
	}
}

// Pace is the current rate of the room's bot there, in calls a second.
func (d *Delivery) Pace(room string) float64 {
	b := d.botOf(room, "")
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rate.SpeedIn(b.webexRoom(room))
}

// watch enqueues pending work from the store: at the start, when woken, and every Options.Rescan in case a wake-up
// was lost.
func (d *Delivery) watch(ctx context.Context) error {
	every := d.Rescan
	timer := time.NewTimer(every)
	defer timer.Stop()
	posts, groups, notices := true, true, true
	for {
		if posts {
			start := time.Now()
			enqueuePending(ctx, d, "posts", func(ctx context.Context) ([]store.Post, error) {
				// Posts that are due later are found by a later read.
				return d.Store.PendingPosts(ctx, nil, start.Add(2*every))
			}, d.newPostTask)
			every = rescanAfter(time.Since(start), every, d.Rescan)
			timer.Reset(every)
		}
		if groups {
			enqueuePending(ctx, d, "groups", func(ctx context.Context) ([]store.Group, error) { return d.Store.PendingGroups(ctx, "") }, d.newGroupTask)
		}
		if notices {
			enqueuePending(ctx, d, "notices", d.Store.PendingNotices, d.newNoticeTask)
		}
		posts, groups, notices = true, true, true
		select {
		case <-ctx.Done():
			return nil
		case <-d.groups:
			posts, notices = false, false
		case <-d.notices:
			posts, groups = false, false
		case <-d.rescan:
		case <-d.changed:
		case <-timer.C:
		}
	}
}

// rescanAfter is the pause before the next rescan. It grows with the duration of the last one, so that
// rescans take at most a hundredth of the time. It at most doubles, since each rescan covers two pauses.
func rescanAfter(took, last, least time.Duration) time.Duration {
	return max(least, min(100*took, 2*last))
}
