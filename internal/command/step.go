package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// atOnce: the next step of a batch follows without a pause.
const atOnce = time.Duration(-1)

// round is one step of a batch: how many failures precede it, and when the command expires.
type round struct {
	failures int
	until    time.Time
	late     bool // it has expired
}

func newRound(failures int, until time.Time) round {
	return round{failures: failures, until: until, late: time.Now().After(until)}
}

// retry returns the wait before a retry, at most until the command expires.
func (r round) retry() time.Duration {
	in := pace.Backoff(r.failures+1, minRetry, maxRetry, rand.Float64())
	if left := time.Until(r.until); left > 0 {
		in = min(in, left+time.Millisecond)
	}
	return in
}

// postpone returns in, or longer if the error has a Retry-After, but at most until the command expires.
func (r round) postpone(l *lane, err error, in time.Duration) time.Duration {
	var ze *zabbix.Error
	if !errors.As(err, &ze) || ze.RetryAfter <= 0 {
		return in
	}
	in = max(in, min(ze.RetryAfter, time.Until(r.until)+time.Millisecond))
	l.notBefore = time.Now().Add(in)
	return in
}

// step takes the next step of a batch: of a task, of an acknowledgement that lapsed, or of a person's act on problems. 0: the batch has
// ended; atOnce: take the next step; otherwise the wait before the retry.
func (e *Executor) step(ctx context.Context, l *lane, b *batch, failures int) (time.Duration, error) {
	switch {
	case b.req.Verb.entry().work != nil:
		return e.stepTask(ctx, l, b, newRound(failures, e.deadline(b)))
	case !b.job.d.Lapse.IsZero(): // never changes, and never expires
		return e.stepLapse(ctx, l, b, newRound(failures, time.Now().Add(maxRetry)))
	}
	return e.stepAct(ctx, l, b, newRound(failures, e.deadline(b)))
}

// deadline is when a person's command expires: Zabbix refuses a suppression until a time that has passed.
func (e *Executor) deadline(b *batch) time.Time {
	until := b.job.c.CreatedAt.Add(e.o.View().Expiry)
	if end := b.req.Until; !end.IsZero() && end.Before(until) {
		return end
	}
	return until
}

// stepTask takes a step of a maintenance, a script or an action, which begins only if the person still has the role.
func (e *Executor) stepTask(ctx context.Context, l *lane, b *batch, r round) (time.Duration, error) {
	work := b.req.Verb.entry().work
	if b.attempts[0].Stage == stagePending || work.repeats {
		refusal, err := e.stillMay(ctx, b)
		if err != nil {
			return 0, err
		}
		if refusal != "" {
			ends := stageRefused
			if b.attempts[0].Stage == stageExecuting {
				ends = stageUnknown
			}
			return 0, e.endAttemptsAs(ctx, b, ends, refusal)
		}
	}
	return work.step(ctx, e, l, b, r)
}

// stepAct calls Zabbix for a person, or looks up what became of an earlier call. Attempts that mustn't be made any more end first.
func (e *Executor) stepAct(ctx context.Context, l *lane, b *batch, r round) (time.Duration, error) {
	switch {
	case b.attempts[0].Stage == stageExecuting:
		return e.look(ctx, l, b, r)
	case r.late:
		return 0, e.endAttempts(ctx, b, stageExpired, func(a attempt) string { return e.expired(b.job, a, b.req, r.until) })
	}
	found, asked, err := e.beforeCall(ctx, l, b)
	if err != nil {
		return 0, err
	}
	s, why := scopeOf(*b.job.d.Input, e.o.View()), make(map[alert.Key]string)
	for n, a := range b.attempts {
		if why[a.Key] = found[n].overtaken; why[a.Key] == "" && found[n].known && !may(s.roleFor(found[n].posts), b.req.Verb) {
			why[a.Key] = notAnyMore(a, b.req.Verb, s.voice())
		}
	}
	stale := b.only(func(a attempt) bool { return why[a.Key] != "" })
	switch {
	case len(stale.index) > 0:
		return atOnce, e.endAttempts(ctx, stale, stageRefused, func(a attempt) string { return why[a.Key] })
	case meaningOf(asked) != refuses: // the call would fail as well
		return e.tryAgain(ctx, l, b, asked, r)
	}
	return e.call(ctx, l, b, r, asked == nil)
}

