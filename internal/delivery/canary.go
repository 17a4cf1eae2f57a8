package delivery

import (
	"time"

	"nms-alert-relay/internal/delivery/step"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// serveCanary makes one call for a canary: it is posted, read back and deleted.
func (b *bot) serveCanary(l lives, t *task, n store.Notice) outcome {
	now := time.Now()
	c := step.Canary{Notice: n, Checked: t.Value.notice.checked, Failed: t.Value.notice.failed}
	next := step.NextCanary(c, now)
	var message webex.NewMessage
	switch next.Op {
	case step.OpNone:
		return outcome{done: true}
	case step.OpWait:
		return outcome{wake: next.Until, aside: n.Attempts >= laneFailures}
	case step.OpCanary:
		known := false
		if message, known = b.addressNotice(l, n); !known {
			c.State, c.Failed, c.LastError = store.NoticeSent, step.OpCanary, "the room isn't configured (any more)"
			return b.saveCanary(l, t, c, false, now)
		}
		message.Markdown = n.Markdown
	}
	got, made, err := b.act(l, t, next, n.Attempts, n.MessageID, message)
	if !made {
		return outcome{wake: now}
	}
	now = time.Now()
	if err == nil {
		c = step.AcceptedCanary(next, c, got)
		return b.saveCanary(l, t, c, true, now)
	}
	c, verdict := step.RefusedCanary(next, c, err, b.delay(n.Attempts+1, err, now), now)
	b.logRefused(l, t, next, verdict, err)
	return b.saveCanary(l, t, c, true, now)
}

// saveCanary saves the progress of a canary, and reports its outcome at its end.
func (b *bot) saveCanary(l lives, t *task, c step.Canary, called bool, now time.Time) outcome {
	t.Value.notice.checked, t.Value.notice.failed = c.Checked, c.Failed
	if c.State == store.NoticeSent {
		c.SentVersion = c.Version // also of one that wasn't posted: it isn't tried again
	}
	saved := b.saveNotice(l, t, c.Notice)
	if c.State == store.NoticePending {
		wake := c.NotBefore
		if wake.IsZero() {
			wake = now
		}
		return outcome{called: called, wake: wake, aside: c.Attempts >= laneFailures}
	}
	if saved {
		if c.MessageID != "" {
			b.logOf(t).Warn("the message of a canary couldn't be deleted", "canary", c.Dedup, "message", c.MessageID, "error", c.LastError)
		}
		b.Canary(c.Dedup, c.Failed)
	}
	return outcome{called: called, done: true}
}
