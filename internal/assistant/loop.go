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
	AddNotice(ctx context.Context, n store.Notice) (int64, error)
}

// Due is what becomes of a reminder that is due.
type Due struct {
	Notice *store.Notice // what is posted; nil for nothing: its person has left, say
	Next   time.Time     // when it is due again; zero for never
	Why    string        // why nothing is posted, for the log
}

// Kind decides what becomes of a reminder. After a crash it is asked again, and the notice of the first time counts.
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
	// retryAfter is the longest pause after the store failed.
	retryAfter = 5 * time.Second
)

// Loop posts what is due. It keeps nothing: the store says what is next.
type Loop struct {
	o     Options
	woken <-chan struct{}
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
			wait = min(retryAfter, max(time.Second, wait))
			l.o.Log.Error("cannot post reminders that are due, retrying", "in", wait, "error", err)
		}
		pace.Pause(ctx, wait, l.woken)
	}
	return nil
}

// round handles the reminders that are due, and returns how long until the next one is. One that fails doesn't hold up the others.
func (l *Loop) round(ctx context.Context) (wait time.Duration, err error) {
	next, err := l.o.Store.NextReminders(ctx, batch)
	if err != nil {
		return 0, err
	}
	for _, r := range next {
		if left := r.Due.Sub(l.o.Now()); left > 0 {
			return min(left, pollEvery), err
		}
		err = errors.Join(err, l.handle(ctx, r))
	}
	if len(next) == batch {
		return 0, err
	}
	return pollEvery, err
}

// handle posts a reminder that is due, once: the notice is named after when it was due.
func (l *Loop) handle(ctx context.Context, r store.Reminder) error {
	was := r.Due
	due, err := l.decide(ctx, r)
	if err == nil && due.Notice != nil {
		r.Notice, err = l.post(ctx, *due.Notice, r.ID, was)
	}
	result := resultPosted
	switch {
	case err != nil && !lasting(err):
		l.o.Metrics.count(r.Kind, resultFailed)
		return fmt.Errorf("reminder %d: %w", r.ID, err)
	case err != nil:
		l.o.Log.Error("cannot post a reminder: this time it is left out", "reminder", r.ID, "kind", r.Kind, "person", r.Email, "room", r.Room, "error", err)
		result = resultFailed
	case due.Notice == nil:
		result = resultNothing
	}
	r.Last, r.Due = was, due.Next
	err = l.o.Store.SaveReminder(ctx, r, was)
	if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) { // somebody moved or removed it meanwhile
		return fmt.Errorf("reminder %d: %w", r.ID, err)
	}
	l.o.Metrics.count(r.Kind, result)
	l.o.Log.Info("reminder due", "reminder", r.ID, "kind", r.Kind, "person", r.Email, "room", r.Room, "key", keyOf(r), "result", result, "why", due.Why, "notice", r.Notice, "next", r.Due)
	return nil
}

var errUnknown = errors.New("unknown kind of reminder")

// lasting reports whether trying again can't help.
func lasting(err error) bool { return store.Lasting(err) || errors.Is(err, errUnknown) }

func (l *Loop) decide(ctx context.Context, r store.Reminder) (Due, error) {
	kind, known := l.o.Kinds[r.Kind]
	if !known {
		return Due{}, fmt.Errorf("%w: %q", errUnknown, r.Kind)
	}
	return kind(ctx, r, l.o.Now())
}

// post adds the notice of a reminder. While too many files wait it goes without its own.
func (l *Loop) post(ctx context.Context, n store.Notice, id int64, due time.Time) (notice int64, err error) {
	n.Kind, n.State, n.CreatedAt = store.NoticeReminder, store.NoticePending, l.o.Now()
	n.Once = store.Once{Key: fmt.Sprintf("reminder/%d/%d", id, due.UnixMicro())}
	notice, err = l.o.Store.AddNotice(ctx, n)
	if errors.Is(err, store.ErrFull) && n.File != nil {
		n.File = nil
		notice, err = l.o.Store.AddNotice(ctx, n)
	}
	return notice, err
}

func keyOf(r store.Reminder) string {
	if r.Problem.EventID == "" {
		return ""
	}
	return r.Problem.String()
}
