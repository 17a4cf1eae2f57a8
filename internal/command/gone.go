package command

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/zabbix"
)

// witnesses is how many other open problems of the source are looked at before one is
// taken for gone.
const witnesses = 20

// closeGone ends a problem that a person wants closed and Zabbix refuses to know.
// The same refusal comes for a missing permission, so Zabbix is asked whether it shows
// the event. A Zabbix that shows nothing at all proves nothing. -1: try again later.
func (e *Executor) closeGone(ctx context.Context, l *lane, t task, a attempt, r Request, refusal *zabbix.Error) (time.Duration, error) {
	calm := context.WithoutCancel(ctx)
	gone, blind, err := e.isGone(calm, l, a.Key)
	switch {
	case meaningOf(err) != refuses:
		l.why = reason(err)
		e.o.Log.Warn("Zabbix can't say whether it still has an event", "command", t.job.c.ID, "key", a.Key, "error", err)
		return -1, e.change(ctx, t, func(a *attempt, c *store.Command) { a.Stage, c.State = stagePending, store.CommandRetrying })
	case err != nil || !gone:
		return 0, e.settle(ctx, t, stageFailed, refused(a, r, refusal, e.o.Several))
	case blind:
		e.o.Log.Error("a problem is not closed as gone, because Zabbix shows no other event either", "command", t.job.c.ID, "key", a.Key)
		return 0, e.settle(ctx, t, stageFailed, showsNothing(a, e.o.Several))
	}
	payload, err := json.Marshal(store.Envelope{EventID: a.Key.EventID, Observation: &alert.Observation{At: time.Now().UTC(), Gone: true}})
	if err != nil {
		return 0, fmt.Errorf("the journal entry of a problem that is gone: %w", err)
	}
	entry := store.Entry{Source: a.Key.Source, Kind: store.EntryObservation, Payload: payload, ReceivedAt: time.Now()}
	err = e.persist(ctx, "journalling that a problem is gone", func(ctx context.Context) error {
		_, err := e.o.Store.Append(ctx, entry)
		return err
	})
	if err != nil {
		return 0, err
	}
	e.o.Wake()
	e.o.Log.Info("a problem was closed as gone from Zabbix", "command", t.job.c.ID, "key", a.Key)
	return 0, e.settle(ctx, t, stageDone, closedGone(a, e.o.Several))
}

// overtaken reports whether another problem took an attempt's event id after the command was accepted.
func (e *Executor) overtaken(ctx context.Context, a attempt) (overtaken bool, err error) {
	err = e.persist(ctx, "reading the problem of a command", func(ctx context.Context) error {
		problems, err := e.o.Store.Problems(ctx, []alert.Key{a.Key})
		p, known := problems[a.Key]
		overtaken = known && p.Generation != a.Generation
		return err
	})
	return overtaken, err
}

// isGone asks whether Zabbix no longer shows an event; blind says that it shows
// none of the other open problems that the relay knows, nor any event at all.
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
		if p.Key != key && (p.Origin == "" || p.Origin == alert.OriginTrigger) {
			ids = append(ids, p.Key.EventID)
		}
	}
	if len(ids) == 0 {
		return true, false, nil // there is nothing to compare with
	}
	// One of them that makes the API fail decides nothing.
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
