package reconcile

import (
	"context"
	"math/rand/v2"
	"time"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// catchUpAfter is how soon problems that were never read are read.
const catchUpAfter = time.Second

// catchUp schedules the stored problems that were never read: at the start, when there is another source, and when there is
// room again after problems were dropped.
func (q *Inquirer) catchUp(ctx context.Context) {
	for ctx.Err() == nil {
		err := store.Retry(ctx, q.opts.Log, rand.Float64, "listing the problems that were never read from Zabbix", func(ctx context.Context) error {
			keys, err := q.opts.Unobserved(ctx, maxKeys)
			q.AskAll(keys, catchUpAfter)
			return err
		})
		if err != nil && ctx.Err() == nil {
			q.opts.Log.Error("cannot list the problems that were never read from Zabbix: they stay unread", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-q.missed:
		}
	}
}

// catchUpIfRoom starts a catch-up once a source that dropped problems has room again.
func (q *Inquirer) catchUpIfRoom(source *asked) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if source.due.hasRoomAgain() {
		pace.Wake(q.missed)
	}
}
