package ledger

import (
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// Lapsed is a problem whose acknowledgement is to be taken back in Zabbix: nobody answered the question of a room.
type Lapsed struct {
	Key   alert.Key
	Asked time.Time
	Room  string
}

const (
	// lapseLook is how often a lapsed acknowledgement is handled again until Zabbix reports that it was taken back.
	lapseLook = time.Minute
	// unpostedFor is how long a question that can't be posted keeps the acknowledgement.
	unpostedFor = time.Hour
)

// lapse handles the acknowledgement of a problem with a due post: when it has lasted for as long as the post's route says, the rooms
// whose routes have acknowledgements lapse are asked whether somebody is still on it; without an answer it lapses. It returns the
// question.
func (d *Draft) lapse(e *effect, post store.Post, t route.Timing) *alert.Nudge {
	at := d.lapseAt(t, post, e.problem, e.posts)
	if at.IsZero() || at.After(d.now) {
		return nil
	}
	if asked := e.problem.Asked(); asked != nil {
		d.out.Lapsed = append(d.out.Lapsed, Lapsed{Key: e.problem.Key, Asked: asked.At, Room: asked.Room})
		return nil
	}
	if unposted(post) {
		return nil
	}
	n := &alert.Nudge{Kind: alert.EntryAsked, Room: post.Room, Mention: e.problem.AttendedBy(), After: t.AckExpires, At: d.now}
	for _, other := range e.posts {
		timing := d.rules.timing(other.Post)
		if other.Room != post.Room && timing.AckExpires > 0 && !unposted(other.Post) && timing.Quiet.Until(e.problem.Severity, d.now).IsZero() {
			n.Rooms = append(n.Rooms, other.Room)
		}
	}
	d.addNudge(e, *n, post.Route)
	return n
}

// lapseAt is when the room is asked whether somebody is still on a problem, or when the acknowledgement lapses after that; zero for
// never. Quiet hours postpone both. posts are all of the problem's.
func (d *Draft) lapseAt(t route.Timing, post store.Post, p alert.Problem, posts []draftPost) time.Time {
	if t.AckExpires == 0 || post.State == store.PostDead || post.TellAfter.Equal(store.Never) {
		return time.Time{}
	}
	at := p.AskAt(t.AckExpires, d.now)
	if asked := p.Asked(); asked != nil {
		at = d.answeredBy(*asked, p, posts)
	}
	if until := t.Quiet.Until(p.Severity, d.now); !at.IsZero() && !until.IsZero() {
		at = pace.Later(at, until)
	}
	return at
}

// lapseLookAt is when the ledger checks the acknowledgement; zero for never.
func (d *Draft) lapseLookAt(t route.Timing, post store.Post, p alert.Problem, posts []draftPost) time.Time {
	at := d.lapseAt(t, post, p, posts)
	if asked := p.Asked(); asked != nil && !at.IsZero() {
		at = pace.Earlier(at, asked.At.Add(alert.AnswerWithin)) // delivery doesn't say when it posts the question
	}
	if !at.IsZero() && !at.After(d.now) { // it was handled just now
		at = d.now.Add(lapseLook)
	}
	return at
}

// answeredBy is when the time for an answer ends. It begins when a room shows the question, in the problem's thread or in its group's.
func (d *Draft) answeredBy(asked alert.Nudge, p alert.Problem, posts []draftPost) (end time.Time) {
	seq := 0
	for _, e := range p.Timeline {
		if e.Nudge != nil && e.Kind == asked.Kind && e.At.Equal(asked.At) {
			seq = e.Seq
		}
	}
	unanswered := asked.At.Add(unpostedFor)
	for _, post := range posts {
		if !asked.For(post.Room) {
			continue
		}
		at, shown := shownAt(post.Post, d.known.Groups[post.Group], seq)
		if !shown {
			continue
		}
		if post.Group != 0 { // it may say something every minute
			at = pace.Earlier(at, unanswered)
		}
		if told := pace.Later(asked.At, at).Add(alert.AnswerWithin); end.IsZero() || told.Before(end) {
			end = told
		}
	}
	if end.IsZero() {
		return unanswered
	}
	return end
}

// shownAt is when a post or its group last told the room something, if the room shows a timeline entry.
func shownAt(post store.Post, g store.Group, seq int) (at time.Time, shown bool) {
	switch {
	case post.ToldSeq >= seq:
		return post.DeliveredAt, true
	case post.Group == 0 || post.FromSeq < seq:
		return time.Time{}, false
	}
	waits := slices.ContainsFunc(post.Lines, func(l store.Line) bool { return l.Seq == seq && l.N > g.LinesPosted })
	return g.SpokeAt, !waits
}
