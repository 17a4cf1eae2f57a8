package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
)

// job is a command that acts, while it is worked on. Its attempts may be in
// several lanes: whoever changes one holds mu until it is saved.
type job struct {
	mu sync.Mutex
	c  store.Command
	d  detail
}

// task is one attempt of a job.
type task struct {
	job *job
	i   int
}

// lane does what is to be done in one source, strictly in order: what was said
// first is done first, and a Zabbix that is away is asked by one at a time.
type lane struct {
	source string
	zabbix Zabbix
	woken  chan struct{}

	// Both are used by work alone: why the queue stands still, and until when Zabbix
	// or a proxy before it wants to be left alone.
	why       string
	notBefore time.Time

	mu    sync.Mutex
	queue []task
}

func (l *lane) add(t task) {
	l.mu.Lock()
	l.queue = append(l.queue, t)
	l.mu.Unlock()
	wake(l.woken)
}

func (l *lane) tasks() []task {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]task(nil), l.queue...)
}

func (l *lane) pop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = l.queue[1:]
}

// dispatch gives each attempt to its source's lane, and ends a job of which
// nothing is left to do.
func (e *Executor) dispatch(ctx context.Context, j *job) error {
	j.mu.Lock()
	for i := range j.d.Attempts {
		if a := &j.d.Attempts[i]; !a.Stage.final() && e.lanes[a.Key.Source] == nil {
			a.Stage, a.Outcome = stageFailed, noClient(*a, e.o.Several)
		}
	}
	if _, ended := over(j.d.Attempts); ended {
		defer j.mu.Unlock()
		return e.end(ctx, j)
	}
	var tasks []task
	for i, a := range j.d.Attempts {
		if !a.Stage.final() {
			tasks = append(tasks, task{j, i})
		}
	}
	j.mu.Unlock()
	for _, t := range tasks {
		e.lanes[t.job.d.Attempts[t.i].Key.Source].add(t)
	}
	return nil
}

// work does a lane's tasks until ctx ends.
func (e *Executor) work(ctx context.Context, l *lane) {
	for try := 0; ctx.Err() == nil; {
		queue := l.tasks()
		if len(queue) == 0 {
			pause(ctx, time.Hour, l.woken)
			continue
		}
		asked := time.Now()
		again, err := e.step(ctx, l, queue[0], try)
		switch {
		case err != nil: // ctx ended, or the store is closed: the next start goes on
			return
		case again == 0:
			try = 0
			l.pop()
			continue
		case again == atOnce:
			continue
		}
		try++
		e.tellQueue(ctx, l)
		if pause(ctx, again, l.woken) {
			e.tellQueue(ctx, l) // what came meanwhile is told before Zabbix is asked again
			pause(ctx, max(retryLeast-time.Since(asked), time.Until(l.notBefore)), nil)
		}
	}
}

// tellQueue tells everybody in a lane that stands still.
func (e *Executor) tellQueue(ctx context.Context, l *lane) {
	for _, t := range l.tasks() {
		if e.tellWaiting(ctx, t, l.why) != nil {
			return
		}
	}
}

// atOnce says that a task goes on with its next step without a pause.
const atOnce = time.Duration(-1)