// stepLapse takes an acknowledgement back that lapsed, if Zabbix says that nobody has acted on the problem since. It needs no role, and
// nobody waits for an answer.
func (e *Executor) stepLapse(ctx context.Context, l *lane, b *batch, r round) (time.Duration, error) {
	if b.attempts[0].Stage == stageExecuting {
		return e.look(ctx, l, b, r)
	}
	found, asked, err := e.beforeCall(ctx, l, b)
	if err != nil {
		return 0, err
	}
	a, now, say := b.attempts[0], found[0], b.voice(e.o.View())
	if asked == nil && now.known && !now.shown {
		asked = unreadableEvent
	}
	switch {
	case now.overtaken != "":
		return 0, e.endAttemptsAs(ctx, b, stageDone, now.overtaken)
	case !now.known || asked == nil && !lapses(now.problem, now.event, b.job.d.Lapse):
		e.o.Changed(a.Key, 0)
		return 0, e.endAttemptsAs(ctx, b, stageDone, actedSince(a, say))
	case meaningOf(asked) != refuses:
		return e.tryAgain(ctx, l, b, asked, r)
	case asked != nil: // whether somebody has acted since can't be known
		return 0, e.endRefused(ctx, b, asked)
	}
	return e.call(ctx, l, b, r, true)
}

// seen is what the relay and Zabbix say about the problem of an attempt, right before the call: a command may have waited for an hour.
type seen struct {
	problem alert.Problem
	known   bool // problem can be read
	posts   []store.Post
	event   alert.Observation
	shown   bool // Zabbix shows the event
	// overtaken is why it must not be acted on: its event id belongs to another problem now, in the relay or in Zabbix, or it can't be read.
	overtaken string
}

// refusal is why nothing can be done for the problem of an attempt if the relay must have it.
func (s seen) refusal(a attempt, say voice) string {
	if s.overtaken == "" && !s.known {
		return say.T("🚫 The relay doesn't have %s any more, so nothing was done.", titled(a.Key, a.Name, say.several))
	}
	return s.overtaken
}

// current reads what the relay has about the problem of each attempt.
func (e *Executor) current(ctx context.Context, b *batch) (found []seen, err error) {
	var problems map[alert.Key]alert.Problem
	var posts map[alert.Key][]store.Post
	damaged := false
	err = e.persist(ctx, "reading the problems of a command", func(ctx context.Context) (err error) {
		if problems, damaged, err = e.readable(ctx, b.keys()); err != nil {
			return err
		}
		posts, err = e.o.Store.PostsOf(ctx, b.keys())
		return err
	})
	say := b.voice(e.o.View())
	for _, a := range b.attempts {
		s := seen{posts: posts[a.Key]}
		s.problem, s.known = problems[a.Key]
		switch {
		case s.known && s.problem.Generation != a.Generation:
			s.overtaken = superseded(a.Key, a.Name, say)
		case damaged && !s.known:
			s.overtaken = damagedProblem(a.Key, say)
		}
		found = append(found, s)
	}
	return found, err
}

// beforeCall reads what is to be known of each attempt before the call. asked is the error of the call to Zabbix.
func (e *Executor) beforeCall(ctx context.Context, l *lane, b *batch) (found []seen, asked, err error) {
	events, asked := l.zabbix.Observe(context.WithoutCancel(ctx), b.ids())
	found, err = e.current(ctx, b)
	for n, a := range b.attempts {
		s := &found[n]
		s.event, s.shown = events[a.Key.EventID]
		if s.known && s.shown && s.problem.Relation(s.event.Event(a.Key, time.Now())) != alert.Same {
			e.o.Changed(a.Key, 0) // the relay doesn't know the other problem yet
			s.overtaken = superseded(a.Key, a.Name, b.voice(e.o.View()))
		}
	}
	return found, asked, err
}

