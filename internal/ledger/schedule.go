package ledger

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

func (r Rules) timing(post store.Post) route.Timing {
	if r.Timing == nil {
		return route.Timing{}
	}
	return r.Timing(post.Room, post.Route)
}

// untold says that the room doesn't know of the problem, and isn't about to be
// told by a digest.
func untold(post store.Post) bool { return post.RootID == "" && post.ToldSeq == 0 && post.Digest == 0 }

// schedule sets when the room may be told, and when the ledger looks again, by
// what the problem was and is now.
func (b *batch) schedule(post *store.Post, was, p alert.Problem) {
	t := b.rules.timing(*post)
	moved := false
	// Of what is over the end of the delay stays: it says whether it was over sooner.
	if untold(*post) && (p.State != alert.StateResolved || was.Revision == 0) {
		tell := tellAfter(t, *post, p, b.now)
		if !post.TellAfter.After(b.now) {
			// It has come, and stays: events that come late don't undo that the problem was over sooner.
			tell = later(tell, post.TellAfter)
		}
		moved = !tell.Equal(post.TellAfter)
		post.TellAfter = tell
	}
	from, runs := p.Unattended(b.now)
	before, ran := was.Unattended(b.now)
	switch {
	case !runs:
		post.EscalateAt, post.RemindAt, post.Escalated = time.Time{}, time.Time{}, 0
	case !ran || !from.Equal(before):
		post.Escalated = 0
		b.wind(post, t, from)
	case moved:
		b.wind(post, t, from)
	case !t.Quiet.Until(was.Severity, b.now).IsZero() && t.Quiet.Until(p.Severity, b.now).IsZero():
		// It became too severe for quiet hours: what they put off isn't put off any more.
		if !post.EscalateAt.IsZero() && post.Escalated < len(t.Escalate) {
			post.EscalateAt = earlier(post.EscalateAt, later(b.now, post.JoinedAt.Add(time.Duration(t.Escalate[post.Escalated].After))))
		}
		if !post.RemindAt.IsZero() {
			post.RemindAt = earlier(post.RemindAt, b.now.Add(t.Remind))
		}
	}
}

// wind sets the clocks, which count from when the room may be told.
func (b *batch) wind(post *store.Post, t route.Timing, from time.Time) {
	if untold(*post) {
		from = later(from, post.HeldUntil())
	}
	post.EscalateAt, post.RemindAt = time.Time{}, time.Time{}
	if post.Escalated < len(t.Escalate) {
		post.EscalateAt = from.Add(time.Duration(t.Escalate[post.Escalated].After))
	}
	if t.Remind > 0 {
		post.RemindAt = from.Add(t.Remind)
	}
}

// lookAt is when a suppression ends by itself, and the problem is to be looked at again; zero for never.
func lookAt(p alert.Problem, now time.Time) time.Time {
	if p.SuppressedAt(now) {
		return p.SuppressedUntil
	}
	return time.Time{}
}

// tellAfter is when a room that doesn't know of the problem may be told; zero for now.
func tellAfter(t route.Timing, post store.Post, p alert.Problem, now time.Time) time.Time {
	at := time.Time{}
	if t.Delay > 0 && !post.JoinedAt.IsZero() && p.State != alert.StateOccurred { // that neither lasts nor is over
		at = post.JoinedAt.Add(t.Delay)
	}
	if until := t.Quiet.Until(p.Severity, later(now, at)); !until.IsZero() {
		return until
	}
	return at
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
