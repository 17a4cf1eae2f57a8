package step

import (
	"time"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// The steps of groups.
const (
	OpGroup      Op = "digest"        // post the digest
	OpGroupEdit  Op = "digest_edit"   // update it
	OpGroupLine  Op = "digest_line"   // post the current state in its thread: its edits are spent
	OpGroupList  Op = "digest_file"   // attach the complete list to its thread
	OpGroupNudge Op = "digest_nudge"  // post what waits in store.Post.Lines in its thread: nudges, and what people wrote
	OpGroupDrop  Op = "digest_delete" // delete a digest that says "resolved" and can't be edited: it is posted again
	OpGroupAgain Op = "digest_again"  // post in its thread that a flapping trigger is down and stays down
)

const (
	firstQuiet    = time.Second // a first digest waits until no post has joined for this long,
	firstMost     = 3 * time.Second
	groupDebounce = time.Second     // changes this close together share an edit
	spacingLeast  = 2 * time.Second // between a digest and its first edit; it doubles with each edit
	spacingMost   = 10 * time.Minute
	joinSpacing   = 3 * time.Second  // the same where posts joined or left, once none has for joinQuiet;
	joinMost      = 10 * time.Second // while they keep joining or leaving, at most this
	joinQuiet     = time.Second
	spentSpacing  = time.Minute // the same if no edit is left
	listQuiet     = 1500 * time.Millisecond
	listAgain     = 3 * time.Second
	listMost      = time.Minute
	linesQuiet    = 5 * time.Second // lines this close together share a reply
	linesMost     = time.Minute     // but none waits for longer

	flapSpacing     = 10 * time.Second // between edits that only count; it doubles
	flapSpacingMost = 5 * time.Minute
	flapCalm        = 6 * time.Second // after this long a flapping trigger counts as resolved
	flapStays       = 5 * time.Second // and after this long as down
)

// Openings is the state of the members of a flapping trigger's group.
type Openings struct {
	Resolved time.Time // when the last one resolved
	Down     time.Time // when the first open one that the room wasn't notified of joined; zero for none
}

// NextGroup decides the next step for a group. Webex allows ten edits of a message, so edits get further apart the
// more were used, and the last one is kept for "all resolved". A digest that says "resolved" although a problem is
// open is edited at once.
func NextGroup(g store.Group, d Doubt, o Openings, now time.Time) Step {
	switch {
	case g.State == store.PostDead:
		return Step{Op: OpNone, Reason: ReasonDead}
	case now.Before(g.NotBefore):
		return Step{Op: OpWait, Reason: ReasonBackoff, Until: g.NotBefore}
	case g.MessageID == "" && g.Revision <= g.Shown:
		return Step{Op: OpNone, Reason: ReasonCaughtUp} // all left before it was posted
	case g.MessageID == "":
		return at(firstAt(g, o), Step{Op: OpGroup, Reason: ReasonNew}, now)
	case d.Probe == ProbeDue:
		return Step{Op: OpGroupEdit, Reason: ReasonProbe}
	}
	next := Step{Op: OpNone, Reason: ReasonCaughtUp}
	consider := func(due time.Time, s Step) {
		if next.Op == OpNone || next.Op == OpWait && due.Before(next.Until) {
			next = at(due, s, now)
		}
	}
	if g.Revision > g.Shown {
		s := Step{Op: OpGroupEdit, Reason: ReasonChanged}
		if !g.Open {
			s.Reason = ReasonResolved
		}
		switch {
		case g.Edits < groupEdits(g):
		case g.Open && g.SaysResolved:
			s.Op = OpGroupDrop
		default:
			s.Op = OpGroupLine
		}
		consider(editAt(g, o), s)
	}
	if !o.Down.IsZero() {
		consider(o.Down.Add(flapStays), Step{Op: OpGroupAgain, Reason: ReasonNew})
	}
	if g.Lines > g.LinesPosted {
		consider(pace.Earlier(g.LinesAt.Add(linesQuiet), g.LinesSince.Add(linesMost)), Step{Op: OpGroupNudge, Reason: ReasonTimeline})
	}
	if g.OwesList() {
		consider(listAt(g), Step{Op: OpGroupList, Reason: ReasonNew})
	}
	return next
}

// at returns a step if it is due, else a wait.
func at(due time.Time, s Step, now time.Time) Step {
	if now.Before(due) {
		return Step{Op: OpWait, Reason: ReasonDebounce, Until: due}
	}
	return s
}

func firstAt(g store.Group, o Openings) time.Time {
	switch {
	case g.Kind == store.GroupFlap && !g.Open && !o.Resolved.IsZero():
		return o.Resolved.Add(flapCalm)
	case g.Kind == store.GroupFlap:
		return time.Time{}
	}
	return pace.Earlier(g.JoinedAt.Add(firstQuiet), g.OpenedAt.Add(firstMost))
}

func editAt(g store.Group, o Openings) time.Time {
	changed := g.PendingSince.Add(groupDebounce)
	switch {
	case Wrong(g) && g.Open:
		return time.Time{}
	case g.Kind == store.GroupFlap && !g.Open && !g.SaysResolved:
		return o.Resolved.Add(flapCalm)
	case g.Kind == store.GroupFlap:
		spacing := min(flapSpacingMost, flapSpacing<<min(g.Edits, 20))
		if g.Edits >= groupEdits(g) {
			spacing = spentSpacing
		}
		return pace.Later(changed, g.SpokeAt.Add(spacing), o.Resolved.Add(flapCalm))
	case !g.Open:
		return changed
	}
	spacing := min(spacingMost, spacingLeast<<min(g.Edits, 20))
	switch {
	case g.JoinedRevision <= g.Shown && g.LeftRevision <= g.Shown:
	case g.Edits < groupEdits(g):
		calm := pace.Later(g.JoinedAt, g.LeftAt).Add(joinQuiet)
		return pace.Later(changed, g.SpokeAt.Add(joinSpacing), pace.Earlier(calm, g.SpokeAt.Add(min(spacing, joinMost))))
	default:
		spacing = min(spacing, spentSpacing)
	}
	return pace.Later(changed, g.SpokeAt.Add(spacing))
}

// Wrong reports whether a digest says that all are resolved although one is open, or the reverse.
func Wrong(g store.Group) bool { return g.MessageID != "" && g.SaysResolved == g.Open }

// groupEdits is how many edits of a digest may be used.
func groupEdits(g store.Group) int {
	if g.Open && !g.SaysResolved {
		return webex.MaxEdits - 1
	}
	return webex.MaxEdits
}

// LastEdit reports whether the next edit of a digest is the last before all are resolved.
func LastEdit(g store.Group) bool { return g.Open && g.Edits >= webex.MaxEdits-2 }

// listAt is when the list is attached: once no more posts join, or the group has been growing for long.
func listAt(g store.Group) time.Time {
	if g.Listed > 0 {
		return g.JoinedAt.Add(listAgain)
	}
	return pace.Earlier(g.JoinedAt.Add(listQuiet), g.OpenedAt.Add(listMost))
}

// Text describes a text of a group that is sent.
type Text struct {
	Hash     string
	Complete bool // it names every host and event id
	Resolved bool // it says that all are resolved
}

// ShownGroup is a group whose message, with its thread, shows its revision.
func ShownGroup(g store.Group) store.Group {
	g.Shown = g.Revision
	return g
}

// EmptyGroup is a group without a message that all members left: there is nothing to post, and nothing to post again
// where a message is missing.
func EmptyGroup(g store.Group) (store.Group, Doubt) {
	return ShownGroup(withDigest(g, Message{})), Doubt{}
}

// AcceptedGroup is a group after a step that Webex accepted. id is the message that a step posted, began when the
// group was read.
func AcceptedGroup(s Step, g store.Group, d Doubt, text Text, id string, began time.Time) (store.Group, Doubt) {
	m := digestOf(g, d)
	switch s.Op {
	case OpGroupDrop:
		m = m.posted("", "")
		g.Shown, g.SaysResolved = min(g.Shown, g.Revision-1), false
	case OpGroup:
		m = m.posted(id, text.Hash)
		g.Complete, g.SaysResolved = text.Complete, text.Resolved
		if g.ListDeadAt.IsZero() {
			g.Listed = 0 // its thread has no list yet
		}
		g = notified(g)
		g.LinesPosted = s.Lines
	case OpGroupEdit:
		m = m.edited(text.Hash)
		g.Complete, g.SaysResolved = text.Complete, text.Resolved
	case OpGroupLine:
		m = m.replied()
		m.Hash = text.Hash
		g.Complete = g.Complete || text.Complete
	default:
		m = m.replied()
	}
	g = withDigest(g, m)
	switch s.Op {
	case OpGroup, OpGroupEdit, OpGroupLine:
		g.SpokeAt = began
		g = ShownGroup(g)
		if g.Complete {
			g = withoutDeadList(g)
		}
	case OpGroupList:
		g.Listed = g.Joined
		g = withoutDeadList(g)
	case OpGroupNudge:
		g.LinesPosted = s.Lines
	case OpGroupAgain:
		g = notified(g)
	}
	return g, m.Doubt
}

// notified is a group whose room was notified of all members as of its revision.
func notified(g store.Group) store.Group {
	g.Notified, g.Down = g.Revision, false
	return g
}

// RefusedGroup is a group after a call that failed. A list, reminder or line that its thread refuses for
// good is given up: the digest itself stands.
func RefusedGroup(s Step, g store.Group, d Doubt, err error, backoff time.Duration, now time.Time) (store.Group, Doubt, Verdict) {
	m, verdict := digestOf(g, d).refused(s.Call(), err, backoff, now)
	if s.Op == OpGroupDrop && verdict == Replan {
		m.Missing = m.ID
		m, g.SaysResolved = m.believed(), false
	}
	if m.ID == "" && g.MessageID != "" {
		g.Shown = min(g.Shown, g.Revision-1) // it is posted again
	}
	if s.Op == OpGroupEdit && m.Edits == webex.MaxEdits && g.JoinedRevision > g.Shown {
		g.Complete = false // the message doesn't name the posts that joined: the list does
	}
	if verdict == Retry || verdict == Replan || s.Call() != Reply && s.Call() != Attach || s.Op == OpGroupLine || webex.ClassOf(err) == webex.Forbidden && s.Op != OpGroupList {
		return withDigest(g, m), m.Doubt, verdict
	}
	switch s.Op {
	case OpGroupList: // a dead letter of its own
		g.ListDeadAt, g.ListError, g.ListTrackingID, g.Listed = now, m.LastError, m.TrackingID, g.Joined
	case OpGroupNudge:
		g.LinesPosted = s.Lines
	case OpGroupAgain:
		g = notified(g)
	}
	return withDigest(g, m.succeeded()), m.Doubt, GiveUp
}

// DeadGroup is a group that Webex refused for good, with all of its posts. If the room accepts nothing, its problems are
// rerouted to the default room; no more posts join a dead group.
func DeadGroup(g store.Group, v Verdict, reason, trackingID string, now time.Time) store.Group {
	g = withoutDeadList(g) // one dead letter stands for all
	g.Reroute = v == Gone
	g.State, g.LastError, g.TrackingID, g.DeadAt = store.PostDead, reason, trackingID, now
	return g
}

func withoutDeadList(g store.Group) store.Group {
	g.ListDeadAt, g.ListError, g.ListTrackingID = time.Time{}, "", ""
	return g
}

// BelievedGroup is a group as read from the store, without a message that is missing.
func BelievedGroup(g store.Group, d Doubt) store.Group {
	return withDigest(g, digestOf(g, d).believed())
}

// StoredGroup is a group as it is stored.
func StoredGroup(g store.Group, d Doubt) store.Group { return withDigest(g, digestOf(g, d).Stored()) }

func digestOf(g store.Group, d Doubt) Message {
	return Message{
		ID: g.MessageID, Hash: g.Hash, Edits: g.Edits, Attempts: g.Attempts, NotBefore: g.NotBefore,
		LastError: g.LastError, TrackingID: g.TrackingID, Doubt: d,
	}
}

func withDigest(g store.Group, m Message) store.Group {
	g.MessageID, g.Hash, g.Edits, g.Attempts, g.NotBefore = m.ID, m.Hash, m.Edits, m.Attempts, m.NotBefore
	g.LastError, g.TrackingID = m.LastError, m.TrackingID
	return g
}
