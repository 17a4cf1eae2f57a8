// Package step decides the next call to Webex: for a post, a notice, or a group of posts. Its functions are
// pure; the caller makes the call and asks again with what Accepted or Refused returned.
package step

import (
	"time"

	"nms-alert-relay/internal/alert"
)

// Op is the operation of one step.
type Op string

// Each but OpNone and OpWait is one call to Webex.
const (
	OpNone Op = "none" // the room shows everything it will show
	OpWait Op = "wait" // until Step.Until

	OpRoot   Op = "root"   // post the message of a problem
	OpEdit   Op = "edit"   // update it
	OpLines  Op = "line"   // send Step.Entries to its thread
	OpCard   Op = "card"   // post the card with the buttons to its thread
	OpDelete Op = "delete" // delete the card

	OpNotice     Op = "notice"      // post a notice
	OpNoticeEdit Op = "notice_edit" // its body was replaced

	OpCanary       Op = "canary"        // post the message of a canary
	OpCanaryRead   Op = "canary_read"   // read it back
	OpCanaryDelete Op = "canary_delete" // delete it
)

// Reason says why a step was chosen, for tests and the log.
type Reason string

// The reasons.
const (
	ReasonCaughtUp   Reason = "caught up"
	ReasonDead       Reason = "dead letter"
	ReasonBurst      Reason = "waits to see whether a storm begins"
	ReasonBackoff    Reason = "backing off after a failure"
	ReasonDebounce   Reason = "collecting changes"
	ReasonUnobserved Reason = "waiting for the API's answer on which buttons apply"
	ReasonNew        Reason = "new in the room"
	ReasonChanged    Reason = "changed"
	ReasonResolved   Reason = "resolved"
	ReasonProbe      Reason = "checking whether the message exists after a refused reply"
	ReasonTimeline   Reason = "new timeline entries"
	ReasonNewButtons Reason = "the buttons changed"
	ReasonSpent      Reason = "somebody pressed a button"
	ReasonNoButtons  Reason = "no buttons any more"
	ReasonPosted     Reason = "posted"
	ReasonRead       Reason = "read back"
)

// Step is what to do next.
type Step struct {
	Op      Op
	Reason  Reason
	Until   time.Time     // of OpWait
	AsCard  bool          // of OpRoot: the card is the root
	Entries []alert.Entry // of OpLines, by Seq
	Hash    string        // of OpRoot and OpEdit: of the text that the root will show
	Lines   int           // of OpGroup and OpGroupNudge: GroupCursor.LinesPosted afterwards
}

// Call is the kind of call to Webex.
type Call int

// The calls.
const (
	Post Call = iota
	Edit
	Reply
	Attach // a reply with a file, which a room may refuse although it accepts messages
	Remove
	Read
)

// Call is which call a step makes.
func (s Step) Call() Call {
	switch s.Op {
	case OpEdit, OpNoticeEdit, OpGroupEdit:
		return Edit
	case OpGroupList:
		return Attach
	case OpLines, OpCard, OpGroupLine, OpGroupNudge, OpGroupAgain:
		return Reply
	case OpDelete, OpGroupDrop, OpCanaryDelete:
		return Remove
	case OpCanaryRead:
		return Read
	}
	return Post
}

// Verdict is the consequence of a call that failed.
type Verdict string

// The verdicts.
const (
	Retry  Verdict = "retry"   // repeat the call, not before NotBefore
	Replan Verdict = "replan"  // ask for the next step at once
	Dead   Verdict = "dead"    // refused for its content: a dead letter
	GiveUp Verdict = "give up" // skip it; ask for the next step
	Gone   Verdict = "gone"    // the room accepts nothing from this bot: a dead letter, and the default room is notified
)
