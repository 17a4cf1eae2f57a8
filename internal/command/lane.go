package command

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// job is a command in execution. Its attempts may be in several lanes; mu is held while one is changed and saved.
type job struct {
	mu   sync.Mutex
	c    store.Command
	d    detail
	part int // incremented when the next part replaces d.Attempts, and when the command is given up

	abandoned bool
}

// command returns a copy of the job's command, whose attempts another lane may be ending.
func (j *job) command() store.Command {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.c
}

// turn is a job's place in the queue of a lane.
type turn struct {
	job  *job
	part int
}

// lane is the queue of one source. It is strictly in order, with one call in flight at a time.
type lane struct {
	name   string // of the lane
	source string
	zabbix Zabbix
	woken  chan struct{}

	// Used only by work: the reason why the queue is blocked, the end of a Retry-After, and what was accepted but may not be done.
	why       lang.Phrase
	notBefore time.Time
	verifying []verification

	mu     sync.Mutex
	queue  []turn
	closed bool // nobody works on the queue any more
}

// add enqueues a turn. It returns false if the lane is closed.
func (l *lane) add(t turn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.queue = append(l.queue, t)
	pace.Wake(l.woken)
	return true
}

// close closes the lane and returns what was queued.
func (l *lane) close() []turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.queue
}

func (l *lane) turns() []turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.queue)
}

func (l *lane) dropFirst() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = l.queue[1:]
}

// rotate moves the first turn behind the others.
func (l *lane) rotate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue[1:], l.queue[0])
}

// next returns the batch at the head of the queue, nil if the queue is empty. It drops turns that have ended.
func (l *lane) next() *batch {
	for _, t := range l.turns() {
		if b := t.attempts(l.name, false); b != nil {
			return b
		}
		if b := t.attempts(l.name, true); b != nil {
			l.verifying = append(l.verifying, verification{turn: t, at: b.attempts[0].StartedAt.Add(lookSoon)})
		}
		l.dropFirst()
	}
	return nil
}

// batch is a set of attempts of one job that share a call.
type batch struct {
	turn
	index    []int     // in the job's attempts
	attempts []attempt // as they were when the step began
	req      Request
}

