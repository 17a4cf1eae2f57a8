package delivery

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"nms-alert-relay/internal/delivery/queue"
	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/webex"
)

// bot is the loop of one Webex account. It picks the most urgent task, at the pace that Webex allows, and
// gives it to a worker for one call.
type bot struct {
	*Delivery
	name   string
	client Webex
	woken  chan struct{}
	// remembered is closed once the waits of a previous process are restored.
	remembered chan struct{}
	direct     sync.Map   // e-mail address → Webex room id of the direct chat
	keeping    sync.Mutex // held while refusing is saved

	mu      sync.Mutex
	queue   *queue.Queue[work]
	rate    *pace.Limits
	breaker pace.Breaker
	flying  int // busy workers
	// refusing are the Webex rooms that refuse messages, as the default room was told.
	refusing map[string]bool
}

func newBot(d *Delivery, o Bot) *bot {
	b := &bot{
		Delivery: d, name: o.Name, client: o.Client, woken: make(chan struct{}, 1), remembered: make(chan struct{}),
		queue: queue.New[work](), refusing: map[string]bool{}, rate: pace.NewLimits(d.RateLimit, time.Now()),
	}
	b.queue.Opens = b.opens
	b.queue.PerRoom = max(1, d.Workers-1) // one worker is left for the other rooms
	d.Metrics.addBot(b.name, b.state)
	return b
}

func (b *bot) state() botState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return botState{
		perSecond: b.rate.PerSecond(),
		rooms:     len(b.rate.PausedRooms(time.Now())),
		paused:    max(0, time.Until(b.rate.PausedUntil())),
		breaker:   b.breaker.State(),
		behind:    b.queue.Len(),
	}
}

// take enqueues tasks. A known task is woken, since its problem may have resolved while it waited. If found
// is set, the tasks come from a rescan of the store, and only those with news are woken.
func (b *bot) take(tasks []*task, found bool) {
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
			news := !found || t.Value.version > known.Value.version
			known.Value.version = max(known.Value.version, t.Value.version)
			if known.Value.post != nil {
				b.queue.Reorder(known, hint(known.Urgency, t.Urgency))
			}
			if news {
				b.queue.Wake(known)
			}
		}
	}
	b.mu.Unlock()
	signal(b.woken)
}

// lives are the contexts of a step: of what it may still begin, of its call to Webex, and of saving its
// outcome. A shutdown ends them in this order.
type lives struct{ begin, call, save context.Context }

// run works until ctx ends, then waits for the calls in flight.
func (b *bot) run(ctx context.Context) error {
	call, endCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer endCalls()
	save, endSaves := context.WithCancel(context.WithoutCancel(ctx))
	defer endSaves()
	b.rememberPauses(ctx)
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
	// Half of the grace period is for the calls, the rest for saving their outcome.
	defer time.AfterFunc(b.Grace/2, endCalls).Stop()
	defer time.AfterFunc(b.Grace, endSaves).Stop()
	workers.Wait()
	return nil
}

// dispatch starts a worker for every task that may run now. It returns when to call it again; zero if only
// a wake-up can change that.
func (b *bot) dispatch(l lives, workers *sync.WaitGroup) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		now := time.Now()
		slots := b.Workers
		if b.breaker.Open() {
			slots = 1
		}
		if b.flying >= slots {
			return time.Time{}
		}
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

// outcome is what becomes of a task after a step.
type outcome struct {
	called  bool // a call was made
	done    bool // nothing is left to do; otherwise:
	wake    time.Time
	urgency *queue.Urgency // of what is left; nil if unchanged
	aside   bool           // the tasks behind it in its lane stop waiting
}

func (b *bot) serve(l lives, t *task, picked int) {
	var out outcome
	switch {
	case b.skips(t.ID):
		out.done = true
	case t.Value.post != nil:
		out = b.servePost(l, t, picked)
	case t.Value.group != nil:
		out = b.serveGroup(l, t, picked)
	default:
		out = b.serveNotice(l, t)
	}
	if b.skips(t.ID) {
		out = outcome{called: out.called, done: true}
	}
	b.mu.Lock()
	now := time.Now()
	b.flying--
	if !out.called {
		b.rate.GiveBackIn(b.webexRoom(t.Room), now)
	}
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
	signal(b.woken)
}

