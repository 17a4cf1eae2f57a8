package command

import (
	"context"
	"time"

	"nms-alert-relay/internal/alert"
)

// overtaken returns the part of a batch that must not be acted on, and why: attempts whose event ids belong to other problems
// now, in the relay or in Zabbix, and those whose problems can't be read. asked is the error of the call to Zabbix.
func (e *Executor) overtaken(ctx context.Context, l *lane, b *batch) (stale *batch, why map[alert.Key]string, asked, err error) {
	found, asked := l.zabbix.Observe(context.WithoutCancel(ctx), b.ids())
	var problems map[alert.Key]alert.Problem
	damaged := false
	err = e.persist(ctx, "reading the problems of a command", func(ctx context.Context) (err error) {
		problems, damaged, err = e.readable(ctx, b.keys())
		return err
	})
	stale, why = b.some(0, 0), make(map[alert.Key]string)
	several := e.o.View().Several
	for n, a := range b.attempts {
		p, known := problems[a.Key]
		o, shown := found[a.Key.EventID]
		reused := known && shown && p.Relation(o.Event(a.Key, time.Now())) != alert.Same
		if reused {
			e.o.Changed(a.Key, 0) // the relay doesn't know the other problem yet
		}
		switch {
		case reused || known && p.Generation != a.Generation:
			why[a.Key] = superseded(a.Key, a.Name, several)
		case damaged && !known:
			why[a.Key] = damagedProblem(a.Key, several)
		default:
			continue
		}
		stale.index, stale.attempts = append(stale.index, b.index[n]), append(stale.attempts, a)
	}
	return stale, why, asked, err
}
