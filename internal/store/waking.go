package store

import (
	"context"
	"time"
)

// Waking returns a Store that notifies the subscribers of what was written after each successful write, so that no writer
// needs to know them.
func Waking(s Store, n Notifier) Store { return waking{s, n} }

type waking struct {
	Store
	notifier Notifier
}

func (w waking) notify(err error, topics ...Topic) error {
	if err == nil {
		for _, t := range topics {
			w.notifier.Notify(t)
		}
	}
	return err
}

func (w waking) Append(ctx context.Context, e Entry) (int64, error) {
	id, err := w.Store.Append(ctx, e)
	return id, w.notify(err, TopicJournal)
}

func (w waking) RetryEntry(ctx context.Context, id int64) error {
	return w.notify(w.Store.RetryEntry(ctx, id), TopicJournal)
}

func (w waking) CommitFold(ctx context.Context, f Fold) error {
	var topics []Topic
	if len(f.Groups) > 0 {
		topics = append(topics, TopicGroups)
	}
	if len(f.Notices) > 0 {
		topics = append(topics, TopicNotices)
	}
	return w.notify(w.Store.CommitFold(ctx, f), topics...)
}

func (w waking) AddNotice(ctx context.Context, n Notice) (int64, error) {
	id, err := w.Store.AddNotice(ctx, n)
	return id, w.notify(err, TopicNotices)
}

func (w waking) ReplayDead(ctx context.Context, id string) error {
	return w.notify(w.Store.ReplayDead(ctx, id), TopicPosts, TopicNotices)
}

func (w waking) AddReminder(ctx context.Context, r Reminder) (int64, error) {
	id, err := w.Store.AddReminder(ctx, r)
	return id, w.notify(err, TopicReminders)
}

func (w waking) SaveReminder(ctx context.Context, r Reminder, was time.Time) error {
	return w.notify(w.Store.SaveReminder(ctx, r, was), TopicReminders)
}

func (w waking) PostReminder(ctx context.Context, r Reminder, was time.Time, n Notice) (int64, error) {
	id, err := w.Store.PostReminder(ctx, r, was, n)
	return id, w.notify(err, TopicReminders, TopicNotices)
}
