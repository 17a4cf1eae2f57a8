package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/zabbix"
)

// job is a command that acts, in memory. Its attempts may be in several lanes; mu is held while one is changed
// and saved.
type job struct {
	mu   sync.Mutex
	c    store.Command
	d    detail
	part int // incremented when the next part replaces d.Attempts
}

// task is one attempt of a job.
type task struct {
	job  *job
	part int
	i    int
}

// lane is the queue of one source. It is strictly in order, with one call in flight at a time.
type lane struct {
	source string
	zabbix Zabbix
	woken  chan struct{}

	// Used only by work: why the queue is blocked, and until when by a Retry-After.
	why       string
	notBefore time.Time

	mu    sync.Mutex
	queue []task
}

func (l *lane) add(t ...task) {
	l.mu.Lock()
	l.queue = append(l.queue, t...)
	l.mu.Unlock()
	wake(l.woken)
}

func (l *lane) tasks() []task {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.queue)
}

func (l *lane) drop(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = l.queue[n:]
}

// batch is attempts of one job that one call can do.
type batch struct {
	job      *job
	index    []int     // in the job's attempts
	attempts []attempt // as they were when the step began
	req      Request
}

// maxCall is the most problems in one call to Zabbix.
const maxCall = 100

// next is the batch at the head of the queue, nil if the queue is empty. It drops tasks that have ended.
func (l *lane) next() *batch {
	queue := l.tasks()
	var b *batch
	done := 0
	for _, t := range queue {
		t.job.mu.Lock()
		ended := t.part != t.job.part || t.job.d.Attempts[t.i].Stage.final()
		switch {
		case ended && b == nil:
			done++
		case ended:
		case b == nil:
			b = &batch{job: t.job, req: *t.job.d.Request}
			fallthrough
		case t.job == b.job && len(b.index) < maxCall && (len(b.index) == 0 || b.attempts[0].sameCall(t.job.d.Attempts[t.i])):
			b.index = append(b.index, t.i)
			b.attempts = append(b.attempts, t.job.d.Attempts[t.i])
		default:
			t.job.mu.Unlock()
			l.drop(done)
			return b
		}
		t.job.mu.Unlock()
	}
	l.drop(done)
	return b
}

// sameCall reports whether one call can do both attempts of a command.
func (a attempt) sameCall(b attempt) bool {
	return a.Stage == b.Stage && a.Message == b.Message && a.Plain == b.Plain && a.StartedAt.Equal(b.StartedAt) && a.Ended == b.Ended
}

// some is a slice of a batch.
func (b *batch) some(from, to int) *batch {
	return &batch{job: b.job, index: b.index[from:to], attempts: b.attempts[from:to], req: b.req}
}

func (b *batch) ids() (ids []string) {
	for _, a := range b.attempts {
		ids = append(ids, a.Key.EventID)
	}
	return ids
}

func (b *batch) keys() (keys []alert.Key) {
	for _, a := range b.attempts {
		keys = append(keys, a.Key)
	}
	return keys
}

// dispatch enqueues a job's attempts, or ends the job if there are none left.
func (e *Executor) dispatch(ctx context.Context, j *job) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !e.enqueue(j) {
		return e.end(ctx, j)
	}
	return nil
}

// enqueue puts each attempt into its source's lane. False: none is left. The caller holds j.mu.
func (e *Executor) enqueue(j *job) bool {
	tasks := make(map[*lane][]task)
	for i := range j.d.Attempts {
		a := &j.d.Attempts[i]
		switch l := e.lanes[a.Key.Source]; {
		case a.Stage.final():
		case l == nil:
			a.Stage, a.Outcome = stageFailed, noClient(*a, e.o.View().Several)
		default:
			tasks[l] = append(tasks[l], task{j, j.part, i})
		}
	}
	for l, t := range tasks {
		l.add(t...)
	}
	return len(tasks) > 0
}

// work runs a lane until ctx ends.
func (e *Executor) work(ctx context.Context, l *lane) {
	for try := 0; ctx.Err() == nil; {
		b := l.next()
		if b == nil {
			pause(ctx, time.Hour, l.woken)
			continue
		}
		asked := time.Now()
		again, err := e.step(ctx, l, b, try)
		switch {
		case err != nil: // ctx ended, or the store is closed: the next start resumes
			return
		case again == 0:
			try = 0
			continue
		case again == atOnce:
			continue
		}
		try++
		e.tellQueue(ctx, l)
		if pause(ctx, again, l.woken) {
			e.tellQueue(ctx, l) // new commands get their interim reply before the retry
			pause(ctx, max(minRetry-time.Since(asked), time.Until(l.notBefore)), nil)
		}
	}
}

