package webex

import (
	"context"
	"errors"
	"sync"
	"time"
)

// outage limits the log to one warning per outage in which something else answers instead of Webex.
type outage struct {
	mu      sync.Mutex
	last    time.Time // of the last foreign answer; zero before the first
	answers int       // foreign answers since the last warning
	own     bool      // Webex itself has answered since
	warned  bool      // the end is not logged yet
}

// sameOutage is the longest pause between foreign answers of one outage. A filter that blocks only some calls is one outage, though
// Webex answers others in between.
const sameOutage = time.Minute

// foreign records a foreign answer and reports whether to log a warning.
func (o *outage) foreign(now time.Time) (warn bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	warn = o.last.IsZero() || o.own && now.Sub(o.last) > sameOutage
	if warn {
		o.answers, o.warned = 0, true
	}
	o.last, o.own = now, false
	o.answers++
	return warn
}

// answered records an answer from Webex itself. If the end of an outage is to be logged, it returns the number of foreign answers.
func (o *outage) answered() (answers int, over bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.own, over, o.warned = true, o.warned, false
	return o.answers, over
}

// noteOutage logs the beginning and the end of an outage.
func (c *Client) noteOutage(ctx context.Context, done Call, err error) {
	switch {
	case done.Foreign:
		if c.outage.foreign(time.Now()) {
			c.opts.Log.WarnContext(ctx, "something else answers instead of Webex; nothing is lost, calls are retried", "op", done.Op, "status", done.Status, "error", err)
		}
	case done.Status != 0:
		if answers, over := c.outage.answered(); over {
			c.opts.Log.InfoContext(ctx, "Webex itself answers again", "op", done.Op, "foreign_answers", answers)
		}
	}
}

func isForeign(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Foreign
}
