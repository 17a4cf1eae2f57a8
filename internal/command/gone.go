package command

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// closeGone closes a problem that a person wants closed and that Zabbix no longer has. Zabbix refuses in the
// same way if a permission is missing, so it is asked whether it shows the event, and others. Zabbix 6.0 keeps the event of a deleted
// trigger for some hours, and says that the trigger doesn't allow it. -1: retry later.
func (e *Executor) closeGone(ctx context.Context, l *lane, b *batch, refusal *zabbix.Error) (time.Duration, error) {
	a := b.attempts[0]
	log := e.o.Log.With("command", b.job.c.ID, "key", a.Key)
	gone, doubt, err := e.isGone(context.WithoutCancel(ctx), l, a.Key)
	switch {
	case meaningOf(err) != refuses:
		l.why = reason(err)
		log.Warn("cannot find out whether Zabbix still has an event: retrying", "error", err)
		return -1, e.change(ctx, b, store.CommandRetrying, func(a *attempt) { a.Stage = stagePending })
	case err != nil || !gone:
		return 0, e.endRefused(ctx, b, refusal)
	case doubt != "":
		log.Error("problem not closed as gone: check the permissions of the relay's user", "reason", string(doubt))
		return 0, e.endAttemptsAs(ctx, b, stageFailed, doubtful(a, doubt, b.voice(e.o.View())))
	}
	envelope := store.Envelope{EventID: a.Key.EventID, Observation: &alert.Observation{At: time.Now().UTC(), Gone: true}}
	if err := e.journal(ctx, b.job.c.Trace, a.Key, store.EntryObservation, envelope); err != nil {
		return 0, err
	}
	log.Info("problem closed as gone from Zabbix")
	return 0, e.endAttemptsAs(ctx, b, stageDone, closedGone(a, b.voice(e.o.View())))
}

// isGone reports whether Zabbix no longer shows an event, and why it may have it all the same; "" for no reason.
func (e *Executor) isGone(ctx context.Context, l *lane, key alert.Key) (gone bool, doubt reconcile.Reason, err error) {
	found, err := l.zabbix.Observe(ctx, []string{key.EventID})
	if o := found[key.EventID]; err != nil || !o.Gone && (!o.TriggerGone || o.Resolved) {
		return false, "", err
	}
	doubt, err = reconcile.Doubt(ctx, l.zabbix, e.o.Store, key.Source, []alert.Key{key}, false)
	return true, doubt, err
}
