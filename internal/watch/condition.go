package watch

import (
	"time"

	"nms-alert-relay/internal/text"
)

// Condition is a trouble of a source that has begun, as it is stored. The zero value is none.
type Condition struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero while it goes on
	Count  int       `json:"count,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Ended  string    `json:"ended,omitempty"`  // how, if that is known
	Edits  int       `json:"edits,omitempty"`  // of its message
	Posted int       `json:"posted,omitempty"` // the count in its message
	Queued bool      `json:"queued"`           // the message is queued as it should be
	// Removed says that it ended because its source or heartbeat isn't configured any more.
	Removed bool `json:"removed,omitempty"`
}

const (
	// minLooks is how many looks in a row must find a trouble before it begins.
	minLooks = 2
	// maxEdits is how often the message of a trouble is edited while it goes on. Webex allows ten edits; the last is for its end.
	maxEdits = 9
	// maxDetail bounds the stored detail, in characters.
	maxDetail = 300
)

// Open reports whether the trouble goes on.
func (c Condition) Open() bool { return !c.Since.IsZero() && c.Until.IsZero() }

// remove ends a condition whose source or heartbeat isn't configured any more.
func (c Condition) remove(now time.Time) Condition {
	c.Until, c.Queued, c.Removed = now, false, true
	return c
}

// next is the condition after a look. looks is how many in a row have found trouble.
//
// The message is edited when the count has doubled, or when a detail changes that isn't a sample: each edit is one of ten.
func (c Condition) next(f Finding, looks int, now time.Time) Condition {
	f.Detail = text.Shorten(text.Line(f.Detail), maxDetail)
	switch {
	case f.Verdict == Unknown, f.Verdict == Fine && !c.Open(), f.Verdict == Trouble && !c.Open() && looks < minLooks:
	case !c.Until.IsZero(): // its end must be queued before another one begins
	case f.Verdict == Fine:
		c.Until, c.Ended, c.Queued = now, f.Detail, false
	case !c.Open():
		c = Condition{Since: now, Count: f.Count, Posted: f.Count, Detail: f.Detail}
	default:
		c.Count = max(c.Count, f.Count)
		changed := f.Detail != c.Detail && !f.Sample
		if (changed || c.Count >= 2*c.Posted && c.Count > c.Posted) && c.Edits < maxEdits {
			c.Posted, c.Edits, c.Detail, c.Queued = c.Count, c.Edits+1, f.Detail, false
		}
	}
	return c
}