// call makes the call of a batch. trusted: Zabbix accepted the relay's own token just now.
func (e *Executor) call(ctx context.Context, l *lane, b *batch, r round, trusted bool) (time.Duration, error) {
	if err := e.executing(ctx, b); err != nil {
		return 0, err
	}
	// A call in flight isn't cancelled; the client's own timeout bounds it.
	span := e.beginCall(b, r.failures)
	refusedToken, made, err := e.callZabbix(ctx, l, b)
	span.End(resultOf(err))
	if !made {
		if err != nil {
			return 0, err
		}
		return atOnce, e.withoutToken(ctx, b) // forgotten since the command was given
	}
	if err == nil {
		return 0, e.succeed(ctx, b)
	}
	if refusedToken != nil {
		if trusted { // so nothing on the way removes tokens
			if err := e.forgetRefused(ctx, *refusedToken, err); err != nil {
				return 0, err
			}
		}
		return atOnce, e.withoutToken(ctx, b)
	}
	var ze *zabbix.Error
	errors.As(err, &ze)
	log := e.o.Log.With("command", b.job.c.ID, "keys", b.keys(), "error", err)
	switch meaning := meaningOf(err); meaning {
	case uncertain, failed:
		l.why = reason(err)
		plain := ze != nil && ze.MayBeText() && hasFourByte(b.attempts[0].Message) && !b.attempts[0].Plain
		log.Warn("unknown whether Zabbix carried out a command: looking into its record")
		saved := e.change(ctx, b, store.CommandExecuting, func(a *attempt) { a.Ended = meaning == failed })
		if saved != nil || plain {
			return atOnce, saved
		}
		in := r.retry()
		if meaning == uncertain {
			in = min(in, 2*time.Second)
		}
		return r.postpone(l, err, in), e.replyWaiting(ctx, l, b.turn)
	case again:
		return e.tryAgain(ctx, l, b, err, r)
	}
	if n := len(b.index); n > 1 && !concernsAll(ze.Kind) {
		// One bad event id fails the whole call, without an effect: halve.
		if err := e.change(ctx, b, store.CommandExecuting, func(a *attempt) { a.Stage = stagePending }); err != nil {
			return 0, err
		}
		for _, half := range [...]*batch{b.some(0, n/2), b.some(n/2, n)} {
			if in, err := e.step(ctx, l, half, r.failures); in != 0 || err != nil {
				return in, err
			}
		}
		return 0, nil
	}
	if (ze.Kind == zabbix.NoObject || ze.Kind == zabbix.CloseForbidden) && b.req.act().closes && len(b.index) == 1 {
		in, err := e.closeGone(ctx, l, b, ze)
		if in < 0 { // unknown for now
			in = r.retry()
		}
		return in, err
	}
	if ze.Kind == zabbix.NoObject {
		for _, a := range b.attempts {
			e.o.Missing(a.Key)
		}
	}
	if ze.Kind == zabbix.NotAuthorised {
		log.Error("Zabbix refused a command", "kind", ze.Kind)
	} else {
		log.Info("Zabbix refused a command", "kind", ze.Kind)
	}
	return 0, e.endRefused(ctx, b, ze)
}

var unreadableEvent = &zabbix.Error{Method: "event.get", Kind: zabbix.Unreachable, Message: "the event is described in a form that can't be read"}

// tryAgain postpones a batch that Zabbix certainly didn't carry out.
func (e *Executor) tryAgain(ctx context.Context, l *lane, b *batch, err error, r round) (time.Duration, error) {
	in := r.postpone(l, err, r.retry())
	l.why = reason(err)
	e.o.Log.Warn("Zabbix is unreachable or failing: the command will be retried", "command", b.job.c.ID, "keys", b.keys(), "in", in.Round(time.Millisecond), "error", err)
	return in, e.change(ctx, b, store.CommandRetrying, func(a *attempt) { a.Stage = stagePending })
}

// concernsAll reports whether a refusal is about the whole call, rather than about one of its events.
func concernsAll(kind zabbix.ErrorKind) bool {
	return kind == zabbix.NotAuthorised || kind == zabbix.RoleForbids || kind == zabbix.Unsupported || kind == zabbix.Invalid
}

// look reads from Zabbix the outcome of attempts whose answer was lost.
func (e *Executor) look(ctx context.Context, l *lane, b *batch, r round) (time.Duration, error) {
	found, asked := l.zabbix.Observe(context.WithoutCancel(ctx), b.ids())
	each := len(b.index) > 1 && meaningOf(asked) == refuses && asked != nil && !concernsAll(zabbix.KindOf(asked)) // one event may be the reason
	wait := time.Duration(0)
	for i := range b.index {
		one := b.some(i, i+1)
		if each {
			found, asked = l.zabbix.Observe(context.WithoutCancel(ctx), one.ids())
		}
		in, err := e.looked(ctx, l, one, found, asked, r)
		if err != nil {
			return 0, err
		}
		if wait == 0 || in != 0 && in < wait { // atOnce is the least
			wait = in
		}
	}
	return wait, nil
}

