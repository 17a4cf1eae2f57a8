package reconcile

import (
	"context"
	"time"
)

// catchUpAfter is when problems are asked about that the store says were never asked about.
const catchUpAfter = time.Second

// catchUp asks about what the store knows was never asked about: at the start, since the relay
// may have been stopped before it could ask, and when there is room again after problems
// were dropped. A store that fails is asked again: nothing else would.
func (q *Inquirer) catchUp(ctx context.Context) {
	for ctx.Err() == nil {
		pause := firstPause
		for {
			keys, err := q.opts.Unobserved(ctx, maxKeys)
			if err == nil {
				q.AskAll(keys, catchUpAfter)
				break
			}
			if ctx.Err() != nil {
				return
			}
			q.opts.Log.Warn("can't find out which problems Zabbix was never asked about; trying again", "in", pause, "error", err)
			rest(ctx, pause, nil)
			pause = min(2*pause, lastPause)
		}
		select {
		case <-ctx.Done():
		case <-q.missed:
		}
	}
}

// lookForRoom has what a source's agenda dropped caught up with once there is room again.
func (q *Inquirer) lookForRoom(source string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.due[source].roomAgain() {
		return
	}
	select {
	case q.missed <- struct{}{}:
	default:
	}
}
