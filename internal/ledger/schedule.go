package ledger

import (
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// unposted reports whether no message of the room shows the problem, and none is about to.
func unposted(post store.Post) bool { return post.Fresh() && post.FromSeq == 0 }

// schedule sets when the problem may be posted, and the clocks of escalation and reminders, by what it was and is.
func (d *Draft) schedule(post *store.Post, was, p alert.Problem) {
	t := d.rules.timing(*post)
	moved := false
	// Once the problem is resolved the end of the delay stays: it shows whether the problem resolved before it.
	if unposted(*post) && (p.State != alert.StateResolved || was.Revision == 0) {
		tell := tellAfter(t, *post, p, d.now)
		if !post.TellAfter.After(d.now) {
			// An end that has passed stays: later events don't undo that the problem resolved before it.
			tell = pace.Later(tell, post.TellAfter)
		}
		moved = !tell.Equal(post.TellAfter)
		post.TellAfter = tell
	}
	from, runs := p.Unattended(d.now)
	before, ran := was.Unattended(d.now)
	switch {
	case !runs:
		post.EscalateAt, post.RemindAt, post.Escalated = time.Time{}, time.Time{}, 0
	case !ran || !from.Equal(before):
		post.Escalated = 0
		d.setClocks(post, t, from)
	case moved:
		d.setClocks(post, t, from)
	case !t.Quiet.Until(was.Severity, d.now).IsZero() && t.Quiet.Until(p.Severity, d.now).IsZero():
		// The problem became too severe for quiet hours: they no longer delay anything.
		if !post.EscalateAt.IsZero() && post.Escalated < len(t.Escalate) {
			post.EscalateAt = pace.Earlier(post.EscalateAt, pace.Later(d.now, post.JoinedAt.Add(time.Duration(t.Escalate[post.Escalated].After))))
		}
		if !post.RemindAt.IsZero() {
			post.RemindAt = pace.Earlier(post.RemindAt, d.now.Add(t.Remind))
		}
	}
}

// setClocks sets the clocks of escalation and reminders. They start when the problem may be posted.
func (d *Draft) setClocks(post *store.Post, t route.Timing, from time.Time) {
	if unposted(*post) {
		from = pace.Later(from, post.HeldUntil())
	}
	post.EscalateAt, post.RemindAt = time.Time{}, time.Time{}
	if post.Escalated < len(t.Escalate) {
		post.EscalateAt = from.Add(time.Duration(t.Escalate[post.Escalated].After))
	}
	if t.Remind > 0 {
		post.RemindAt = from.Add(t.Remind)
	}
}

// muteLook is how soon the end of a mute that was changed takes effect.
const muteLook = time.Minute

// release decides for each post of the batch whether delivery may post it now, and when the ledger checks it again.
func (d *Draft) release() {
	for p, post := range d.touchedPosts() {
		was := post.PendingSince
		post.PendingSince, post.LookAt = pendingSince(post.Post, p.Problem, d.now), lookAt(post.Post, p.Problem, d.now)
		t := d.rules.timing(post.Post)
		if t.Muted.After(d.now) && unposted(post.Post) && !post.LookAt.IsZero() {
			post.LookAt = pace.Earlier(post.LookAt, d.now.Add(muteLook))
		}
		if at := d.lapseLookAt(t, post.Post, p.Problem, p.posts); !at.IsZero() && (post.LookAt.IsZero() || at.Before(post.LookAt)) {
			post.LookAt = at
		}
		post.released = was.IsZero() && !post.PendingSince.IsZero() && post.Desired > post.Delivered
	}
}

// pendingSince is since when delivery has something to send, zero for nothing now. A room that shows a problem gets every
// change, unless a group's message shows it. A problem that a maintenance holds back, or that resolved before it was due,
// is never posted.
func pendingSince(post store.Post, p alert.Problem, now time.Time) time.Time {
	switch {
	case post.Group != 0 || post.State == store.PostDead:
		return time.Time{}
	case unposted(post) && (p.HeldBack || now.Before(post.HeldUntil()) || resolvedInTime(post, p, now)):
		return time.Time{}
	case post.PendingSince.IsZero():
		return now // nothing happens if the room shows everything already
	}
	return post.PendingSince
}

// resolvedInTime reports whether a problem resolved before it was due in the room.
func resolvedInTime(post store.Post, p alert.Problem, now time.Time) bool {
	return p.State == alert.StateResolved && !post.TellAfter.IsZero() && (now.Before(post.TellAfter) || p.ResolvedAt.Before(post.TellAfter))
}

// lookAt is when the ledger checks a post again: when a suppression ends by itself, or when delivery may post it.
// Zero means never.
func lookAt(post store.Post, p alert.Problem, now time.Time) (at time.Time) {
	if p.SuppressedAt(now) {
		at = p.SuppressedUntil
	}
	if held := post.HeldUntil(); unposted(post) && held.After(now) && !held.Equal(store.Never) && !resolvedInTime(post, p, now) && (at.IsZero() || held.Before(at)) {
		at = held
	}
	return at
}

// tellAfter is when a problem may be posted in a room that doesn't show it; zero for now.
func tellAfter(t route.Timing, post store.Post, p alert.Problem, now time.Time) time.Time {
	at := time.Time{}
	if t.Delay > 0 && !post.JoinedAt.IsZero() && p.State != alert.StateOccurred { // which neither lasts nor resolves
		at = post.JoinedAt.Add(t.Delay)
	}
	if t.Muted.After(now) && p.State != alert.StateOccurred {
		at = pace.Later(at, t.Muted)
	}
	if until := t.Quiet.Until(p.Severity, pace.Later(now, at)); !until.IsZero() {
		return until
	}
	return at
}