// looked decides how an attempt continues, by the state of its event in Zabbix.
func (e *Executor) looked(ctx context.Context, l *lane, b *batch, found map[string]alert.Observation, err error, r round) (time.Duration, error) {
	a := b.attempts[0]
	observation, known := found[a.Key.EventID]
	if err == nil && !known {
		err = unreadableEvent
	}
	if meaningOf(err) != refuses && !r.late {
		l.why = reason(err)
		return r.postpone(l, err, r.retry()), nil
	}
	if err != nil && !(a.Ended && r.late) {
		e.o.Log.Warn("cannot find out the outcome of a command: giving up", "command", b.job.c.ID, "key", a.Key, "error", err)
		return 0, e.endAttemptsAs(ctx, b, stageUnknown, unknown(a, b.req, absent, b.voice(e.o.View())))
	}
	if err == nil {
		switch judge(a, b.req, observation) {
		case happened:
			return 0, e.succeed(ctx, b)
		case gone:
			if b.req.act().closes && !r.late {
				break // the next call finds out whether Zabbix still has the event
			}
			return 0, e.endRefused(ctx, b, &zabbix.Error{Kind: zabbix.NoObject})
		case contradicted:
			return 0, e.endAttemptsAs(ctx, b, stageUnknown, unknown(a, b.req, contradicted, b.voice(e.o.View())))
		}
	}
	if left := time.Until(a.StartedAt.Add(settleTime)); left > 0 && !a.Ended {
		return min(left, max(r.retry(), time.Second)), nil
	}
	if r.late {
		return 0, e.endAttempts(ctx, b, stageExpired, func(a attempt) string { return e.expired(b.job, a, b.req, r.until) })
	}
	// It wasn't done and isn't in flight: do it, without wide characters in case they were the reason.
	return atOnce, e.change(ctx, b, store.CommandExecuting, func(a *attempt) { a.Stage, a.Plain = stagePending, hasFourByte(a.Message) })
}

// meaning is the consequence of a call's error for the command.
type meaning int

const (
	refuses   meaning = iota // Zabbix refuses the action: final
	again                    // nothing was done: retry
	failed                   // Zabbix ended the call with an internal failure: look up its effect
	uncertain                // the call may still be in flight: look once it has ended
)

// meaningOf decides which errors end a command. An unknown error leaves the effect in Zabbix uncertain.
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

// expired returns the reply for an attempt that couldn't be made in time. The caller holds j.mu.
func (e *Executor) expired(j *job, a attempt, r Request, until time.Time) string {
	view := e.o.View()
	return expired(a, r, until, view.voiceIn(j.c.Room), time.Now())
}

// succeed journals the actions, so that the rooms show them at once, and then ends the attempts. After a crash in
// between it is journalled again, and the ledger recognises it.
func (e *Executor) succeed(ctx context.Context, b *batch) error {
	person, button := b.job.d.Input.Person, b.job.d.Input.Button
	errs := make([]error, len(b.attempts))
	var appends sync.WaitGroup // concurrent, so that the store commits them together
	for n, a := range b.attempts {
		update := a.update(b.req, person)
		if button != nil {
			update.Card = button.MessageID
		}
		appends.Go(func() {
			errs[n] = e.journal(ctx, b.job.c.Trace, a.Key, store.EntryAction, store.Envelope{EventID: a.Key.EventID, Update: &update})
		})
	}
	appends.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	act := b.req.act()
	for _, a := range b.attempts {
		switch does := act.actions(b.req, a.Severity); {
		case does.Suppress || does.Unsuppress: // an earlier answer would have the room show the old state again
			e.o.Changed(a.Key, lookLater)
			continue
		case act.verified != nil:
			e.o.Changed(a.Key, lookSoon)
			e.o.Changed(a.Key, lookLater)
		}
		e.o.Changed(a.Key, 0)
	}
	view := e.o.View()
	words := func(a attempt) string { // called while b.job.mu is held
		return doneWords(a, b.req, b.voice(view), time.Now())
	}
	if act.verified != nil {
		return e.await(ctx, b, words)
	}
	return e.endAttempts(ctx, b, stageDone, words)
}

// journal appends an entry about a problem, as part of a trace.
func (e *Executor) journal(ctx context.Context, trace string, key alert.Key, kind store.EntryKind, envelope store.Envelope) error {
	payload, err := json.Marshal(envelope)
	if err != nil {
		return fmt.Errorf("encoding the journal entry of a command: %w", err)
	}
	entry := store.Entry{Source: key.Source, Kind: kind, Payload: payload, ReceivedAt: time.Now(), Trace: trace}
	return e.persist(ctx, "journalling what a command did", func(ctx context.Context) error {
		_, err := e.o.Store.Append(ctx, entry)
		return err
	})
}
