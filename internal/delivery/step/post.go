package step

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// maxLines bounds the timeline entries in one reply.
const maxLines = 20

// NextPost decides the next step towards showing a problem's current state in a room. actions are the buttons that
// apply now (Renderer.Actions).
//
// The root comes first, then its edits, the lines of its thread, the card. The first message and a resolution wait
// for nothing; other changes wait for room.Debounce. The last edit is kept for the resolution: before that, changes
// are posted in the thread.
//
// A card in the thread is deleted at once when somebody has pressed one of its buttons, and a new one follows the rest.
//
// A card that is the root can't be edited: comments go to its thread, and it is deleted and posted again when its
// buttons or severity change. On resolution a plain root is posted before the card is deleted, so that the room
// always has the outcome.
//
// A line is edited and has neither card nor thread, until its edits are spent. Nudges (alert.Nudge) are posted in the
// thread of every room that they are for.
func NextPost(p alert.Problem, post store.Post, d PostDoubt, room Room, actions string, now time.Time) Step {
	c := post.Cursor
	switch {
	case c.State == store.PostDead:
		return Step{Op: OpNone, Reason: ReasonDead}
	case post.Desired <= c.Delivered:
		return Step{Op: OpNone, Reason: ReasonCaughtUp}
	case now.Before(post.PendingSince):
		return Step{Op: OpWait, Reason: ReasonBurst, Until: post.PendingSince}
	case now.Before(c.NotBefore):
		return Step{Op: OpWait, Reason: ReasonBackoff, Until: c.NotBefore}
	case d.Probe == ProbeDue && c.RootID != "":
		return Step{Op: OpEdit, Reason: ReasonProbe}
	}

	step := difference(p, c, room, actions)
	if !p.Open() || post.PendingSince.IsZero() {
		return step
	}
	switch step.Op {
	case OpEdit, OpLines, OpDelete:
		if step.Reason == ReasonSpent || c.CardID == c.RootID && pressed(p, c) {
			return step // somebody waits for a sign
		}
		if until := debounced(p, post, room.Debounce); now.Before(until) {
			return Step{Op: OpWait, Reason: ReasonDebounce, Until: until}
		}
	case OpCard:
		// Only the first card waits for the API's answer: without it, it would have to be replaced a second later.
		if until := post.PendingSince.Add(room.CardWait); !p.Observed && now.Before(until) {
			return Step{Op: OpWait, Reason: ReasonUnobserved, Until: until}
		}
	}
	return step
}

// debounced is when changes that arrive together are shown: debounce after the last one, and at most maxDebounces
// times that after the first.
func debounced(p alert.Problem, post store.Post, debounce time.Duration) time.Time {
	return pace.Earlier(pace.Later(post.PendingSince, p.ChangedAt).Add(debounce), post.PendingSince.Add(maxDebounces*debounce))
}

// maxDebounces bounds how long changes that keep coming delay their edit.
const maxDebounces = 4

// difference is the first step between what a room shows and what it should show.
func difference(p alert.Problem, c store.Cursor, room Room, actions string) Step {
	if c.RootID == "" {
		asCard := room.AsCard && actions != "" && c.CardID == ""
		return Step{Op: OpRoot, Reason: ReasonNew, AsCard: asCard}
	}
	rootIsCard := c.CardID == c.RootID
	if !rootIsCard && p.Open() && pressed(p, c) {
		return Step{Op: OpDelete, Reason: ReasonSpent}
	}
	if rootIsCard {
		if actions == "" {
			return Step{Op: OpRoot, Reason: ReasonNoButtons}
		}
		if staleRoot(p, c, actions) {
			return Step{Op: OpDelete, Reason: ReasonNewButtons}
		}
	} else if p.Revision > c.Shown && c.Edits < editLimit(p) {
		reason := ReasonChanged
		if !p.Open() {
			reason = ReasonResolved
		}
		return Step{Op: OpEdit, Reason: reason}
	}

	if entries := newEntries(p, c, room); len(entries) > 0 {
		return Step{Op: OpLines, Reason: ReasonTimeline, Entries: entries}
	}

	if rootIsCard {
		return Step{Op: OpNone, Reason: ReasonCaughtUp}
	}
	want := face(p, actions)
	if room.Line {
		want = ""
	}
	switch {
	case c.CardID != "" && want == "":
		return Step{Op: OpDelete, Reason: ReasonNoButtons}
	case want == "" || c.CardActions == want: // also if Webex refused such a card
		return Step{Op: OpNone, Reason: ReasonCaughtUp}
	case c.CardID != "":
		return Step{Op: OpDelete, Reason: ReasonNewButtons}
	}
	return Step{Op: OpCard, Reason: ReasonNewButtons}
}