// attempts returns the turn's next attempts in a lane, or those that are being verified; nil if none remain.
func (t turn) attempts(lane string, verifying bool) *batch {
	j := t.job
	j.mu.Lock()
	defer j.mu.Unlock()
	if t.part != j.part {
		return nil
	}
	b := &batch{turn: t, req: *j.d.Request}
	var waiting []int
	for i, a := range j.d.Attempts {
		if a.lane() == lane && !a.Stage.final() && (a.Stage == stageVerifying) == verifying {
			waiting = append(waiting, i)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	if work := b.req.Verb.entry().work; work != nil && work.repeats { // the one that was tried the longest ago: one that fails delays no other
		waiting = []int{slices.MinFunc(waiting, func(i, k int) int { return j.d.Attempts[i].StartedAt.Compare(j.d.Attempts[k].StartedAt) })}
	}
	for _, i := range waiting {
		if a := j.d.Attempts[i]; len(b.index) == 0 || b.attempts[0].sameCall(a) {
			b.index, b.attempts = append(b.index, i), append(b.attempts, a)
		}
	}
	return b
}

// lane returns the name of the lane in which an attempt waits.
func (a attempt) lane() string { return cmp.Or(a.Lane, a.Key.Source) }

// sameCall reports whether one call can do both attempts of a command.
func (a attempt) sameCall(b attempt) bool {
	return a.Stage == b.Stage && a.Message == b.Message && a.As == b.As && a.Plain == b.Plain && a.StartedAt.Equal(b.StartedAt) && a.Ended == b.Ended
}

// some returns a slice of a batch.
func (b *batch) some(from, to int) *batch {
	part := *b
	part.index, part.attempts = b.index[from:to:to], b.attempts[from:to:to]
	return &part
}

func (b *batch) ids() []string {
	return text.Names(b.attempts, func(a attempt) string { return a.Key.EventID })
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

// enqueue adds the job to the lane of each source that it has attempts for. It returns false if none remain. The
// caller holds j.mu.
func (e *Executor) enqueue(j *job) bool {
	lanes, say := make(map[*lane]bool), e.o.View().voiceIn(j.c.Room)
	for i := range j.d.Attempts {
		a := &j.d.Attempts[i]
		switch l, ok := e.lanes.Get(a.lane()); {
		case a.Stage.final():
		case !ok && strings.HasPrefix(a.Lane, actionLane):
			a.Outcome = doGone(*a, say)
			if a.Body = nil; a.Stage == stageExecuting {
				a.Stage = stageUnknown
			} else {
				a.Stage = stageRefused
			}
		case !ok && a.Stage == stageVerifying:
			a.Stage = stageDone // as far as the relay can know
		case !ok && a.Stage == stageExecuting:
			a.Stage, a.Outcome = stageUnknown, unknown(*a, *j.d.Request, absent, say)
		case !ok:
			a.Stage, a.Outcome = stageFailed, noClient(*a, say)
		default:
			lanes[l] = true
		}
	}
	for l := range lanes {
		if !l.add(turn{j, j.part}) {
			return e.enqueue(j) // the source was removed just now
		}
	}
	return len(lanes) > 0
}

// disband ends the attempts that wait for a source that is gone.
func (e *Executor) disband(ctx context.Context, l *lane) {
	turns := l.close()
	for _, v := range l.verifying {
		turns = append(turns, v.turn)
	}
	for _, t := range turns {
		if t.attempts(l.name, false) == nil && t.attempts(l.name, true) == nil {
			continue // it has ended
		}
		err := e.dispatch(ctx, t.job)
		if store.Lasting(err) {
			err = e.abandon(ctx, t.job, err)
		}
		if err != nil {
			return // ctx ended: the next start resumes
		}
	}
}

// work runs a lane until ctx ends.
func (e *Executor) work(ctx context.Context, l *lane) {
	for try := 0; ctx.Err() == nil; {
		b := l.next()
		if b == nil {
			in, err := e.verify(ctx, l)
			if err != nil { // as below
				return
			}
			pace.Pause(ctx, in, l.woken)
			continue
		}
		asked := time.Now()
		again, err := e.step(ctx, l, b, try)
		if store.Lasting(err) {
			again, err = 0, e.abandon(ctx, b.job, err)
		}
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
		e.replyToQueue(ctx, l)
		if pace.Pause(ctx, again, l.woken) {
			e.replyToQueue(ctx, l) // new commands get their interim reply before the retry
			pace.Pause(ctx, max(minRetry-time.Since(asked), time.Until(l.notBefore)), nil)
		}
	}
}

// abandon gives up a job that can't continue because of the store. Every lane drops it then.
func (e *Executor) abandon(ctx context.Context, j *job, why error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.abandoned { // by another lane
		return nil
	}
	j.abandoned = true
	j.part++
	l := e.o.View().voiceIn(j.c.Room).Lang
	begun := j.d.Wide != nil || slices.ContainsFunc(j.d.Attempts, func(a attempt) bool {
		return a.Stage == stageExecuting || a.Stage == stageDone || a.Stage == stageUnknown
	})
	return e.giveUp(ctx, j.c, addressed(presser(l, *j.d.Input), givenUp(l, begun)), why)
}

// replyToQueue sends an interim reply for each command in a blocked lane.
func (e *Executor) replyToQueue(ctx context.Context, l *lane) {
	for _, t := range l.turns() {
		err := e.replyWaiting(ctx, l, t)
		if store.Lasting(err) {
			err = e.abandon(ctx, t.job, err)
		}
		if err != nil {
			return
		}
	}
}

// change changes attempts and the command's state, and saves them.
func (e *Executor) change(ctx context.Context, b *batch, state store.CommandState, each func(*attempt)) error {
	j := b.job
	j.mu.Lock()
	defer j.mu.Unlock()
	for n, i := range b.index {
		each(&j.d.Attempts[i])
		b.attempts[n] = j.d.Attempts[i]
	}
	j.c.State, j.c.Detail = state, j.d.encode()
	return e.save(ctx, j.c)
}

// endAttempts ends attempts, and the command with the last one.
func (e *Executor) endAttempts(ctx context.Context, b *batch, s stage, words func(attempt) string) error {
	j := b.job
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range b.index {
		a := &j.d.Attempts[i]
		a.Outcome = words(*a)
		a.Stage, a.Body = s, nil
	}
	j.c.Detail = j.d.encode()
	if _, ended := over(j.d.Attempts); ended {
		return e.end(ctx, j)
	}
	return e.save(ctx, j.c)
}

// endAttemptsAs ends attempts with the same words.
func (e *Executor) endAttemptsAs(ctx context.Context, b *batch, s stage, words string) error {
	return e.endAttempts(ctx, b, s, func(attempt) string { return words })
}

// end replies to and closes a command whose attempts have all ended. The caller holds j.mu.
func (e *Executor) end(ctx context.Context, j *job) error {
	if j.d.Wide != nil {
		return e.nextPart(ctx, j)
	}
	state, _ := over(j.d.Attempts)
	said := outcome(j.d.Attempts, j.d.Waiting)
	part := ""
	if state == store.CommandDone || j.d.Answered {
		part = j.replyPart()
	}
	if state != store.CommandDone {
		said = addressed(presser(e.languageOf(*j.d.Input), *j.d.Input), said)
	}
	if j.d.Answered && !slices.ContainsFunc(j.d.Attempts, func(a attempt) bool { return a.Stage == stageUnverified }) {
		said = "" // it was sent
	}
	j.c.Outcome, j.c.Detail = plain(text.Cut(outcome(j.d.Attempts, true), 2000)), j.d.encode()
	return e.finish(ctx, j.c, part, state, said)
}

// interim is the part of replies that are replaced later: a notice of a delay, or the progress.
const interim = ":waiting"

// replyWaiting sends the interim reply of a command that takes longer, once.
func (e *Executor) replyWaiting(ctx context.Context, l *lane, t turn) error {
	view := e.o.View()
	j := t.job
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.d.Waiting || t.part != j.part || !j.d.Lapse.IsZero() {
		return nil
	}
	until, now, say := j.c.CreatedAt.Add(view.Expiry), time.Now(), view.voiceIn(j.c.Room)
	text := waiting(l.source, until, l.why, now, say)
	if strings.HasPrefix(l.name, actionLane) {
		text = doWaiting(l.why, until, now, say)
	}
	if err := e.answer(ctx, j.c, interim, text, nil); err != nil {
		return err
	}
	j.d.Waiting = true
	if j.c.State == store.CommandReceived {
		j.c.State = store.CommandRetrying
	}
	j.c.Detail = j.d.encode()
	return e.save(ctx, j.c)
}
