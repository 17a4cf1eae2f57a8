package memory

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"nms-alert-relay/internal/store"
)

type reminder struct {
	store.Reminder
	ChangedAt time.Time
}

func reminderName(id int64) string { return fmt.Sprintf("reminder %d", id) }

// AddReminder implements store.Store.
func (s *Store) AddReminder(ctx context.Context, r store.Reminder) (int64, error) {
	return call(ctx, s, func() (int64, error) {
		for id, other := range s.reminders.rows {
			if other.Command == r.Command {
				return id, nil
			}
		}
		s.lastReminder++
		r.ID = s.lastReminder
		s.reminders.put(r.ID, reminder{r, s.now()})
		return r.ID, nil
	})
}

// Reminder implements store.Store.
func (s *Store) Reminder(ctx context.Context, id int64) (store.Reminder, error) {
	return call(ctx, s, func() (store.Reminder, error) {
		r, err := s.reminders.get(id, reminderName(id))
		return r.Reminder, err
	})
}

// NextReminders implements store.Store.
func (s *Store) NextReminders(ctx context.Context, limit int) ([]store.Reminder, error) {
	return call(ctx, s, func() (all []store.Reminder, err error) {
		order := func(a, b reminder) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) }
		for _, r := range s.reminders.find(limit, order, func(r reminder) bool { return !r.Due.IsZero() }) {
			all = append(all, r.Reminder)
		}
		return all, nil
	})
}

// ReminderByMessage implements store.Store.
func (s *Store) ReminderByMessage(ctx context.Context, messageID string) (store.Reminder, error) {
	return call(ctx, s, func() (store.Reminder, error) {
		shown := s.messages.rows[store.MessageID(messageID)]
		for _, r := range s.reminders.rows {
			if r.Notice > 0 && r.Notice == shown.notice {
				return own(r.Reminder), nil
			}
		}
		return store.Reminder{}, fmt.Errorf("reminder of message %s: %w", messageID, store.ErrNotFound)
	})
}

// SaveReminder implements store.Store.
func (s *Store) SaveReminder(ctx context.Context, r store.Reminder, was time.Time) error {
	return s.do(ctx, func() error { return s.saveReminder(r, was) })
}

func (d *data) saveReminder(r store.Reminder, was time.Time) error {
	is, err := d.reminders.get(r.ID, reminderName(r.ID))
	if err != nil {
		return err
	}
	if !is.Due.Equal(own(was)) {
		return fmt.Errorf("%s: %w", reminderName(r.ID), store.ErrConflict)
	}
	is.Schedule, is.Zone, is.Due, is.Last, is.Notice, is.ChangedAt = r.Schedule, r.Zone, r.Due, r.Last, r.Notice, d.now()
	d.reminders.put(r.ID, is)
	return nil
}

// PostReminder implements store.Store.
func (s *Store) PostReminder(ctx context.Context, r store.Reminder, was time.Time, n store.Notice) (int64, error) {
	return call(ctx, s, func() (id int64, err error) {
		if r.Notice, err = s.addNotice(n); err == nil {
			err = s.saveReminder(r, was)
		}
		return r.Notice, err
	})
}
