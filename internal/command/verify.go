package command

import (
	"context"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
)

// Zabbix's server closes, suppresses and ranks some time after its API accepted that. The relay looks whether it did, and tells the
// person if it didn't.

// verifyFor is how long after the call Zabbix may take.
const verifyFor = time.Minute

// verification is a turn with attempts that Zabbix accepted.
type verification struct {
	turn

	at     time.Time // of the next look
	missed time.Time // of the first look that didn't find them done; zero for none
}

// await begins to verify attempts that Zabbix accepted. The reply doesn't wait for it.
func (e *Executor) await(ctx context.Context, b *batch, words func(attempt) string) error {
	j := b.job
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range b.index {
		a := &j.d.Attempts[i]
		a.Stage, a.Outcome = stageVerifying, words(*a)
	}
	if j.c.State = store.CommandExecuting; !slices.ContainsFunc(j.d.Attempts, func(a attempt) bool { return !a.Stage.final() && a.Stage != stageVerifying }) {
		if err := e.answer(ctx, j.c, j.replyPart(), outcome(j.d.Attempts, j.d.Waiting), nil); err != nil {
			return err
		}
		j.d.Answered, j.c.DoneAt = true, time.Now()
		j.c.Outcome = plain(text.Cut(outcome(j.d.Attempts, true), 2000))
	}
	j.c.Detail = j.d.encode()
	return e.save(ctx, j.c)
}

// verify looks at the acts of a lane that are due. It returns the wait until the next look.
func (e *Executor) verify(ctx context.Context, l *lane) (time.Duration, error) {
	due := l.verifying
	l.verifying = nil
	next := time.Hour
	for i, v := range due {
		in := time.Until(v.at)
		if in <= 0 {
			var err error
			in, err = e.lookDone(ctx, l, &v)
			if store.Lasting(err) {
				in, err = 0, e.abandon(ctx, v.job, err)
			}
			if err != nil {
				l.verifying = append(l.verifying, due[i:]...)
				return 0, err
			}
			v.at = time.Now().Add(in)
		}
		if in > 0 {
			l.verifying = append(l.verifying, v)
			next = min(next, in)
		}
	}
	return next, nil
}

// lookDone ends the attempts that Zabbix has done, or hasn't done in time. It returns the wait before the next look; 0 for none.
func (e *Executor) lookDone(ctx context.Context, l *lane, v *verification) (time.Duration, error) {
	b := v.attempts(l.name, true)
	if b == nil {
		return 0, nil
	}
	now, started := time.Now(), b.attempts[0].StartedAt
	found, asked := l.zabbix.Observe(context.WithoutCancel(ctx), b.ids())
	readable := func(a attempt) bool { _, ok := found[a.Key.EventID]; return asked == nil && ok }
	done := b.only(func(a attempt) bool { return readable(a) && b.req.act().verified(b.req, found[a.Key.EventID]) })
	if len(done.index) > 0 {
		if err := e.endAttempts(ctx, done, stageDone, func(a attempt) string { return a.Outcome }); err != nil {
			return 0, err
		}
		if b = v.attempts(l.name, true); b == nil {
			return 0, nil
		}
	}
	if v.missed.IsZero() && asked == nil {
		v.missed = now
	}
	elapsed, view := now.Sub(started), e.o.View()
	switch {
	case asked != nil && now.After(b.job.c.CreatedAt.Add(view.Expiry)):
		e.o.Log.Warn("cannot find out whether Zabbix did what it accepted: giving up", "command", b.job.c.ID, "keys", b.keys(), "error", asked)
		return 0, e.endAttempts(ctx, b, stageDone, func(a attempt) string { return a.Outcome })
	case asked != nil:
		return maxRetry / 2, nil
	case elapsed < lookLater:
		return lookLater - elapsed, nil
	case elapsed < verifyFor:
		return verifyFor - elapsed, nil
	case now.Sub(v.missed) < lookLater: // Zabbix was away, and has work to catch up with
		return lookLater, nil
	}
	return 0, e.endAttempts(ctx, b, stageUnverified, func(a attempt) string { return notDone(a, b.req, b.voice(view)) })
}

// only returns the attempts of a batch that meet a condition.
func (b *batch) only(meets func(attempt) bool) *batch {
	part := b.some(0, 0)
	for n, a := range b.attempts {
		if meets(a) {
			part.index, part.attempts = append(part.index, b.index[n]), append(part.attempts, a)
		}
	}
	return part
}

// replyPart is the part of the final reply. If there was an interim reply, the final one replaces it. The caller holds j.mu.
func (j *job) replyPart() string {
	if j.d.Waiting {
		return interim
	}
	return ""
}

func closedIn(_ Request, o alert.Observation) bool { return o.Resolved || o.Gone }
