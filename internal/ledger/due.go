package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/route"
	"nms-alert-relay/internal/store"
)

// Nudged is one problem that somebody was reminded of, or that escalated.
type Nudged struct {
	Key   alert.Key
	Nudge alert.Nudge
}

// Due is the plan for clocks that ran out.
type Due struct {
	Fold   store.Fold
	Nudged []Nudged
	Ended  []alert.Key // problems whose suppression ended by itself: worth asking the API about
	Faults []error     // of posts whose clocks were stopped because of them
}

// PlanDue plans what is to be done for posts whose clocks ran out. It is pure,
// and what it plans is written in one transaction, so that nothing is done twice:
//   - a suppression whose time has passed ends in the problem too, and every room shows that;
//   - the clocks of a problem stop once it is resolved, acknowledged, suppressed or cancelled by Zabbix;
//   - in the room's quiet hours both wait for their end;
//   - an escalation is a nudge, and a post in each of its rooms;
//   - a reminder is a nudge, unless the problem escalates at that moment or the
//     room doesn't even know of it.
//
// known holds the posts with all others of their problems.
func PlanDue(due []store.Post, known Known, rules Rules, now time.Time) Due {
	rules.Flapping = nil // an escalation opens nothing
	b := newBatch(known, rules, now, len(due))
	var out Due
	for _, post := range due {
		nudge, err := b.due(post)
		if err != nil {
			out.Faults = append(out.Faults, err)
		}
		if nudge != nil {
			out.Nudged = append(out.Nudged, Nudged{post.Key, *nudge})
		}
	}
	b.finish()
	out.Fold, out.Ended = b.out.Fold, b.out.Learned
	return out
}

// due does what is due for one post. Whatever goes wrong, a panic too, stops its clocks
// and nobody else's.
func (b *batch) due(stale store.Post) (nudge *alert.Nudge, err error) {
	e := effect{posts: b.postsOf(stale.Key), touched: []string{stale.Room}}
	i := slices.IndexFunc(e.posts, func(p store.Post) bool { return p.Room == stale.Room })
	if i < 0 {
		return nil, nil // its problem was pruned meanwhile
	}
	post := &e.posts[i]
	defer func() {
		if fault := recover(); fault != nil {
			nudge, err = nil, fmt.Errorf("the clocks of %s in %s are stopped, which is a fault of the relay's: %v\n%s", stale.Key, stale.Room, fault, debug.Stack())
			e = effect{posts: b.postsOf(stale.Key), touched: []string{stale.Room}}
			e.posts[i].EscalateAt, e.posts[i].RemindAt = time.Time{}, time.Time{}
			b.take(stale.Key, e)
		}
	}()
	t := b.rules.timing(*post)
	e.problem = b.problem(stale.Key)
	b.endSuppression(&e)
	post.LookAt = lookAt(e.problem, b.now)
	if from, runs := e.problem.Unattended(b.now); !runs {
		post.EscalateAt, post.RemindAt, post.Escalated = time.Time{}, time.Time{}, 0
	} else if from.After(b.now) {
		b.wind(post, t, from)
	} else if until := t.Quiet.Until(e.problem.Severity, b.now); !until.IsZero() {
		for _, at := range []*time.Time{&post.EscalateAt, &post.RemindAt} {
			if !at.IsZero() {
				*at = later(*at, until)
			}
		}
	} else if nudge = b.nudge(post, t); nudge != nil {
		b.say(&e, *nudge, post.Route)
	}
	b.take(stale.Key, e)
	return nudge, nil
}

// endSuppression ends a suppression whose time has passed, and makes every room of the problem show
// that.
func (b *batch) endSuppression(e *effect) {
	if p := e.problem; !p.Open() || !p.Suppressed || p.SuppressedAt(b.now) {
		return
	}
	d := Decoded{Event: alert.Event{Key: e.problem.Key, Kind: alert.KindClock, At: b.now, SentAt: b.now, ReceivedAt: b.now, Exact: true}}
	e.problem, e.change = alert.Apply(e.problem, d.Event)
	for i := range e.posts {
		b.desire(&e.posts[i], e.problem, d)
		e.touched = append(e.touched, e.posts[i].Room)
	}
	b.out.Learned = append(b.out.Learned, e.problem.Key)
}

// nudge sets a post's clocks anew and gives what is to be said now; nil for nothing.
func (b *batch) nudge(post *store.Post, t route.Timing) *alert.Nudge {
	var nudge *alert.Nudge
	n := post.Escalated
	switch {
	case post.EscalateAt.IsZero() || post.EscalateAt.After(b.now):
	case n >= len(t.Escalate): // the route has fewer steps than it had
		post.EscalateAt = time.Time{}
	default:
		step := t.Escalate[n]
		nudge = &alert.Nudge{Kind: alert.EntryEscalated, Room: post.Room, Step: n, Rooms: step.Rooms, Mention: step.Mention, After: time.Duration(step.After), At: b.now}
		post.EscalateAt = time.Time{}
		if post.Escalated++; n+1 < len(t.Escalate) {
			// From now, also where the relay was away for longer: each step has its time.
			post.EscalateAt = b.now.Add(time.Duration(t.Escalate[n+1].After - step.After))
		}
	}
	if post.RemindAt.IsZero() || post.RemindAt.After(b.now) {
		return nudge
	}
	if post.RemindAt = b.now.Add(t.Remind); t.Remind == 0 || post.State == store.PostDead {
		post.RemindAt = time.Time{}
	} else if nudge == nil && !untold(*post) {
		nudge = &alert.Nudge{Kind: alert.EntryReminded, Room: post.Room, At: b.now}
	}
	return nudge
}