// tellQueue sends an interim reply for each command in a blocked lane.
func (e *Executor) tellQueue(ctx context.Context, l *lane) {
	for _, t := range l.tasks() {
		if e.tellWaiting(ctx, t, l.why) != nil {
			return
		}
	}
}

// atOnce: the next step of a batch follows without a pause.
const atOnce = time.Duration(-1)

// step asks Zabbix to do a batch, or what became of it. 0: the batch has ended; atOnce: take the next step;
// otherwise the wait before the retry.
func (e *Executor) step(ctx context.Context, l *lane, b *batch, try int) (time.Duration, error) {
	j := b.job
	until := j.c.CreatedAt.Add(e.o.View().Expiry)
	late := time.Now().After(until)
	retry := func() time.Duration { // until the command expires at most
		in := backoff(try, minRetry, maxRetry)
		if left := time.Until(until); left > 0 {
			in = min(in, left+time.Millisecond)
		}
		return in
	}
	if b.attempts[0].Stage == stageExecuting {
		return e.look(ctx, l, b, until, late, retry)
	}
	if late {
		return 0, e.settle(ctx, b, stageExpired, func(a attempt) string { return e.expired(j, a, b.req, until) })
	}
	stale, asked, err := e.overtaken(ctx, l, b)
	switch {
	case err != nil:
		return 0, err
	case stale != nil:
		return atOnce, e.settle(ctx, stale, stageFailed, func(a attempt) string { return superseded(a.Key, a.Name, e.o.View().Several) })
	case meaningOf(asked) != refuses: // the call would fail as well
		return e.tryAgain(ctx, l, b, asked, l.postpone(asked, retry(), until))
	}
	// Saved before the call: after a crash Zabbix is asked what became of it.
	now := time.Now().UTC().Truncate(time.Microsecond)
	err = e.change(ctx, b, func(a *attempt) {
		a.Stage, a.StartedAt, a.Ended = stageExecuting, now, false
	}, func(c *store.Command) {
		c.State, c.Attempts, c.NotBefore = store.CommandExecuting, c.Attempts+1, time.Time{}
	})
	if err != nil {
		return 0, err
	}
	// A call in flight isn't cancelled; the client's own timeout bounds it.
	err = l.zabbix.Acknowledge(context.WithoutCancel(ctx), b.attempts[0].call(b.req, b.ids()))
	if err == nil {
		return 0, e.succeed(ctx, b)
	}
	var ze *zabbix.Error
	errors.As(err, &ze)
	log := e.o.Log.With("command", j.c.ID, "keys", b.keys(), "error", err)
	switch meaning := meaningOf(err); meaning {
	case uncertain, failed:
		e.count(err)
		l.why = reason(err)
		plain := ze != nil && ze.MayBeText() && hasWide(b.attempts[0].Message) && !b.attempts[0].Plain
		log.Warn("unknown whether Zabbix carried out a command: looking into its record")
		saved := e.change(ctx, b, func(a *attempt) { a.Ended = meaning == failed }, nil)
		if saved != nil || plain {
			return atOnce, saved
		}
		in := retry()
		if meaning == uncertain {
			in = min(in, 2*time.Second)
		}
		return l.postpone(err, in, until), e.tellWaiting(ctx, task{j, j.part, b.index[0]}, l.why)
	case again:
		return e.tryAgain(ctx, l, b, err, l.postpone(err, retry(), until))
	}
	e.count(err)
	if n := len(b.index); n > 1 && !concernsAll(ze.Kind) {
		// One bad event id fails the whole call, without an effect: halve.
		if err := e.change(ctx, b, func(a *attempt) { a.Stage = stagePending }, nil); err != nil {
			return 0, err
		}
		for _, half := range [...]*batch{b.some(0, n/2), b.some(n/2, n)} {
			if in, err := e.step(ctx, l, half, try); in != 0 || err != nil {
				return in, err
			}
		}
		return 0, nil
	}
	if ze.Kind == zabbix.NoObject && b.req.act().closes && len(b.index) == 1 {
		in, err := e.closeGone(ctx, l, b, ze)
		if in < 0 { // unknown for now
			in = retry()
		}
		return in, err
	}
	if ze.Kind == zabbix.NotAuthorised {
		log.Error("Zabbix refused a command", "kind", ze.Kind)
	} else {
		log.Info("Zabbix refused a command", "kind", ze.Kind)
	}
	return 0, e.settle(ctx, b, stageFailed, func(a attempt) string { return refused(a, b.req, ze, e.o.View().Several) })
}

