// Package assistant is what the relay does for people at a time that they chose: reminders and reports. When they are due, and what
// a report says, are pure functions; one loop posts what is due.
package assistant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"nms-alert-relay/internal/pace"
	"nms-alert-relay/internal/store"
)

// Store is what the loop needs of store.Store.
type Store interface {
	NextReminders(ctx context.Context, limit int) ([]store.Reminder, error)
	SaveReminder(ctx context.Context, r store.Reminder, was time.Time) error
	PostReminder(ctx context.Context, r store.Reminder, was time.Time, n store.Notice) (int64, error)
}

// Due is what becomes of a reminder that is due.
type Due struct {
	Notice *store.Notice // what is posted; nil for nothing: its person has left, say
	Next   time.Time     // when it is due again; zero for never
	Why    string        // why nothing is posted, for the log
}

// Kind decides what becomes of a reminder. With an error that stays (store.Lasting) its Next still counts.
type Kind func(ctx context.Context, r store.Reminder, now time.Time) (Due, error)

// Options configure a Loop. All but Notifier are required.
type Options struct {
	Store Store
	// Kinds has a function for each of store.ReminderKinds.
	Kinds    map[store.ReminderKind]Kind
	Notifier store.Notifier // wakes the loop (store.TopicReminders); nil: it polls
	Log      *slog.Logger
	Metrics  *Metrics
	Now      func() time.Time
}

const (
	// batch is how many due reminders are read at a time.
	batch = 64
	// pollEvery bounds how long the loop sleeps, since the machine's clock may jump.
	pollEvery = time.Minute
	// storeRetry is the pause after the reminders couldn't be read.
	storeRetry = 5 * time.Second
	// firstRetry and lastRetry bound the pause after a reminder failed, which doubles.
	firstRetry, lastRetry = time.Second, time.Minute
)

// Loop posts what is due. The store says what is next; the loop keeps only which reminders failed, until their next try.
type Loop struct {
	o      Options
	woken  <-chan struct{}
	failed map[int64]failure // by the reminder's id
}

// failure is a reminder that failed a number of times in a row, and waits for its next try. The others don't wait for it.
type failure struct {
	due   time.Time // of the reminder: one that is moved doesn't wait
	times int
	retry time.Time
}

// New makes a Loop; Run starts it.
func New(o Options) *Loop {
	l := &Loop{o: o}
	if o.Notifier != nil {
		l.woken, _ = o.Notifier.Subscribe(store.TopicReminders)
	}
	return l
}

// Run posts what is due until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		wait, err := l.round(ctx)
		if err != nil && ctx.Err() == nil {
			l.o.Log.Error("cannot read the reminders that are due, retrying", "in", wait, "error", err)
		}
		pace.Pause(ctx, wait, l.woken)
	}
	return nil
}

// round handles the reminders that are due, and returns how long until there is something to do. Those that wait for their next try are
// read beside the batch: however many they are, they don't fill it.
func (l *Loop) round(ctx context.Context) (wait time.Duration, err error) {
	limit := batch + len(l.failed)
	next, err := l.o.Store.NextReminders(ctx, limit)
	if err != nil {
		return storeRetry, err
	}
	before := l.failed
	l.failed, wait = map[int64]failure{}, pollEvery
	for _, r := range next {
		f, at := before[r.ID], r.Due
		if f.due.Equal(r.Due) {
			at = f.retry
		} else {
			f = failure{due: r.Due}
		}
		now := l.o.Now()
		switch left := at.Sub(now); {
		case left > 0 && f.times == 0: // not due yet, nor are those behind it
			return min(wait, left), nil
		case left <= 0:
			err := l.handle(ctx, r)
			if err == nil {
				continue
			}
			if ctx.Err() != nil {
				return 0, nil
			}
			f.times++
			pause := min(lastRetry, firstRetry<<min(f.times-1, 10))
			f.retry = now.Add(pause)
			l.o.Log.Error("cannot post a reminder, retrying", "reminder", r.ID, "kind", r.Kind, "person", r.Email, "room", r.Room, "in", pause, "error", err)
		}
		l.failed[r.ID] = f
		wait = min(wait, max(firstRetry, f.retry.Sub(now)))
	}
	if len(next) == limit {
		return 0, nil
	}
	return wait, nil
}

// handle posts a reminder that is due, once: its notice and its next time are written together.
func (l *Loop) handle(ctx context.Context, r store.Reminder) error {
	was, result := r.Due, resultNothing
	due, err := l.decide(ctx, r)
	r.Last, r.Due = was, due.Next
	if err == nil {
		if due.Notice != nil {
			result = resultPosted
		}
		err = l.save(ctx, &r, was, due.Notice)
	}
	if givesUp(r, err) {
		l.o.Log.Error("cannot post a reminder: it is left out", "reminder", r.ID, "kind", r.Kind, "person", r.Email, "room", r.Room, "next", r.Due, "error", err)
		result, err = resultFailed, l.save(ctx, &r, was, nil)
	}
	switch {
	case errors.Is(err, errMoved):
		l.o.Log.Info("a reminder was moved or removed in the moment in which it was due", "reminder", r.ID, "person", r.Email)
		return nil
	case err != nil:
		l.o.Metrics.count(r.Kind, resultFailed)
		return err
	}
	l.o.Metrics.count(r.Kind, result)
	l.o.Log.Info("reminder due", "reminder", r.ID, "kind", r.Kind, "person", r.Email, "room", r.Room, "key", keyOf(r), "result", result, "why", due.Why, "notice", r.Notice, "next", r.Due)
	return nil
}

var (
	errUnknown = errors.New("unknown kind of reminder")
	errMoved   = errors.New("moved or removed meanwhile")
)

// givesUp reports whether a reminder that failed is left out: trying again can't help, and one with a schedule comes again later. r is as
// it would be saved. A schedule never ends by a failure, unless this relay doesn't know what it is about.
func givesUp(r store.Reminder, err error) bool {
	return errors.Is(err, errUnknown) || store.Lasting(err) && (r.Schedule == "" || !r.Due.IsZero())
}

func (l *Loop) decide(ctx context.Context, r store.Reminder) (Due, error) {
	kind, known := l.o.Kinds[r.Kind]
	if !known {
		return Due{}, fmt.Errorf("%w: %q", errUnknown, r.Kind)
	}
	return kind(ctx, r, l.o.Now())
}

// save writes a reminder, and its notice, if any. While too many files wait it goes without its own.
func (l *Loop) save(ctx context.Context, r *store.Reminder, was time.Time, n *store.Notice) (err error) {
	if n == nil {
		err = l.o.Store.SaveReminder(ctx, *r, was)
	} else {
		n.Kind, n.State, n.CreatedAt = store.NoticeReminder, store.NoticePending, l.o.Now()
		var id int64
		id, err = l.o.Store.PostReminder(ctx, *r, was, *n)
		if errors.Is(err, store.ErrFull) && n.File != nil {
			n.File = nil
			id, err = l.o.Store.PostReminder(ctx, *r, was, *n)
		}
		if err == nil {
			r.Notice = id
		}
	}
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return errMoved
	}
	return err
}

func keyOf(r store.Reminder) string {
	if r.Problem.EventID == "" {
		return ""
	}
	return r.Problem.String()
}
