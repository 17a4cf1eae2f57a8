package webex

import (
	"context"
	"errors"
	"sync"
	"time"
)

// way is whether something between the relay and Webex answers in its place, for the log.
type way struct {
	mu      sync.Mutex
	last    time.Time // of the last foreign answer; zero before the first
	answers int       // foreign ones since the last warning
	own     bool      // Webex itself has answered since
	warned  bool      // and the log hasn't yet said that it is over
}

// sameOutage is how long after a foreign answer the next one counts to the same outage, though
// Webex has answered other calls in between: a filter that blocks some calls only is one outage.
const sameOutage = time.Minute

// foreign records a foreign answer, and says whether to warn of it.
func (w *way) foreign(now time.Time) (warn bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	warn = w.last.IsZero() || w.own && now.Sub(w.last) > sameOutage
	if warn {
		w.answers, w.warned = 0, true
	}
	w.last, w.own = now, false
	w.answers++
	return warn
}

// answered records an answer of Webex's own. It returns the number of foreign answers if the log is
// to say that they are over.
func (w *way) answered() (answers int, over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.own, over, w.warned = true, w.warned, false
	return w.answers, over
}

// judge counts and logs whether an answer was Webex's own. A call without an answer says nothing.
func (c *Client) judge(ctx context.Context, op string, status int, err error) {
	switch {
	case isForeign(err):
		c.opts.Foreign(op)
		if c.way.foreign(time.Now()) {
			c.opts.Log.WarnContext(ctx, "something on the way to Webex answers in its place: nothing is lost, the call is repeated", "op", op, "status", status, "error", err)
		}
	case status != 0:
		if answers, over := c.way.answered(); over {
			c.opts.Log.InfoContext(ctx, "Webex itself answers again", "op", op, "foreign_answers", answers)
		}
	}
}

func isForeign(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Foreign
}