// step takes a task one step further: it asks Zabbix to do it, or what became of
// it. 0: it has ended; atOnce: the next step; otherwise when to try again.
func (e *Executor) step(ctx context.Context, l *lane, t task, try int) (time.Duration, error) {
	view := e.o.View()
	j := t.job
	j.mu.Lock()
	a, req, until := j.d.Attempts[t.i], *j.d.Request, j.c.CreatedAt.Add(view.Expiry)
	j.mu.Unlock()
	rest := func(least time.Duration) time.Duration { // not beyond the command's end
		in := backoff(try, least, retryMost)
		if left := time.Until(until); left > 0 {
			in = min(in, left+time.Millisecond)
		}
		return in
	}
	// What has begun isn't broken off by ctx: the client's own time-out bounds it.
	calm := context.WithoutCancel(ctx)
	late := time.Now().After(until)

	if a.Stage == stageExecuting {
		return e.look(ctx, l, t, doubt{a: a, req: req, until: until, late: late, view: view, rest: rest})
	}
	if late {
		return 0, e.settle(ctx, t, stageExpired, expired(a, req, until, e.o.Several, time.Now(), e.location(j, view)))
	}
	overtaken, err := e.overtaken(ctx, a)
	if err != nil {
		return 0, err
	}
	if overtaken {
		return 0, e.settle(ctx, t, stageFailed, superseded(a.Key, a.Name, e.o.Several))
	}
	// Saved before Zabbix is asked: after a crash here it is asked what became of it.
	err = e.change(ctx, t, func(a *attempt, c *store.Command) {
		a.Stage, a.StartedAt, a.Ended = stageExecuting, time.Now().UTC().Truncate(time.Microsecond), false
		c.State, c.Attempts, c.NotBefore = store.CommandExecuting, c.Attempts+1, time.Time{}
	})
	if err != nil {
		return 0, err
	}
	err = l.zabbix.Acknowledge(calm, a.call(req))
	if err == nil {
		return 0, e.succeed(ctx, t)
	}
	e.count(err)
	l.why = reason(err)
	var ze *zabbix.Error
	errors.As(err, &ze)
	switch next := meaningOf(err); next {
	case doubtful, failed:
		plain := ze != nil && ze.MayBeText() && hasWide(a.Message) && !a.Plain
		e.o.Log.Warn("Zabbix didn't say whether it did a command: asking what became of it", "command", j.c.ID, "key", a.Key, "error", err)
		saved := e.change(ctx, t, func(a *attempt, _ *store.Command) { a.Ended = next == failed })
		if saved != nil || plain {
			return atOnce, saved
		}
		in := rest(retryLeast)
		if next == doubtful {
			in = min(in, 2*time.Second)
		}
		return l.leave(err, in, until), e.tellWaiting(ctx, t, l.why)
	case again:
		in := l.leave(err, rest(retryLeast), until)
		e.o.Log.Warn("Zabbix can't be reached or is broken: the command is tried again", "command", j.c.ID, "key", a.Key, "in", in.Round(time.Millisecond), "error", err)
		return in, e.change(ctx, t, func(a *attempt, c *store.Command) {
			a.Stage = stagePending
			c.State, c.NotBefore = store.CommandRetrying, time.Now().Add(in)
		})
	}
	if ze.Kind == zabbix.NoObject && req.act().closes {
		in, err := e.closeGone(ctx, l, t, a, req, ze)
		if in < 0 { // it can't be said now
			in = rest(retryLeast)
		}
		return in, err
	}
	level := e.o.Log.Info
	if ze.Kind == zabbix.NotAuthorised {
		level = e.o.Log.Error
	}
	level("Zabbix refused a command", "command", j.c.ID, "key", a.Key, "kind", ze.Kind, "error", err)
	return 0, e.settle(ctx, t, stageFailed, refused(a, req, ze, e.o.Several))
}

// doubt is what is known when Zabbix is asked what became of an attempt.
type doubt struct {
	a     attempt
	req   Request
	until time.Time
	late  bool
	view  View
	rest  func(least time.Duration) time.Duration
}

// look asks Zabbix what became of an attempt whose answer didn't say.
func (e *Executor) look(ctx context.Context, l *lane, t task, k doubt) (time.Duration, error) {
	a, id := k.a, t.job.c.ID
	found, err := l.zabbix.Observe(context.WithoutCancel(ctx), []string{a.Key.EventID})
	observation, known := found[a.Key.EventID]
	if err == nil && !known {
		err = &zabbix.Error{Method: "event.get", Kind: zabbix.Unreachable, Message: "the event is described in a form that can't be read"}
	}
	if meaningOf(err) != refuses && !k.late {
		l.why = reason(err)
		return l.leave(err, k.rest(retryLeast), k.until), nil
	}
	if err != nil && !(a.Ended && k.late) {
		e.count(err)
		e.o.Log.Warn("Zabbix can't say what became of a command", "command", id, "key", a.Key, "error", err)
		return 0, e.settle(ctx, t, stageUnknown, unknown(a, k.req, absent, e.o.Several))
	}
	if err == nil {
		switch judge(a, k.req, observation) {
		case happened:
			return 0, e.succeed(ctx, t)
		case gone:
			if k.req.act().closes && !k.late {
				break // asked again, Zabbix says itself that it doesn't know the event
			}
			return 0, e.settle(ctx, t, stageFailed, eventGone(a, k.req, e.o.Several))
		case unclear:
			return 0, e.settle(ctx, t, stageUnknown, unknown(a, k.req, unclear, e.o.Several))
		}
	}
	if left := time.Until(a.StartedAt.Add(settle)); left > 0 && !a.Ended {
		return min(left, max(k.rest(retryLeast), time.Second)), nil
	}
	if k.late {
		return 0, e.settle(ctx, t, stageExpired, expired(a, k.req, k.until, e.o.Several, time.Now(), e.location(t.job, k.view)))
	}
	// It wasn't done, and isn't being done: do it. What failed for an unknown reason may
	// have failed because of its text.
	return atOnce, e.change(ctx, t, func(a *attempt, c *store.Command) { a.Stage, a.Plain = stagePending, hasWide(a.Message) })
}

// leave is in, or longer where the error says when to come again, but not beyond
// until.
func (l *lane) leave(err error, in time.Duration, until time.Time) time.Duration {
	var ze *zabbix.Error
	if !errors.As(err, &ze) || ze.RetryAfter <= 0 {
		return in
	}
	in = max(in, min(ze.RetryAfter, time.Until(until)+time.Millisecond))
	l.notBefore = time.Now().Add(in)
	return in
}

// meaning is what an error of a call means for the command.
type meaning int

