package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"nms-alert-relay/internal/store"
)

const noticeColumns = `id, kind, sender, room, room_id, person, bot, parent_id, markdown, text, card, dedup,
	state, message_id, version, sent_version, edits, attempts, not_before, last_error, tracking_id, created_at, changed_at, trace`

func scanNotice(rows *sql.Rows) (store.Notice, error) {
	var n store.Notice
	err := rows.Scan(&n.ID, &n.Kind, &n.Sender, &n.Room, &n.RoomID, &n.Person, &n.Bot, &n.ParentID, &n.Markdown, &n.Text, &n.Card, &n.Dedup,
		&n.State, &n.MessageID, &n.Version, &n.SentVersion, &n.Edits, &n.Attempts, stamp{&n.NotBefore}, &n.LastError, &n.TrackingID,
		stamp{&n.CreatedAt}, stamp{&n.ChangedAt}, &n.Trace)
	if err != nil {
		err = unreadable(fmt.Sprintf("notice %d", n.ID), err)
	}
	return n, err
}

// AddNotice implements store.Store.
func (s *Store) AddNotice(ctx context.Context, n store.Notice) (id int64, err error) {
	err = s.write(ctx, "add a notice", func(t *tx) error {
		id, err = t.addNotice(n, s.clock())
		return err
	})
	return id, err
}

func (t *tx) addNotice(n store.Notice, now time.Time) (id int64, err error) {
	if n.CreatedAt.IsZero() {
		n.CreatedAt = now
	}
	if n.Dedup != "" {
		// Failures of the earlier body don't count for the new one.
		known, err := t.one(`
			UPDATE notices SET kind = ?, bot = ?, markdown = ?, text = ?, card = ?, version = version + 1,
				state = 'pending', attempts = 0, not_before = 0, last_error = '', tracking_id = '', changed_at = ?, trace = ?
			WHERE sender = ? AND room = ? AND room_id = ? AND person = ? AND dedup = ? AND dedup <> ''
			RETURNING id`,
			[]any{string(n.Kind), n.Bot, n.Markdown, n.Text, n.Card, micro(now), n.Trace, n.Sender, n.Room, n.RoomID, n.Person, n.Dedup}, &id)
		if err != nil || known {
			return id, err
		}
	}
	_, err = t.one(`
		INSERT INTO notices (kind, sender, room, room_id, person, bot, parent_id, markdown, text, card, dedup,
			state, message_id, version, sent_version, edits, attempts, not_before, last_error, tracking_id, created_at, changed_at, trace)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', '', 1, 0, 0, 0, ?, '', '', ?, ?, ?)
		RETURNING id`,
		[]any{string(n.Kind), n.Sender, n.Room, n.RoomID, n.Person, n.Bot, n.ParentID, n.Markdown, n.Text, n.Card, n.Dedup,
			micro(n.NotBefore), micro(n.CreatedAt), micro(now), n.Trace}, &id)
	return id, err
}

// Notice implements store.Store.
func (s *Store) Notice(ctx context.Context, id int64) (store.Notice, error) {
	return queryOne(ctx, s, "read a notice", fmt.Sprintf("notice %d", id), scanNotice, `SELECT `+noticeColumns+` FROM notices WHERE id = ?`, id)
}

const pendingNotices = `SELECT ` + noticeColumns + ` FROM notices WHERE state = 'pending' ORDER BY id`

// PendingNotices implements store.Store.
func (s *Store) PendingNotices(ctx context.Context) ([]store.Notice, error) {
	return queryReadable(ctx, s, "read pending notices", scanNotice, pendingNotices)
}

// SaveNotice implements store.Store. n.Version is the body that was sent; the outcome doesn't apply to a newer one.
func (s *Store) SaveNotice(ctx context.Context, n store.Notice) error {
	return s.write(ctx, "save a notice", func(t *tx) error {
		changed, err := t.exec(`
			UPDATE notices SET
				state = CASE WHEN version > ?1 OR ?2 = 'sent' AND version > ?3 THEN 'pending' ELSE ?2 END,
				message_id = ?4, sent_version = ?3, edits = ?5,
				(attempts, not_before, last_error, tracking_id, changed_at) = (
					SELECT attempts, not_before, last_error, tracking_id, changed_at WHERE version > ?1
					UNION ALL SELECT ?6, ?7, ?8, ?9, ?10 WHERE version <= ?1)
			WHERE id = ?11`,
			n.Version, string(n.State), n.SentVersion, n.MessageID, n.Edits, n.Attempts, micro(n.NotBefore), n.LastError, n.TrackingID,
			micro(changedAt(n, s.clock())), n.ID)
		if err == nil && changed == 0 {
			return fmt.Errorf("notice %d: %w", n.ID, store.ErrNotFound)
		}
		return err
	})
}

// changedAt is when a notice reached its state. A failed attempt doesn't make a pending notice
// younger.
func changedAt(n store.Notice, now time.Time) time.Time {
	if n.State == store.NoticePending && !n.ChangedAt.IsZero() {
		return n.ChangedAt
	}
	return now
}
