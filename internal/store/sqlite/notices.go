package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/store"
)

const noticeColumns = `id, kind, sender, room, room_id, person, bot, parent_id, markdown, text, card, dedup,
	state, message_id, version, sent_version, edits, attempts, not_before, last_error, tracking_id, created_at, changed_at, trace,
	thread, file_name, file_type`

func scanNotice(rows *sql.Rows) (store.Notice, error) {
	var n store.Notice
	var file store.File
	err := rows.Scan(&n.ID, &n.Kind, &n.Sender, &n.Room, &n.RoomID, &n.Person, &n.Bot, &n.ParentID, &n.Markdown, &n.Text, &n.Card, &n.Dedup,
		&n.State, &n.MessageID, &n.Version, &n.SentVersion, &n.Edits, &n.Attempts, stamp{&n.NotBefore}, &n.LastError, &n.TrackingID,
		stamp{&n.CreatedAt}, stamp{&n.ChangedAt}, &n.Trace, &n.Thread, &file.Name, &file.Type)
	if file.Name != "" {
		n.File = &file
	}
	if err != nil {
		err = unreadable(fmt.Sprintf("notice %d", n.ID), err)
	}
	return n, err
}

// AddNotice implements store.Store.
func (s *Store) AddNotice(ctx context.Context, n store.Notice) (id int64, err error) {
	err = s.write(ctx, "add a notice", func(t *tx) error {
		now := s.clock()
		if n.Once.Key == "" {
			id, err = t.addNotice(n, now)
			return err
		}
		var known bool
		if id, known, err = t.accepted(n, now); err != nil || known {
			return err
		}
		if id, err = t.addNotice(n, now); err != nil {
			return err
		}
		_, err = t.exec(`INSERT OR REPLACE INTO notice_keys (sender, key, digest, notice, created_at) VALUES (?, ?, ?, ?, ?)`,
			n.Sender, n.Once.Key, n.Once.Digest, id, micro(now))
		return err
	})
	return id, err
}

// accepted returns the notice that the same request added before, and forgets some old requests.
func (t *tx) accepted(n store.Notice, now time.Time) (id int64, known bool, err error) {
	oldest := micro(now.Add(-store.OnceFor))
	if _, err := t.exec(`DELETE FROM notice_keys WHERE (sender, key) IN
		(SELECT sender, key FROM notice_keys WHERE created_at <= ? ORDER BY created_at LIMIT 20)`, oldest); err != nil {
		return 0, false, err
	}
	var digest string
	known, err = t.one(`SELECT digest, notice FROM notice_keys WHERE sender = ? AND key = ? AND created_at > ?`,
		[]any{n.Sender, n.Once.Key, oldest}, &digest, &id)
	if known && digest != n.Once.Digest {
		err = store.ErrKeyReused
	}
	return id, known, err
}

// addFile stores the file of a new notice.
func (t *tx) addFile(id int64, content []byte) error {
	var waiting int
	if _, err := t.one(`SELECT coalesce(sum(size), 0) FROM notice_files`, nil, &waiting); err != nil {
		return err
	}
	if waiting+len(content) > store.MaxFiles {
		return fmt.Errorf("%w: %d MiB", store.ErrFull, waiting>>20)
	}
	_, err := t.exec(`INSERT INTO notice_files (notice, size, content) VALUES (?, ?, ?)`, id, len(content), content)
	return err
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
	var file store.File
	if n.File != nil {
		file = *n.File
	}
	_, err = t.one(`
		INSERT INTO notices (kind, sender, room, room_id, person, bot, parent_id, markdown, text, card, dedup,
			state, message_id, version, sent_version, edits, attempts, not_before, last_error, tracking_id, created_at, changed_at, trace,
			thread, file_name, file_type)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', '', 1, 0, 0, 0, ?, '', '', ?, ?, ?, ?, ?, ?)
		RETURNING id`,
		[]any{string(n.Kind), n.Sender, n.Room, n.RoomID, n.Person, n.Bot, n.ParentID, n.Markdown, n.Text, n.Card, n.Dedup,
			micro(n.NotBefore), micro(n.CreatedAt), micro(now), n.Trace, n.Thread, file.Name, file.Type}, &id)
	if err == nil && file.Name != "" {
		err = t.addFile(id, file.Content)
	}
	return id, err
}

// Notice implements store.Store.
func (s *Store) Notice(ctx context.Context, id int64) (store.Notice, error) {
	return queryOne(ctx, s, "read a notice", fmt.Sprintf("notice %d", id), scanNotice, `SELECT `+noticeColumns+` FROM notices WHERE id = ?`, id)
}

// NoticeFile implements store.Store.
func (s *Store) NoticeFile(ctx context.Context, id int64) ([]byte, error) {
	return queryOne(ctx, s, "read a notice's file", fmt.Sprintf("file of notice %d", id), func(rows *sql.Rows) (content []byte, err error) {
		return content, rows.Scan(&content)
	}, `SELECT content FROM notice_files WHERE notice = ?`, id)
}

// ThreadRoot implements store.Store. The newest root counts: a thread whose root was deleted has begun again.
func (s *Store) ThreadRoot(ctx context.Context, n store.Notice) (string, error) {
	found, err := query(ctx, s, "find the root of a thread", func(rows *sql.Rows) (id string, err error) {
		return id, rows.Scan(&id)
	}, `SELECT message_id FROM notices WHERE sender = ? AND thread = ? AND thread <> '' AND room = ? AND room_id = ? AND person = ?
		AND message_id <> '' AND parent_id = '' AND id <> ? ORDER BY id DESC LIMIT 1`, n.Sender, n.Thread, n.Room, n.RoomID, n.Person, n.ID)
	return strings.Join(found, ""), err
}

// CardNotices implements store.Store.
func (s *Store) CardNotices(ctx context.Context, since time.Time) ([]store.Notice, error) {
	return queryReadable(ctx, s, "read notices with cards", scanNotice,
		`SELECT `+noticeColumns+` FROM notices WHERE state = 'sent' AND changed_at >= ? AND length(card) > 0 ORDER BY id`, micro(since))
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
				parent_id = ?12, message_id = ?4, sent_version = ?3, edits = ?5,
				(attempts, not_before, last_error, tracking_id, changed_at) = (
					SELECT attempts, not_before, last_error, tracking_id, changed_at WHERE version > ?1
					UNION ALL SELECT ?6, ?7, ?8, ?9, ?10 WHERE version <= ?1)
			WHERE id = ?11`,
			n.Version, string(n.State), n.SentVersion, n.MessageID, n.Edits, n.Attempts, micro(n.NotBefore), n.LastError, n.TrackingID,
			micro(changedAt(n, s.clock())), n.ID, n.ParentID)
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
