package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/pace"
)

// bot is the loop of one Webex account. It picks the most urgent task, at the pace that Webex allows, and
// gives it to a worker for one call.
type bot struct {
	*Delivery
	name   string
	client Webex
	woken  chan struct{}
	// remembered is closed once the saved waits of a previous process are restored.
	remembered chan struct{}
	direct     sync.Map      // e-mail address → Webex room id of the direct chat
	keeping    chan struct{} // holds a token while the waits are saved
	gauges     []prometheus.Collector

	mu      sync.Mutex
	queue   *queue.Queue[work]
	rate    *pace.Limits
	breaker pace.Breaker
	flying  int // workers with a call in flight
	// refusing are the Webex rooms that refuse messages, which the default room has been told.
	refusing map[string]bool
}

func newBot(d *Delivery, o Bot) *bot {
	b := &bot{
		Delivery: d, name: o.Name, client: o.Client, woken: make(chan struct{}, 1), remembered: make(chan struct{}), keeping: make(chan struct{}, 1),
		queue: queue.New[work](), refusing: map[string]bool{}, rate: pace.NewLimits(d.RateLimit, time.Now()),
	}
	b.queue.Opens = b.opens
	b.queue.PerRoom = perRoom(d.Workers)
	d.Metrics.addBot(b)
	return b
}

// enqueue enqueues tasks. A queued task is woken, since its problem may have resolved while it waited. If found is
// set, the tasks are from a rescan of the store, and only those with news are woken.
func (b *bot) enqueue(tasks []*task, found bool) {
	b.mu.Lock()
	now := time.Now()
	for _, t := range tasks {
		known := b.queue.Get(t.ID)
		switch {
		case known == nil && b.skips(t.ID):
		case known == nil && t.Value.post != nil:
			b.queue.Add(t, t.Value.post.notBefore, now)
		case known == nil:
			b.queue.Add(t, now, now)
		default:
			news := !found || t.Version > known.Version
			known.Version = max(known.Version, t.Version)
			if known.Value.post != nil || known.Value.group != nil {
				b.queue.Reorder(known, hint(known.Urgency, t.Urgency))
			}
			if news {
				b.queue.Wake(known)
			}
		}
	}
	b.mu.Unlock()
	pace.Wake(b.woken)
}

// lives are the contexts of a step: for beginning work, for its call to Webex, and for saving its outcome. A shutdown
// ends them in this order.
type lives struct{ begin, call, save context.Context }

// run works until ctx ends, then waits for the calls in flight. Only the end of stop, which is the end of the relay, limits these.
func (b *bot) run(ctx, stop context.Context) {
	call, endCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer endCalls()
	save, endSaves := context.WithCancel(context.WithoutCancel(ctx))
	defer endSaves()
	b.rememberWaits(ctx)
	var workers sync.WaitGroup
	for ctx.Err() == nil {
		next := b.dispatch(lives{ctx, call, save}, &workers)
		var alarm <-chan time.Time
		if !next.IsZero() {
			alarm = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
		case <-b.woken:
		case <-alarm:
		}
	}
	// Half of the grace period is for the calls, the rest for saving their outcomes.
	defer context.AfterFunc(stop, func() {
		time.AfterFunc(b.Grace/2, endCalls)
		time.AfterFunc(b.Grace, endSaves)
	})()
	workers.Wait()
}

// dispatch starts a worker for every task that may run now. It returns when to call it again; zero if only
// a wake-up can change that.
func (b *bot) dispatch(l lives, workers *sync.WaitGroup) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		now := time.Now()
		slots := int(b.workers.Load())
		if b.breaker.Open() {
			slots = 1
		}
		if b.flying >= slots {
			return time.Time{}
		}
		b.rate.HaveWork(b.queue.ReadyRooms(now), b.webexRoom, now)
		if at, ok := b.queue.ReadyAt(now); !ok || at.After(now) {
			return at
		}
		if at := b.callAt(now); at.After(now) {
			return at
		}
		t := b.queue.Pick(now)
		b.rate.TakeIn(b.webexRoom(t.Room), now)
		b.flying++
		picked := t.Class // read here: a wake-up may change it meanwhile
		workers.Go(func() { b.serve(l, t, picked) })
	}
}

// callAt is when the bot may make its next call.
func (b *bot) callAt(now time.Time) time.Time {
	at := b.rate.ReadyAt(now)
	if b.breaker.Open() && b.breaker.At().After(at) {
		at = b.breaker.At()
	}
	return at
}

// outcome is the state of a task after a step.
type outcome struct {
	called  bool // a call was made
	done    bool // nothing remains to be done; otherwise:
	wake    time.Time
	urgency *queue.Urgency // of the remaining work; nil if unchanged
	aside   bool           // the tasks behind it in its lane stop waiting
}

func (b *bot) serve(l lives, t *task, picked int) {
	var out outcome
	switch {
	case b.skips(t.ID):
		out.done = true
	case !b.tenancy.enter(tenure(t), b):
		out.wake = time.Now().Add(tenancyRetry)
	default:
		out = b.serveIn(l, t, picked)
		b.tenancy.leave(tenure(t))
	}
	if b.skips(t.ID) {
		out = outcome{called: out.called, done: true}
	}
	b.finished(t, out)
}

func (b *bot) serveIn(l lives, t *task, picked int) outcome {
	switch {
	case t.Value.post != nil:
		return b.servePost(l, t, picked)
	case t.Value.group != nil:
		return b.serveGroup(l, t, picked)
	}
	return b.serveNotice(l, t)
}

// finished returns a task to the queue, or removes it.
func (b *bot) finished(t *task, out outcome) {
	b.mu.Lock()
	now := time.Now()
	b.flying--
	b.rate.EndIn(b.webexRoom(t.Room), out.called, now)
	if out.aside {
		b.queue.LeaveLane(t)
	}
	if out.urgency != nil {
		b.queue.Reorder(t, *out.urgency)
	}
	if out.done {
		b.queue.Done(t)
	} else {
		b.queue.Back(t, out.wake, now)
	}
	b.mu.Unlock()
	pace.Wake(b.woken)
}