// tryAgain postpones a batch that Zabbix certainly didn't carry out.
func (e *Executor) tryAgain(ctx context.Context, l *lane, b *batch, err error, in time.Duration) (time.Duration, error) {
	e.count(err)
	l.why = reason(err)
	e.o.Log.Warn("Zabbix is unreachable or failing: the command will be retried", "command", b.job.c.ID, "keys", b.keys(), "in", in.Round(time.Millisecond), "error", err)
	return in, e.change(ctx, b, func(a *attempt) { a.Stage = stagePending }, func(c *store.Command) {
		c.State, c.NotBefore = store.CommandRetrying, time.Now().Add(in)
	})
}

// concernsAll reports whether a refusal is about the whole call, rather than about one of its events.
func concernsAll(kind zabbix.ErrorKind) bool {
	return kind == zabbix.NotAuthorised || kind == zabbix.RoleForbids || kind == zabbix.Invalid
}

// look reads from Zabbix what became of attempts whose answer was lost.
func (e *Executor) look(ctx context.Context, l *lane, b *batch, until time.Time, late bool, retry func() time.Duration) (time.Duration, error) {
	found, asked := l.zabbix.Observe(context.WithoutCancel(ctx), b.ids())
	each := len(b.index) > 1 && meaningOf(asked) == refuses && asked != nil && !concernsAll(zabbix.KindOf(asked)) // one event may be the reason
	wait := time.Duration(0)
	for i := range b.index {
		one := b.some(i, i+1)
		if each {
			found, asked = l.zabbix.Observe(context.WithoutCancel(ctx), one.ids())
		}
		in, err := e.looked(ctx, l, one, found, asked, until, late, retry)
		if err != nil {
			return 0, err
		}
		if wait == 0 || in != 0 && in < wait { // atOnce is the least
			wait = in
		}
	}
	return wait, nil
}

// looked decides how an attempt goes on, by what Zabbix says of its event.
func (e *Executor) looked(ctx context.Context, l *lane, b *batch, found map[string]alert.Observation, err error, until time.Time, late bool, retry func() time.Duration) (time.Duration, error) {
	a := b.attempts[0]
	settle := func(s stage, words string) (time.Duration, error) {
		return 0, e.settle(ctx, b, s, func(attempt) string { return words })
	}
	observation, known := found[a.Key.EventID]
	if err == nil && !known {
		err = &zabbix.Error{Method: "event.get", Kind: zabbix.Unreachable, Message: "the event is described in a form that can't be read"}
	}
	if meaningOf(err) != refuses && !late {
		l.why = reason(err)
		return l.postpone(err, retry(), until), nil
	}
	if err != nil && !(a.Ended && late) {
		e.count(err)
		e.o.Log.Warn("Zabbix doesn't say what became of a command: giving up", "command", b.job.c.ID, "key", a.Key, "error", err)
		return settle(stageUnknown, unknown(a, b.req, absent, e.o.View().Several))
	}
	if err == nil {
		switch judge(a, b.req, observation) {
		case happened:
			return 0, e.succeed(ctx, b)
		case gone:
			if b.req.act().closes && !late {
				break // the next call finds out whether Zabbix still has the event
			}
			return settle(stageFailed, eventGone(a, b.req, e.o.View().Several))
		case contradicted:
			return settle(stageUnknown, unknown(a, b.req, contradicted, e.o.View().Several))
		}
	}
	if left := time.Until(a.StartedAt.Add(settleTime)); left > 0 && !a.Ended {
		return min(left, max(retry(), time.Second)), nil
	}
	if late {
		return 0, e.settle(ctx, b, stageExpired, func(a attempt) string { return e.expired(b.job, a, b.req, until) })
	}
	// It wasn't done and isn't in flight: do it, without wide characters in case they were the reason.
	return atOnce, e.change(ctx, b, func(a *attempt) { a.Stage, a.Plain = stagePending, hasWide(a.Message) }, nil)
}

// postpone is in, or longer if the error has a Retry-After, but not beyond until.
func (l *lane) postpone(err error, in time.Duration, until time.Time) time.Duration {
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
	refuses   meaning = iota // Zabbix refuses what is asked: final
	again                    // nothing was done: retry
	failed                   // Zabbix ended the call with an internal failure: look what it did
	uncertain                // the call may still be in flight: look once it has ended
)

