package command

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// witnesses is how many other open problems of the source are checked before one counts as gone.
const witnesses = 20

// closeGone closes a problem that a person wants closed and that Zabbix no longer has. Zabbix refuses in the
// same way if a permission is missing, so it is asked whether it shows the event. A Zabbix that shows no
// events at all proves nothing. -1: retry later.
func (e *Executor) closeGone(ctx context.Context, l *lane, b *batch, refusal *zabbix.Error) (time.Duration, error) {
	a := b.attempts[0]
	log := e.o.Log.With("command", b.job.c.ID, "key", a.Key)
	gone, blind, err := e.isGone(context.WithoutCancel(ctx), l, a.Key)
	switch {
	case meaningOf(err) != refuses:
		l.why = reason(err)
		log.Warn("cannot find out whether Zabbix still has an event: retrying", "error", err)
		return -1, e.change(ctx, b, store.CommandRetrying, func(a *attempt) { a.Stage = stagePending })
	case err != nil || !gone:
		return 0, e.endAttemptsAs(ctx, b, stageFailed, refused(a, b.req, refusal, e.o.View().Several))
	case blind:
		log.Error("problem not closed as gone: Zabbix shows no other event either. Check the permissions of the relay's user")
		return 0, e.endAttemptsAs(ctx, b, stageFailed, showsNothing(a, e.o.View().Several))
	}
	envelope := store.Envelope{EventID: a.Key.EventID, Observation: &alert.Observation{At: time.Now().UTC(), Gone: true}}
	if err := e.journal(ctx, b.job.c.Trace, a.Key, store.EntryObservation, envelope); err != nil {
		return 0, err
	}
	log.Info("problem closed as gone from Zabbix")
	return 0, e.endAttemptsAs(ctx, b, stageDone, closedGone(a, e.o.View().Several))
}

// isGone reports whether Zabbix no longer shows an event. blind: it shows none of the other open problems, and
// no other event.
func (e *Executor) isGone(ctx context.Context, l *lane, key alert.Key) (gone, blind bool, err error) {
	found, err := l.zabbix.Observe(ctx, []string{key.EventID})
	if err != nil || !found[key.EventID].Gone {
		return false, false, err
	}
	others, err := e.o.Store.FindProblems(ctx, store.Filter{Source: key.Source, Open: true, Limit: witnesses})
	if err != nil {
		return false, false, err
	}
	var ids []string
	for _, p := range others {
		if p.Key != key && ofTrigger(p) {
			ids = append(ids, p.Key.EventID)
		}
	}
	if len(ids) == 0 {
		return true, false, nil // nothing to compare with
	}
	// If one of them makes the API fail, that decides nothing.
	if found, err = l.zabbix.Observe(ctx, ids); err == nil {
		for _, id := range ids {
			if o, known := found[id]; known && !o.Gone {
				return true, false, nil
			}
		}
	}
	shows, err := l.zabbix.ShowsAny(ctx)
	return true, !shows, err
}
