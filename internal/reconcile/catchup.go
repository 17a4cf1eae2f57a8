package reconcile

import (
	"context"
	"time"
)

// catchUpAfter is how soon problems that were never read are read.
const catchUpAfter = time.Second

// catchUp schedules the stored problems that were never read: at the start, and when there is room again after
// problems were dropped.
func (q *Inquirer) catchUp(ctx context.Context) {
	for ctx.Err() == nil {
		pause := minRetry
		for {
			keys, err := q.opts.Unobserved(ctx, maxKeys)
			if err == nil {
				q.AskAll(keys, catchUpAfter)
				break
			}
			if ctx.Err() != nil {
				return
			}
			q.opts.Log.Warn("cannot list the problems that were never read from Zabbix: retrying", "in", pause, "error", err)
			sleep(ctx, pause, nil)
			pause = min(2*pause, maxRetry)
		}
		select {
		case <-ctx.Done():
		case <-q.missed:
		}
	}
}

// catchUpIfRoom starts a catch-up once a source that dropped problems has room again.
func (q *Inquirer) catchUpIfRoom(source string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.due[source].hasRoomAgain() {
		return
	}
	select {
	case q.missed <- struct{}{}:
	default:
	}
}
