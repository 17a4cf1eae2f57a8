package delivery

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// Op is what one step does in a room.
type Op string

// The steps. Each but OpNone and OpWait is one call to Webex.
const (
	OpNone   Op = "none"   // the room shows all that it will be shown
	OpWait   Op = "wait"   // nothing before Step.Until
	OpRoot   Op = "root"   // post the message that stands for the problem
	OpEdit   Op = "edit"   // bring the root up to date
	OpLines  Op = "line"   // tell Step.Entries in the root's thread
	OpCard   Op = "card"   // post the card with the buttons in the root's thread
	OpDelete Op = "delete" // take the card away
)

// Reason says why the planner chose a step, for tests and the log.
type Reason string

// The reasons.
const (
	ReasonCaughtUp   Reason = "caught up"
	ReasonDead       Reason = "dead letter"
	ReasonHeldBack   Reason = "held back by a maintenance"
	ReasonHold       Reason = "waits for its problem"
	ReasonDelay      Reason = "not to be told yet"
	ReasonSooner     Reason = "over sooner than it was to be told"
	ReasonBackoff    Reason = "backing off after a failure"
	ReasonDebounce   Reason = "gathering changes"
	ReasonUnobserved Reason = "what can be done isn't known yet"
	ReasonUntold     Reason = "the room doesn't know of it"
	ReasonChanged    Reason = "changed"
	ReasonResolved   Reason = "resolved"
	ReasonProof      Reason = "a reply was refused: whether the message is there"
	ReasonTimeline   Reason = "timeline entries untold"
	ReasonNewButtons Reason = "the buttons changed"
	ReasonNoButtons  Reason = "no buttons any more"
)

// Step is what to do next for one room and problem.
type Step struct {
	Op      Op
	Reason  Reason
	Until   time.Time     // of OpWait
	AsCard  bool          // of OpRoot: the root is the card itself
	Entries []alert.Entry // of OpLines, by Seq
	Hash    string        // of OpRoot and OpEdit: of the text that the root will show
}

// maxLines is how many timeline entries one reply tells at most, so that a
// room that was long behind doesn't get a reply beyond Webex's limit.
const maxLines = 20

// Next says what to do next so that a room shows the problem as it is. It is
// asked again after each step, with the cursor that Taken or Refused gave.
// actions are the buttons that make sense now (Renderer.Actions).
//
// Within one room and problem: the root first, then its edits, the lines of
// the thread, the card. A resolution and the first message wait for nothing;
// other changes wait for room.Debounce so that what comes together costs one
// edit. The last of Webex's edits is kept for the resolution: before that,
// changes are told in the thread alone.
//
// Where the card is the root (PresentCard) it can't be edited. Comments go to
// its thread; when its buttons or its severity change it is deleted and posted
// anew, and tells in itself what was said. On resolution a plain root that says
// so takes its place (in the room, since the thread goes with its parent), and
// only then is the card deleted: the room is never without the outcome.
//
// A line (PresentLine) is edited and has neither card nor thread; only once its
// edits are spent are changes told in its thread, for else the room wouldn't know.
//
// A room that doesn't know of a problem isn't told before post.TellAfter, and not
// at all where the problem was over by then. Nudges (alert.Nudge) are told in the thread
// of each room that they are for, under a line too; one that mentions somebody is never
// taken for told by a root.
func Next(p alert.Problem, post store.Post, room RoomSettings, actions string, now time.Time) Step {
	c := post.Cursor
	switch {
	case c.State == store.PostDead:
		return Step{Op: OpNone, Reason: ReasonDead}
	case post.Desired <= c.Delivered:
		return Step{Op: OpNone, Reason: ReasonCaughtUp}
	case p.HeldBack && !told(c):
		return Step{Op: OpNone, Reason: ReasonHeldBack}
	case now.Before(post.HoldUntil):
		return Step{Op: OpWait, Reason: ReasonHold, Until: post.HoldUntil}
	case !told(c) && overSooner(p, post, now):
		return Step{Op: OpNone, Reason: ReasonSooner}
	case !told(c) && now.Before(post.TellAfter):
		return Step{Op: OpWait, Reason: ReasonDelay, Until: post.TellAfter}
	case now.Before(c.NotBefore):
		return Step{Op: OpWait, Reason: ReasonBackoff, Until: c.NotBefore}
	}

	step := difference(p, c, room, actions)
	if !p.Open() || post.DirtySince.IsZero() {
		return step
	}
	switch step.Op {
	case OpEdit, OpLines, OpDelete:
		if until := settled(p, post, room.Debounce); now.Before(until) {
			return Step{Op: OpWait, Reason: ReasonDebounce, Until: until}
		}
	case OpCard:
		// The rest of a first telling isn't a change: it waits for the API's answer alone,
		// or the card would have to be replaced a second later.
		if until := post.DirtySince.Add(room.CardWait); !p.Observed && now.Before(until) {
			return Step{Op: OpWait, Reason: ReasonUnobserved, Until: until}
		}
	}
	return step
}

