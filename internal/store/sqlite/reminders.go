package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"nms-alert-relay/internal/store"
)

const reminderColumns = `kind, room, room_id, bot, person, email, name, source, event_id, words, schedule, zone, command, created_at, due_at, last_at, notice`

func scanReminder(rows *sql.Rows) (r store.Reminder, err error) {
	return r, rows.Scan(&r.ID, &r.Kind, &r.Room, &r.RoomID, &r.Bot, &r.Person, &r.Email, &r.Name, &r.Problem.Source, &r.Problem.EventID, &r.Words,
		&r.Schedule, &r.Zone, &r.Command, stamp{&r.CreatedAt}, stamp{&r.Due}, stamp{&r.Last}, &r.Notice)
}

// AddReminder implements store.Store.
func (s *Store) AddReminder(ctx context.Context, r store.Reminder) (id int64, err error) {
	err = s.write(ctx, "add a reminder", func(t *tx) error {
		if known, err := t.one(`SELECT id FROM reminders WHERE command = ?`, []any{r.Command}, &id); known || err != nil {
			return err
		}
		id, err = t.insert(`INSERT INTO reminders (`+reminderColumns+`, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			string(r.Kind), r.Room, r.RoomID, r.Bot, r.Person, r.Email, r.Name, r.Problem.Source, r.Problem.EventID, r.Words,
			r.Schedule, r.Zone, r.Command, micro(r.CreatedAt), micro(r.Due), micro(r.Last), r.Notice, micro(s.clock()))
		return err
	})
	return id, err
}

// Reminder implements store.Store.
func (s *Store) Reminder(ctx context.Context, id int64) (store.Reminder, error) {
	return queryOne(ctx, s, "read a reminder", fmt.Sprintf("reminder %d", id), scanReminder, `SELECT id, `+reminderColumns+` FROM reminders WHERE id = ?`, id)
}

const nextReminders = `SELECT id, ` + reminderColumns + ` FROM reminders WHERE due_at > 0 ORDER BY due_at, id LIMIT ?`

// NextReminders implements store.Store.
func (s *Store) NextReminders(ctx context.Context, limit int) ([]store.Reminder, error) {
	return query(ctx, s, "read reminders", scanReminder, nextReminders, limited(limit))
}

const reminderByMessage = `SELECT id, ` + reminderColumns + ` FROM reminders e
	WHERE e.notice > 0 AND e.notice IN (SELECT m.notice FROM messages m WHERE m.id IN (?, ?)) LIMIT 1`

// ReminderByMessage implements store.Store.
func (s *Store) ReminderByMessage(ctx context.Context, messageID string) (store.Reminder, error) {
	return queryOne(ctx, s, "find the reminder of a message", "reminder of message "+messageID, scanReminder, reminderByMessage, messageID, store.MessageID(messageID))
}

// SaveReminder implements store.Store.
func (s *Store) SaveReminder(ctx context.Context, r store.Reminder, was time.Time) error {
	return s.write(ctx, "save a reminder", func(t *tx) error { return t.saveReminder(r, was, s.clock()) })
}

func (t *tx) saveReminder(r store.Reminder, was, now time.Time) error {
	n, err := t.exec(`UPDATE reminders SET schedule = ?, zone = ?, due_at = ?, last_at = ?, notice = ?, changed_at = ? WHERE id = ? AND due_at = ?`,
		r.Schedule, r.Zone, micro(r.Due), micro(r.Last), r.Notice, micro(now), r.ID, micro(was))
	if err != nil || n > 0 {
		return err
	}
	if known, err := t.one(`SELECT id FROM reminders WHERE id = ?`, []any{r.ID}, new(int64)); known || err != nil {
		if err == nil {
			err = fmt.Errorf("reminder %d: %w", r.ID, store.ErrConflict)
		}
		return err
	}
	return fmt.Errorf("reminder %d: %w", r.ID, store.ErrNotFound)
}

// PostReminder implements store.Store.
func (s *Store) PostReminder(ctx context.Context, r store.Reminder, was time.Time, n store.Notice) (id int64, err error) {
	err = s.write(ctx, "post a reminder", func(t *tx) error {
		now := s.clock()
		if r.Notice, err = t.addNotice(n, now); err != nil {
			return err
		}
		return t.saveReminder(r, was, now)
	})
	return r.Notice, err
}