// pressed reports whether the room's card has a button by which something was done that the room doesn't show yet.
func pressed(p alert.Problem, c store.Cursor) bool {
	return c.CardID != "" && slices.ContainsFunc(p.Timeline, func(e alert.Entry) bool {
		return e.Update != nil && e.Update.Card == c.CardID && (c.CardID != c.RootID || e.Seq > c.ToldSeq)
	})
}

// editLimit is how many edits of the root may be used: the last is kept for the resolution.
func editLimit(p alert.Problem) int {
	if p.Open() {
		return webex.MaxEdits - 1
	}
	return webex.MaxEdits
}

// newEntries are the first maxLines timeline entries that weren't posted in the room, by Seq. A line that can be
// edited shows all but nudges itself.
func newEntries(p alert.Problem, c store.Cursor, room Room) []alert.Entry {
	inRoot := room.Line && c.Shown >= p.Revision
	var entries []alert.Entry
	for _, e := range p.Timeline {
		if e.Seq > c.ToldSeq && !(inRoot && e.Nudge == nil) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b alert.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	return entries[:min(maxLines, len(entries))]
}

// ToldByRoot is the last entry up to which a root includes everything. A root never includes a nudge that mentions
// somebody, and an edit includes no nudge, since it notifies nobody.
func ToldByRoot(p alert.Problem, c store.Cursor, room Room, edited bool) int {
	last := p.LastSeq()
	for _, e := range p.Timeline {
		if e.Seq > c.ToldSeq && e.Nudge != nil && e.Nudge.For(room.Name) && (edited || len(e.Nudge.MentionIn(room.Name)) > 0) {
			last = min(last, e.Seq-1)
		}
	}
	return max(last, c.ToldSeq)
}

// ToldLines is the cursor after entries were posted or skipped.
func ToldLines(entries []alert.Entry, p alert.Problem, c store.Cursor, room Room) store.Cursor {
	c.ToldSeq = entries[len(entries)-1].Seq
	if room.Line && c.Shown >= p.Revision {
		c.ToldSeq = ToldByRoot(p, c, room, true)
	}
	return c
}

// face is the value of Cursor.CardActions: the buttons, the severity and the owner. A card is replaced when it changes.
func face(p alert.Problem, actions string) string {
	if actions == "" {
		return ""
	}
	f := actions + ";severity=" + strconv.Itoa(int(p.Severity))
	if p.Owner.Email != "" {
		f += ";owner=" + p.Owner.Email
	}
	return f
}

// saysSuppressed marks the face of a card that is the root and says that its problem is suppressed.
const saysSuppressed = ";suppressed"

// staleRoot reports whether the card that is the root is to be replaced: its face has changed, or it says that the problem is suppressed and
// that is over. A problem that becomes suppressed is no reason to notify the room.
func staleRoot(p alert.Problem, c store.Cursor, actions string) bool {
	shown, suppressed := strings.CutSuffix(c.CardActions, saysSuppressed)
	return shown != face(p, actions) || suppressed && !p.Suppressed
}

// AcceptedPost is the cursor after a step that Webex accepted. id is the message that a step posted.
func AcceptedPost(s Step, p alert.Problem, c store.Cursor, d PostDoubt, room Room, actions, id string) (store.Cursor, PostDoubt) {
	m := rootOf(c, d.Doubt)
	switch s.Op {
	case OpRoot:
		m = m.posted(id, s.Hash)
		c.Shown, c.ToldSeq = p.Revision, ToldByRoot(p, c, room, false)
	case OpEdit:
		m = m.edited(s.Hash)
		c = Unchanged(p, c, room)
	default:
		m = m.succeeded()
	}
	c, d.Doubt = withRoot(c, m), m.Doubt
	switch {
	case s.Op == OpLines:
		c = ToldLines(s.Entries, p, c, room)
	case s.Op == OpCard, s.Op == OpRoot && s.AsCard:
		c.CardID, c.CardActions = id, face(p, actions)
		if s.Op == OpRoot && p.Suppressed {
			c.CardActions += saysSuppressed
		}
	case s.Op == OpDelete:
		c = withoutCard(c)
	}
	return c, d
}

// withoutCard is the cursor without its card, and without its root if that is the card.
func withoutCard(c store.Cursor) store.Cursor {
	if c.RootID == c.CardID {
		c.RootID = ""
	}
	c.CardID, c.CardActions = "", ""
	return c
}

// Unchanged is the cursor if the root already shows the problem's current state: that costs no call.
func Unchanged(p alert.Problem, c store.Cursor, room Room) store.Cursor {
	c.Shown = p.Revision
	if room.Line {
		c.ToldSeq = ToldByRoot(p, c, room, true)
	}
	return c
}

// CaughtUp is the cursor of a room that shows everything it will show of the problem. The post is no longer pending,
// even if its edits are spent.
func CaughtUp(p alert.Problem, post store.Post, now time.Time) store.Cursor {
	c := post.Cursor
	c.Delivered = max(p.Revision, post.Desired)
	c.DeliveredAt = now
	return c
}