const (
	refuses  meaning = iota // Zabbix refuses what is asked: final
	again                   // nothing was done: ask again
	failed                  // Zabbix has ended the call with a failure of its own: see what it did
	doubtful                // it may still be doing it: see once that is settled
)

// meaningOf is the one place that says which errors end a command. An error that
// isn't a client's says nothing about what Zabbix did.
func meaningOf(err error) meaning {
	var ze *zabbix.Error
	switch {
	case err == nil:
		return refuses
	case !errors.As(err, &ze), ze.Unanswered:
		return doubtful
	case ze.Interrupted:
		return failed
	case ze.Kind.Temporary():
		return again
	}
	return refuses
}

func (e *Executor) count(err error) {
	e.o.Metrics.refusals.WithLabelValues(string(zabbix.KindOf(err))).Inc()
}

func (e *Executor) location(j *job, v View) *time.Location {
	return e.placeOf(j.c, *j.d.Heard, v).room.Location
}

// change changes an attempt and saves it.
func (e *Executor) change(ctx context.Context, t task, f func(*attempt, *store.Command)) error {
	j := t.job
	j.mu.Lock()
	defer j.mu.Unlock()
	f(&j.d.Attempts[t.i], &j.c)
	j.c.Detail = j.d.encode()
	return e.save(ctx, j.c)
}

// succeed journals what was done, so that the rooms show it at once. The entry
// comes before the mark: after a crash between them it is journalled again, and the
// ledger knows it again.
func (e *Executor) succeed(ctx context.Context, t task) error {
	j := t.job
	j.mu.Lock()
	a, req, person := j.d.Attempts[t.i], *j.d.Request, j.d.Heard.Person
	j.mu.Unlock()
	update := a.update(req, person)
	payload, err := json.Marshal(store.Envelope{EventID: a.Key.EventID, Update: &update})
	if err != nil {
		return fmt.Errorf("an action's journal entry: %w", err)
	}
	entry := store.Entry{Source: a.Key.Source, Kind: store.EntryAction, Payload: payload, ReceivedAt: time.Now()}
	err = e.persist(ctx, "journalling an action", func(ctx context.Context) error {
		_, err := e.o.Store.Append(ctx, entry)
		return err
	})
	if err != nil {
		return err
	}
	e.o.Wake()
	e.o.Changed(a.Key, 0)
	if req.act().closes { // the server closes it a moment later
		e.o.Changed(a.Key, lookSoon)
		e.o.Changed(a.Key, lookLater)
	}
	return e.settle(ctx, t, stageDone, doneWords(a, req, e.o.Several))
}

// settle ends an attempt, and with the last one the command.
func (e *Executor) settle(ctx context.Context, t task, s stage, words string) error {
	j := t.job
	j.mu.Lock()
	defer j.mu.Unlock()
	a := &j.d.Attempts[t.i]
	a.Stage, a.Outcome = s, words
	a.Told = a.Told || j.d.Request.act().closes // that it was asked for isn't that it is closed
	j.c.Detail = j.d.encode()
	if _, ended := over(j.d.Attempts); ended {
		return e.end(ctx, j)
	}
	return e.save(ctx, j.c)
}

// end answers and closes a command of which every attempt has ended. The caller holds j.mu.
func (e *Executor) end(ctx context.Context, j *job) error {
	if j.d.Wide != nil {
		return e.nextPart(ctx, j)
	}
	state, _ := over(j.d.Attempts)
	said := outcome(j.d.Attempts, j.d.Waiting)
	p := e.placeOf(j.c, *j.d.Heard, e.o.View())
	part := ""
	if j.d.Waiting && state == store.CommandDone {
		part = waitingPart // the note that it takes longer becomes the good news
	}
	if state != store.CommandDone {
		said = addressed(presser(*j.d.Heard), said)
	}
	j.c.Outcome, j.c.Detail = plain(text.Cut(outcome(j.d.Attempts, true), 2000)), j.d.encode()
	return e.finish(ctx, j.c, p, part, state, said)
}

// waitingPart is the part of an answer that tells that it takes longer.
const waitingPart = ":waiting"

// tellWaiting tells the person, once, that their command takes longer.
func (e *Executor) tellWaiting(ctx context.Context, t task, why string) error {
	view := e.o.View()
	j := t.job
	j.mu.Lock()
	defer j.mu.Unlock()
	if a := j.d.Attempts[t.i]; j.d.Waiting || a.Stage.final() {
		return nil
	}
	p := e.placeOf(j.c, *j.d.Heard, view)
	text := waiting(j.d.Attempts[t.i].Key.Source, j.c.CreatedAt.Add(view.Expiry), why, time.Now(), p.room.Location)
	if err := e.answer(ctx, j.c, p, waitingPart, text); err != nil {
		return err
	}
	j.d.Waiting = true
	if j.c.State == store.CommandReceived {
		j.c.State = store.CommandRetrying
	}
	j.c.Detail = j.d.encode()
	return e.save(ctx, j.c)
}