// say makes a nudge part of the problem, and those rooms behind that it is for.
func (b *batch) say(e *effect, n alert.Nudge, rule string) {
	d := Decoded{Event: alert.Event{Key: e.problem.Key, Kind: alert.KindNudge, Nudge: &n, At: b.now, SentAt: b.now, ReceivedAt: b.now, Exact: true}}
	var c alert.Change
	if e.problem, c = alert.Apply(e.problem, d.Event); c.Changed {
		e.change = c // not of a suppression that ended just before
	}
	for i := range e.posts {
		if n.For(e.posts[i].Room) { // the others would find nothing to tell
			b.desire(&e.posts[i], e.problem, d)
			e.touched = append(e.touched, e.posts[i].Room)
		}
	}
	for _, room := range n.Rooms {
		b.join(e, route.Target{Room: room, Route: rule}, d)
	}
}

// nag looks, every pollEvery at most, for posts whose clocks ran out, and does one
// batch of what is due. more says that there is more to do at once.
func (l *Ledger) nag(ctx context.Context) (more bool) {
	now := time.Now()
	if now.Sub(l.nagged) < pollEvery {
		return false
	}
	due, err := l.opts.Store.DuePosts(ctx, now, minBatch)
	if err == nil && len(due) > 0 {
		err = l.settle(ctx, due, now)
	}
	if err != nil && ctx.Err() == nil {
		l.opts.Log.Error("looking for reminders and escalations failed; trying again", "due", len(due), "in", pollEvery, "error", err)
		l.opts.Metrics.Failures.Inc()
	}
	more = err == nil && len(due) == minBatch
	if !more {
		l.nagged = now
	}
	return more
}

// settle does what is due for these posts. Where the store can't take it, or can't
// give a problem, the post that is at fault is found, and its clocks stopped.
func (l *Ledger) settle(ctx context.Context, due []store.Post, now time.Time) error {
	err := l.commitDue(ctx, due, now)
	if !errors.Is(err, store.ErrRejected) {
		return err
	}
	if len(due) > 1 {
		half := len(due) / 2
		return errors.Join(l.settle(ctx, due[:half], now), l.settle(ctx, due[half:], now))
	}
	post := due[0]
	l.opts.Log.Error("the clocks of a post are stopped", "key", post.Key.String(), "room", post.Room, "error", err)
	post.EscalateAt, post.RemindAt = time.Time{}, time.Time{}
	return l.opts.Store.CommitFold(ctx, store.Fold{Posts: []store.Post{post}})
}

func (l *Ledger) commitDue(ctx context.Context, due []store.Post, now time.Time) error {
	keys := make([]alert.Key, 0, len(due))
	for _, p := range due {
		if !slices.Contains(keys, p.Key) {
			keys = append(keys, p.Key)
		}
	}
	var out Due
	_, err := l.commit(ctx, func() (store.Fold, error) {
		var known Known
		var err error
		if known.Problems, err = l.opts.Store.Problems(ctx, keys); err != nil {
			return store.Fold{}, fmt.Errorf("reading problems: %w", err)
		}
		if known.Posts, err = l.opts.Store.PostsOf(ctx, keys); err != nil {
			return store.Fold{}, fmt.Errorf("reading posts: %w", err)
		}
		out = PlanDue(due, known, l.rules, now)
		return out.Fold, nil
	})
	if err != nil {
		return err
	}
	for _, err := range out.Faults {
		l.opts.Log.Error(err.Error())
	}
	for _, n := range out.Nudged {
		switch n.Nudge.Kind {
		case alert.EntryEscalated:
			l.opts.Metrics.Escalations.Inc()
			l.opts.Log.Info("problem escalated", "key", n.Key.String(), "room", n.Nudge.Room, "after", n.Nudge.After, "to", n.Nudge.Rooms, "mention", n.Nudge.Mention)
		case alert.EntryReminded:
			l.opts.Metrics.Reminders.Inc()
			l.opts.Log.Info("reminded of a problem", "key", n.Key.String(), "room", n.Nudge.Room)
		}
	}
	if l.opts.Changed != nil && (len(out.Nudged) > 0 || len(out.Ended) > 0) {
		l.opts.Changed(out.Fold)
	}
	if l.opts.Learned != nil && len(out.Ended) > 0 {
		l.opts.Learned(out.Ended)
	}
	return nil
}