// overSooner says whether a problem was over before its room was to be told of it.
func overSooner(p alert.Problem, post store.Post, now time.Time) bool {
	return p.State == alert.StateResolved && !post.TellAfter.IsZero() && (now.Before(post.TellAfter) || p.ResolvedAt.Before(post.TellAfter))
}

// settled is when the changes that come together have come: debounce after the
// last one, and maxDebounces of it after the first at most.
func settled(p alert.Problem, post store.Post, debounce time.Duration) time.Time {
	until, most := post.DirtySince.Add(debounce), post.DirtySince.Add(maxDebounces*debounce)
	if last := p.ChangedAt.Add(debounce); last.After(until) {
		until = last
	}
	if until.After(most) {
		return most
	}
	return until
}

// maxDebounces bounds how long changes that keep coming put off their edit.
const maxDebounces = 4

// difference is the first of the steps between what a room shows and what it
// should show.
func difference(p alert.Problem, c store.Cursor, room RoomSettings, actions string) Step {
	if c.RootID == "" {
		asCard := room.Presentation == config.PresentCard && actions != "" && c.CardID == ""
		return Step{Op: OpRoot, Reason: ReasonUntold, AsCard: asCard}
	}
	rootIsCard := c.CardID == c.RootID
	if rootIsCard {
		if actions == "" {
			return Step{Op: OpRoot, Reason: ReasonNoButtons}
		}
		if c.CardActions != face(p, actions) {
			return Step{Op: OpDelete, Reason: ReasonNewButtons}
		}
	} else if p.Revision > c.Shown && c.Edits < editLimit(p) {
		reason := ReasonChanged
		if !p.Open() {
			reason = ReasonResolved
		}
		return Step{Op: OpEdit, Reason: reason}
	}

	if entries := untold(p, c, room); len(entries) > 0 {
		return Step{Op: OpLines, Reason: ReasonTimeline, Entries: entries}
	}

	want := face(p, actions)
	if room.Presentation == config.PresentLine {
		want = ""
	}
	switch {
	case c.CardID != "" && want == "":
		return Step{Op: OpDelete, Reason: ReasonNoButtons}
	case want == "" || c.CardActions == want: // the latter also where Webex refused such a card
		return Step{Op: OpNone, Reason: ReasonCaughtUp}
	case c.CardID != "":
		return Step{Op: OpDelete, Reason: ReasonNewButtons}
	}
	return Step{Op: OpCard, Reason: ReasonNewButtons}
}

// told says whether the room has been told of the problem, whatever became of
// the message.
func told(c store.Cursor) bool { return c.RootID != "" || c.ToldSeq > 0 }

// editLimit is how many edits of the root may have been used up to now: the
// last is for the resolution.
func editLimit(p alert.Problem) int {
	if p.Open() {
		return webex.MaxEdits - 1
	}
	return webex.MaxEdits
}

