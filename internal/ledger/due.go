package ledger

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// Nudged is a problem that escalated, or of which a room was reminded.
type Nudged struct {
	Key   alert.Key
	Nudge alert.Nudge
}

// PlanDue plans the actions of due posts. It also groups the posts that wait for their first message in rooms, since
// a slow Webex can make a room fall behind without new events. known has all posts of the problems. Nothing is done
// twice, since the plan is written in one transaction:
//   - a problem may be posted once its delay or the room's quiet hours end;
//   - a suppression whose time has passed ends, and every room shows that;
//   - escalation and reminders stop once the problem is resolved, acknowledged, suppressed or cancelled by Zabbix, and
//     wait for the end of the room's quiet hours;
//   - an escalation is a nudge, and a post in each of its rooms;
//   - a reminder is a nudge, unless the problem escalates at that moment or isn't posted in the room;
//   - the question whether somebody is still on an acknowledged problem is a nudge; without an answer Lapsed names the problem.
func PlanDue(due []store.Post, rooms []string, known Known, rules Rules, now time.Time) *Draft {
	d := newDraft(known, rules, now, len(due))
	d.rooms = rooms
	for _, post := range due {
		nudge, err := d.due(post)
		if err != nil {
			d.out.Faults = append(d.out.Faults, err)
		}
		if nudge != nil {
			d.out.Nudged = append(d.out.Nudged, Nudged{post.Key, *nudge})
		}
	}
	d.release()
	return d
}

// due handles one due post. A fault, even a panic, stops the clocks of that post alone.
func (d *Draft) due(stale store.Post) (nudge *alert.Nudge, err error) {
	e := effect{problem: d.problem(stale.Key), posts: d.postsOf(stale.Key)}
	i := slices.IndexFunc(e.posts, func(p draftPost) bool { return p.Room == stale.Room })
	if i < 0 {
		return nil, nil // its problem was pruned meanwhile
	}
	post := &e.posts[i]
	post.touched = true
	defer func() {
		if fault := recover(); fault != nil {
			nudge, err = nil, fmt.Errorf("the clocks of %s in room %s are stopped because of a bug in the relay: %v\n%s", stale.Key, stale.Room, fault, debug.Stack())
			e = effect{problem: d.problem(stale.Key), posts: d.postsOf(stale.Key)}
			e.posts[i].EscalateAt, e.posts[i].RemindAt, e.posts[i].touched = time.Time{}, time.Time{}, true
			d.merge(e)
		}
	}()
	t := d.rules.timing(post.Post)
	d.endSuppression(&e)
	if held := post.TellAfter; unposted(post.Post) && !held.Equal(store.Never) && (held.After(d.now) || t.Muted.After(d.now)) {
		d.schedule(&post.Post, e.problem, e.problem) // a mute may have been ended or prolonged
	}
	if from, runs := e.problem.Unattended(d.now); !runs {
		post.EscalateAt, post.RemindAt, post.Escalated = time.Time{}, time.Time{}, 0
	} else if from.After(d.now) {
		d.setClocks(&post.Post, t, from)
	} else if until := t.Quiet.Until(e.problem.Severity, d.now); !until.IsZero() {
		for _, at := range []*time.Time{&post.EscalateAt, &post.RemindAt} {
			if !at.IsZero() {
				*at = pace.Later(*at, until)
			}
		}
	} else if nudge = d.nudge(&post.Post, t); nudge != nil {
		d.addNudge(&e, *nudge, post.Route)
	}
	if asked := d.lapse(&e, post.Post, t); asked != nil {
		nudge = asked
	}
	d.merge(e)
	return nudge, nil
}

// endSuppression ends a suppression whose time has passed, and updates every post of the problem.
func (d *Draft) endSuppression(e *effect) {
	if p := e.problem; !p.Open() || !p.Suppressed || p.SuppressedAt(d.now) {
		return
	}
	e.problem, e.change = alert.Apply(e.problem, alert.Event{Key: e.problem.Key, Kind: alert.KindClock, At: d.now})
	for i := range e.posts {
		d.desire(&e.posts[i], e.problem, d.now)
	}
	d.out.Learned = append(d.out.Learned, e.problem.Key)
}

// nudge resets the expired clocks of a post, and returns the escalation or reminder that is due; nil for none.
func (d *Draft) nudge(post *store.Post, t route.Timing) *alert.Nudge {
	var nudge *alert.Nudge
	n := post.Escalated
	switch {
	case post.EscalateAt.IsZero() || post.EscalateAt.After(d.now):
	case n >= len(t.Escalate): // the route has fewer steps than it had
		post.EscalateAt = time.Time{}
	default:
		step := t.Escalate[n]
		nudge = &alert.Nudge{Kind: alert.EntryEscalated, Room: post.Room, Step: n, After: time.Duration(step.After), At: d.now}
		// Who is on duty is decided here, once: a retry, or a hand-over in between, mentions nobody else.
		nudge.Rooms, nudge.Mention, nudge.Gaps = t.Step(n, d.rules.OnDuty, d.now)
		post.EscalateAt = time.Time{}
		if post.Escalated++; n+1 < len(t.Escalate) {
			// Counted from now, even after a long downtime: each step gets its full time.
			post.EscalateAt = d.now.Add(time.Duration(t.Escalate[n+1].After - step.After))
		}
	}
	if post.RemindAt.IsZero() || post.RemindAt.After(d.now) {
		return nudge
	}
	if post.RemindAt = d.now.Add(t.Remind); t.Remind == 0 || post.State == store.PostDead {
		post.RemindAt = time.Time{}
	} else if nudge == nil && !unposted(*post) {
		nudge = &alert.Nudge{Kind: alert.EntryReminded, Room: post.Room, At: d.now}
	}
	return nudge
}

// addNudge adds a nudge to the problem, and updates the posts that it is for.
func (d *Draft) addNudge(e *effect, n alert.Nudge, rule string) {
	var c alert.Change
	if e.problem, c = alert.Apply(e.problem, alert.Event{Key: e.problem.Key, Kind: alert.KindNudge, Nudge: &n, At: d.now}); c.Changed {
		c.Headline = c.Headline || e.change.Headline // of a suppression that ended just before
		e.change = c
	}
	for i := range e.posts {
		if n.For(e.posts[i].Room) { // the others have nothing new to show
			d.desire(&e.posts[i], e.problem, d.now)
		}
	}
	for _, room := range n.Rooms {
		d.join(e, route.Target{Room: room, Route: rule}, d.now, 0, false)
	}
}