// meaningOf decides which errors end a command. An unknown error says nothing about what Zabbix did.
func meaningOf(err error) meaning {
	var ze *zabbix.Error
	switch {
	case err == nil:
		return refuses
	case !errors.As(err, &ze), ze.Unanswered:
		return uncertain
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

// expired is the reply for an attempt that couldn't be made in time. The caller holds j.mu.
func (e *Executor) expired(j *job, a attempt, r Request, until time.Time) string {
	location := e.placeOf(j.c, *j.d.Heard, e.o.View()).room.Location
	return expired(a, r, until, e.o.View().Several, time.Now(), location)
}

// change changes attempts and, unless of is nil, the command itself, and saves them.
func (e *Executor) change(ctx context.Context, b *batch, each func(*attempt), of func(*store.Command)) error {
	j := b.job
	j.mu.Lock()
	defer j.mu.Unlock()
	for n, i := range b.index {
		each(&j.d.Attempts[i])
		b.attempts[n] = j.d.Attempts[i]
	}
	if of != nil {
		of(&j.c)
	}
	j.c.Detail = j.d.encode()
	return e.save(ctx, j.c)
}

// succeed journals what was done, so that the rooms show it at once, and then ends the attempts. After a crash
// in between it is journalled again, and the ledger recognises it.
func (e *Executor) succeed(ctx context.Context, b *batch) error {
	person := b.job.d.Heard.Person
	errs := make([]error, len(b.attempts))
	var appends sync.WaitGroup // concurrent, so that the store commits them together
	for n, a := range b.attempts {
		update := a.update(b.req, person)
		appends.Go(func() {
			errs[n] = e.journal(ctx, a.Key, store.EntryAction, store.Envelope{EventID: a.Key.EventID, Update: &update})
		})
	}
	appends.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, a := range b.attempts {
		e.o.Changed(a.Key, 0)
		if b.req.act().closes { // Zabbix closes it a moment later
			e.o.Changed(a.Key, lookSoon)
			e.o.Changed(a.Key, lookLater)
		}
	}
	return e.settle(ctx, b, stageDone, func(a attempt) string { return doneWords(a, b.req, e.o.View().Several) })
}

// journal appends an entry about a problem.
func (e *Executor) journal(ctx context.Context, key alert.Key, kind store.EntryKind, envelope store.Envelope) error {
	payload, err := json.Marshal(envelope)
	if err != nil {
		return fmt.Errorf("encoding the journal entry of a command: %w", err)
	}
	entry := store.Entry{Source: key.Source, Kind: kind, Payload: payload, ReceivedAt: time.Now()}
	return e.persist(ctx, "journalling what a command did", func(ctx context.Context) error {
		_, err := e.o.Store.Append(ctx, entry)
		return err
	})
}

// settle ends attempts, and the command with the last one.
func (e *Executor) settle(ctx context.Context, b *batch, s stage, words func(attempt) string) error {
	j := b.job
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range b.index {
		a := &j.d.Attempts[i]
		a.Stage, a.Outcome = s, words(*a)
		a.Told = a.Told || b.req.act().closes // the thread shows only that closing was requested
	}
	j.c.Detail = j.d.encode()
	if _, ended := over(j.d.Attempts); ended {
		return e.end(ctx, j)
	}
	return e.save(ctx, j.c)
}

// end replies to and closes a command whose attempts have all ended. The caller holds j.mu.
func (e *Executor) end(ctx context.Context, j *job) error {
	if j.d.Wide != nil {
		return e.nextPart(ctx, j)
	}
	state, _ := over(j.d.Attempts)
	said := outcome(j.d.Attempts, j.d.Waiting)
	p := e.placeOf(j.c, *j.d.Heard, e.o.View())
	part := ""
	if j.d.Waiting && state == store.CommandDone {
		part = interim // the interim reply becomes the final one
	}
	if state != store.CommandDone {
		said = addressed(presser(*j.d.Heard), said)
	}
	j.c.Outcome, j.c.Detail = plain(text.Cut(outcome(j.d.Attempts, true), 2000)), j.d.encode()
	return e.finish(ctx, j.c, p, part, state, said)
}

// interim is the part of replies that are replaced later: that it takes longer, or the progress.
const interim = ":waiting"

// tellWaiting tells the person once that their command takes longer.
func (e *Executor) tellWaiting(ctx context.Context, t task, why string) error {
	view := e.o.View()
	j := t.job
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.d.Waiting || t.part != j.part || j.d.Attempts[t.i].Stage.final() {
		return nil
	}
	p := e.placeOf(j.c, *j.d.Heard, view)
	text := waiting(j.d.Attempts[t.i].Key.Source, j.c.CreatedAt.Add(view.Expiry), why, time.Now(), p.room.Location)
	if err := e.answer(ctx, j.c, p, interim, text); err != nil {
		return err
	}
	j.d.Waiting = true
	if j.c.State == store.CommandReceived {
		j.c.State = store.CommandRetrying
	}
	j.c.Detail = j.d.encode()
	return e.save(ctx, j.c)
}