// untold are the timeline entries that the room hasn't been told, the first
// maxLines of them, by Seq. A line tells all but nudges in itself while it can be edited.
func untold(p alert.Problem, c store.Cursor, room RoomSettings) []alert.Entry {
	inRoot := room.Presentation == config.PresentLine && c.Shown >= p.Revision
	var entries []alert.Entry
	for _, e := range p.Timeline {
		if e.Seq > c.ToldSeq && !(inRoot && e.Nudge == nil) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b alert.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	return entries[:min(maxLines, len(entries))]
}

// toldByRoot is the last entry up to which the room was told all once its root shows
// the problem as it is. A nudge in the room's thread that mentions somebody isn't told by a
// root; none is by an edit, which nobody notices.
func toldByRoot(p alert.Problem, c store.Cursor, room RoomSettings, edited bool) int {
	last := p.LastSeq()
	for _, e := range p.Timeline {
		if e.Seq > c.ToldSeq && e.Nudge != nil && e.Nudge.For(room.Name) && (edited || len(e.Nudge.Mention) > 0) {
			last = min(last, e.Seq-1)
		}
	}
	return max(last, c.ToldSeq)
}

// toldLines is the cursor once entries were told, or passed over.
func toldLines(entries []alert.Entry, p alert.Problem, c store.Cursor, room RoomSettings) store.Cursor {
	c.ToldSeq = entries[len(entries)-1].Seq
	if room.Presentation == config.PresentLine && c.Shown >= p.Revision {
		c.ToldSeq = toldByRoot(p, c, room, true)
	}
	return c
}

// face is what Cursor.CardActions holds: the buttons and the severity. A card is replaced when they change.
func face(p alert.Problem, actions string) string {
	if actions != "" {
		return actions + ";severity=" + strconv.Itoa(int(p.Severity))
	}
	return actions
}

// Taken is the cursor after a step that Webex took. id is the new message's,
// for steps that post one.
func Taken(s Step, p alert.Problem, c store.Cursor, room RoomSettings, actions, id string) store.Cursor {
	c.Attempts, c.NotBefore, c.LastError, c.TrackingID = 0, time.Time{}, "", ""
	switch s.Op {
	case OpRoot:
		// What was said before stands in the root, not as lines of the thread.
		c.RootID, c.Shown, c.ToldSeq, c.Edits = id, p.Revision, toldByRoot(p, c, room, false), 0
		c.RootHash = s.Hash
		if s.AsCard {
			c.CardID, c.CardActions = id, face(p, actions)
		}
	case OpEdit:
		c.RootHash = s.Hash
		c.Edits++
		c.Shown = p.Revision
		if room.Presentation == config.PresentLine {
			c.ToldSeq = toldByRoot(p, c, room, true)
		}
	case OpLines:
		c = toldLines(s.Entries, p, c, room)
	case OpCard:
		c.CardID, c.CardActions = id, face(p, actions)
	case OpDelete:
		c = withoutCard(c)
	}
	return c
}

// withoutCard is the cursor once the card is gone, and with it the root where
// that was the card.
func withoutCard(c store.Cursor) store.Cursor {
	if c.RootID == c.CardID {
		c.RootID = ""
	}
	c.CardID, c.CardActions = "", ""
	return c
}

// Unchanged is the cursor where an edit would show what the root shows already:
// it needs no call, and costs none of the edits that Webex allows.
func Unchanged(p alert.Problem, c store.Cursor, room RoomSettings) store.Cursor {
	c.Shown = p.Revision
	if room.Presentation == config.PresentLine {
		c.ToldSeq = toldByRoot(p, c, room, true)
	}
	return c
}

// CaughtUp is the cursor of a room that shows all that it will be shown of the
// problem as it is now. It is what ends a post's being pending, whether its
// root shows the newest revision or the edits are spent.
func CaughtUp(p alert.Problem, post store.Post, now time.Time) store.Cursor {
	c := post.Cursor
	c.Delivered = max(p.Revision, post.Desired)
	c.DeliveredAt = now
	return c
}