// call makes one call to Webex. made is false if a 429 came since the task was picked: nothing was sent.
func (b *bot) call(l lives, t *task, op step.Op, attempts int, do func(ctx context.Context) error) (took time.Duration, made bool, err error) {
	room := b.webexRoom(t.Room)
	b.mu.Lock()
	started := time.Now()
	wait := b.breaker.Open() && started.Before(b.breaker.At()) || l.begin.Err() != nil || !b.rate.MayBegin(room, started)
	b.mu.Unlock()
	if wait {
		return 0, false, nil
	}
	err = do(l.call)
	now := time.Now()
	took = now.Sub(started)
	b.Metrics.called(b.name, op, err)
	if attempts > 0 {
		b.Metrics.Retries.WithLabelValues(b.name).Inc()
	}
	b.learn(t.ID, room, err, started, now)
	if err == nil && posts(op) {
		b.takesAgain(l, t.Room)
	}
	if step.Fault(err).RetryAfter > 0 {
		b.keepPauses(l.save)
	}
	return took, true, err
}

// posts reports whether a step posts a message.
func posts(op step.Op) bool {
	return op != step.OpEdit && op != step.OpNoticeEdit && op != step.OpGroupEdit && op != step.OpGroupDrop && op != step.OpDelete
}

// learn adjusts the bot's pace and breaker to the outcome of a call.
func (b *bot) learn(id, room string, err error, started, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.breaker.State()
	class := webex.ClassOf(err)
	if answered := err == nil || class != webex.Unauthorized && class != webex.Temporary; answered {
		if b.breaker.Open() {
			b.rate.Resume(now.Sub(b.breaker.Opened()), now)
		}
		b.breaker.Answered()
	}
	switch {
	case err == nil:
		b.rate.Answered(room, started, now)
	case class == webex.RateLimited:
		retryAfter := step.Fault(err).RetryAfter
		alone := b.rate.LimitedIn(room, started, now, retryAfter)
		who := "bot"
		if alone {
			who = "room"
		}
		b.Log.Warn("Webex told the "+who+" to wait", "bot", b.name, "webex_room", room, "retry_after", retryAfter, "rate", b.rate.SpeedIn(room))
	}
	switch class {
	case webex.Unauthorized:
		b.breaker.Unauthorized(now)
	case webex.Temporary:
		if err != nil {
			b.breaker.Failed(id, started, now, b.Jitter())
			if wait := step.Fault(err).RetryAfter; wait > 0 {
				b.rate.PauseUntil(now.Add(wait), now) // Webex is down, and says until when
			}
		}
	}
	if after := b.breaker.State(); after != before {
		switch after {
		case pace.BreakerClosed:
			b.Log.Info("Webex answers the bot again", "bot", b.name, "rate", b.rate.PerSecond())
		case pace.BreakerUnauthorized:
			b.Log.Error("Webex refuses the bot's token: nothing is sent until it is replaced; retrying once a minute", "bot", b.name, "err", err)
		case pace.BreakerAway:
			b.Log.Error("Webex is unreachable: messages are delayed, none is lost; retrying with single calls", "bot", b.name, "err", err)
		}
	}
}

const (
	retryBase = time.Second
	retryMost = 2 * time.Minute
)

// delay is the backoff after the nth failure in a row. While the breaker is open, no task waits longer than
// until its next attempt, so that everything continues as soon as Webex is back.
func (b *bot) delay(n int, err error, now time.Time) time.Duration {
	d := max(pace.Backoff(n, retryBase, retryMost, b.Jitter()), step.Fault(err).RetryAfter)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.breaker.Open() {
		d = min(d, b.breaker.At().Sub(now))
	}
	return d
}

// refusalLevel is the log level of a call that failed. If a proxy answers for Webex, the client logs that
// once; here it would be a line for each message.
func refusalLevel(err error) slog.Level {
	if step.Fault(err).Foreign {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}
