package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// gatherNudges is how long escalations and reminders wait for others that are due at almost the same time: those of a
// storm share their messages.
const gatherNudges = time.Second

// clock handles one batch of due posts if it is time to check. more reports that others are due already.
func (l *Ledger) clock(ctx context.Context) (more bool) {
	now := time.Now()
	if now.Before(l.clockAt) {
		return false
	}
	rooms, err := l.opts.Store.FreshRooms(ctx)
	var due []store.Post
	if err == nil {
		due, err = l.opts.Store.DuePosts(ctx, now, minBatch)
	}
	more = len(due) == minBatch
	l.clockAt = now.Add(pollEvery)
	if at := gatheredAt(due, now); at.After(now) {
		due = slices.DeleteFunc(due, func(p store.Post) bool { return !looks(p, now) })
		more = more && len(due) > 0
		l.clockAt = pace.Earlier(l.clockAt, at)
	}
	if err == nil && len(due)+len(rooms) > 0 {
		err = l.doDue(ctx, due, rooms, now)
	}
	if err != nil && ctx.Err() == nil {
		l.opts.Log.Error("handling due posts failed, retrying", "due", len(due), "in", pollEvery, "error", err)
		l.opts.Metrics.Failures.Inc()
	}
	if more = more && err == nil; more {
		l.clockAt = now
	}
	return more
}

// looks reports whether a post is due for more than an escalation or a reminder.
func looks(p store.Post, now time.Time) bool { return !p.LookAt.IsZero() && !p.LookAt.After(now) }

// gatheredAt is when the due escalations and reminders are handled; zero if there are none.
func gatheredAt(due []store.Post, now time.Time) (at time.Time) {
	for _, p := range due {
		for _, nudge := range []time.Time{p.EscalateAt, p.RemindAt} {
			if !nudge.IsZero() && !nudge.After(now) && (at.IsZero() || nudge.Before(at)) {
				at = nudge
			}
		}
	}
	if at.IsZero() {
		return at
	}
	return at.Add(gatherNudges)
}

// doDue handles due posts. If the store rejects them, it finds the post at fault and stops its clocks, except after conflicts.
func (l *Ledger) doDue(ctx context.Context, due []store.Post, rooms []string, now time.Time) error {
	err := l.commitDue(ctx, due, rooms, now)
	if !errors.Is(err, store.ErrRejected) || len(due) == 0 || len(due) == 1 && errors.Is(err, store.ErrConflict) {
		return err
	}
	if len(due) > 1 {
		half := len(due) / 2
		return errors.Join(l.doDue(ctx, due[:half], rooms, now), l.doDue(ctx, due[half:], rooms, now))
	}
	post := due[0]
	l.opts.Log.Error("escalation and reminders of a post are stopped: the store rejects them", "key", post.Key.String(), "room", post.Room, "error", err)
	post.EscalateAt, post.RemindAt, post.LookAt = time.Time{}, time.Time{}, time.Time{}
	return l.opts.Store.CommitFold(ctx, store.Fold{Posts: []store.Post{post}})
}

func (l *Ledger) commitDue(ctx context.Context, due []store.Post, rooms []string, now time.Time) error {
	keys := make([]alert.Key, len(due))
	for i, p := range due {
		keys[i] = p.Key
	}
	out, _, err := l.commit(ctx, keys, nil, func(known Known) *Draft { return PlanDue(due, rooms, known, l.opts.Rules, now) })
	if err != nil || out.empty() {
		return err
	}
	for _, err := range out.Faults {
		l.opts.Log.Error(err.Error())
	}
	for _, n := range out.Nudged {
		switch n.Nudge.Kind {
		case alert.EntryEscalated:
			l.opts.Metrics.Escalations.Inc()
			l.opts.Log.Info("problem escalated", "key", n.Key.String(), "room", n.Nudge.Room, "after", n.Nudge.After, "to", n.Nudge.Rooms, "mention", n.Nudge.Mention, "gaps", n.Nudge.Gaps)
		case alert.EntryReminded:
			l.opts.Metrics.Reminders.Inc()
			l.opts.Log.Info("reminder sent", "key", n.Key.String(), "room", n.Nudge.Room)
		case alert.EntryAsked:
			l.opts.Log.Info("an acknowledgement is about to lapse: asking who is still on it", "key", n.Key.String(), "room", n.Nudge.Room, "idle", n.Nudge.After, "mention", n.Nudge.Mention)
		}
	}
	l.done(out)
	return nil
}
