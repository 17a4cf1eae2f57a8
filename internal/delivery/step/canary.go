package step

import (
	"strings"
	"time"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Canary is a notice of the kind canary, with what isn't stored of it: after a restart it is read again.
type Canary struct {
	store.Notice
	Checked bool // read back, or it can't be
	Failed  Op   // the first step that failed for good; "" for none
}

// maxReads is how often reading a canary back may fail: Webex may not find a new message for a moment.
const maxReads = 5

// NextCanary decides the next step for a canary: it is posted, read back and deleted. It stays pending until it is deleted, so a restart
// continues it.
func NextCanary(c Canary, now time.Time) Step {
	switch {
	case c.State != store.NoticePending:
		return Step{Op: OpNone, Reason: ReasonCaughtUp}
	case now.Before(c.NotBefore):
		return Step{Op: OpWait, Reason: ReasonBackoff, Until: c.NotBefore}
	case c.MessageID == "":
		return Step{Op: OpCanary, Reason: ReasonNew}
	case !c.Checked:
		return Step{Op: OpCanaryRead, Reason: ReasonPosted}
	default:
		return Step{Op: OpCanaryDelete, Reason: ReasonRead}
	}
}

// AcceptedCanary is a canary after a call that Webex accepted. got is the message that the call returned.
func AcceptedCanary(s Step, c Canary, got webex.Message) Canary {
	m := messageOfNotice(c.Notice, Doubt{})
	switch s.Op {
	case OpCanary:
		m = m.posted(got.ID, "")
		c.SentVersion = c.Version
	case OpCanaryRead:
		m = m.succeeded()
		c.Checked = true
		if got.ID != c.MessageID || !strings.Contains(got.Text+got.Markdown, c.Dedup) {
			c.Failed = OpCanaryRead
		}
	case OpCanaryDelete:
		m = m.posted("", "")
		c.State = store.NoticeSent
	}
	c.Notice = withNotice(c.Notice, m)
	return c
}

// RefusedCanary is a canary after a call that failed. What fails for good isn't repeated: a message that wasn't posted is given up, one
// that can't be read back is deleted. Nor is a post whose answer was lost, since it may be in the room already.
func RefusedCanary(s Step, c Canary, err error, backoff time.Duration, now time.Time) (Canary, Verdict) {
	m, verdict := messageOfNotice(c.Notice, Doubt{}).refused(s.Call(), err, backoff, now)
	if s.Op == OpCanaryRead && verdict != Retry && m.Attempts+1 < maxReads {
		m.Attempts++
		m.NotBefore = now.Add(backoff)
		verdict = Retry
	}
	if s.Op == OpCanary && webex.ErrorOf(err).Unanswered {
		verdict = GiveUp
	}
	c.Notice = withNotice(c.Notice, m)
	if verdict == Retry {
		return c, verdict
	}
	c.Failed, c.NotBefore = s.Op, time.Time{}
	if s.Op == OpCanaryRead {
		c.Checked, c.Attempts = true, 0
	} else {
		c.State = store.NoticeSent
	}
	return c, GiveUp
}
