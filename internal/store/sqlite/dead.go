package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

const deadLetters = `
		SELECT * FROM (
			SELECT 0, 0, 0, source, event_id, room, last_error, tracking_id, dead_at AS gone FROM posts WHERE state = 'dead'
			UNION ALL
			SELECT 0, id, 0, '', '', room, last_error, tracking_id, dead_at FROM digests WHERE state = 'dead'
			UNION ALL
			SELECT 0, id, 1, '', '', room, list_error, list_tracking_id, list_dead_at FROM digests WHERE list_dead_at > 0
			UNION ALL
			SELECT id, 0, 0, '', '', CASE WHEN room <> '' THEN room WHEN person <> '' THEN person ELSE room_id END,
				last_error, tracking_id, changed_at FROM notices WHERE state = 'dead')
		ORDER BY gone DESC`

// DeadLetters implements store.Store, the newest first.
func (s *Store) DeadLetters(ctx context.Context) ([]store.DeadLetter, error) {
	return queryReadable(ctx, s, "read dead letters", func(rows *sql.Rows) (store.DeadLetter, error) {
		var d store.DeadLetter
		var when int64
		err := rows.Scan(&d.NoticeID, &d.DigestID, &d.List, &d.Key.Source, &d.Key.EventID, &d.Room, &d.Reason, &d.TrackingID, &when)
		d.At = at(when)
		switch {
		case d.NoticeID != 0:
			d.ID = "notice:" + strconv.FormatInt(d.NoticeID, 10)
		case d.List:
			d.ID = "list:" + strconv.FormatInt(d.DigestID, 10)
		case d.DigestID != 0:
			d.ID = "digest:" + strconv.FormatInt(d.DigestID, 10)
		default:
			d.ID = "post:" + d.Key.String() + "@" + d.Room
		}
		if err != nil {
			err = unreadable("dead letter "+d.ID, err)
		}
		return d, err
	}, deadLetters)
}

// letter is a dead letter's id, read.
type letter struct {
	key    alert.Key
	room   string
	notice int64
	digest int64
	list   int64 // of this digest
}

func parseLetter(id string) (letter, bool) {
	if text, ok := strings.CutPrefix(id, "notice:"); ok {
		n, err := strconv.ParseInt(text, 10, 64)
		return letter{notice: n}, err == nil && n > 0
	}
	if text, ok := strings.CutPrefix(id, "digest:"); ok {
		n, err := strconv.ParseInt(text, 10, 64)
		return letter{digest: n}, err == nil && n > 0
	}
	if text, ok := strings.CutPrefix(id, "list:"); ok {
		n, err := strconv.ParseInt(text, 10, 64)
		return letter{list: n}, err == nil && n > 0
	}
	text, ok := strings.CutPrefix(id, "post:")
	if !ok {
		return letter{}, false
	}
	// A source's name has no slash and an event id no "@"; a room's name may have both.
	key, room, ok := strings.Cut(text, "@")
	return letter{key: alert.ParseKey(key), room: room}, ok
}

// letters are what is done to each sort of dead letter. The statements of a digest come one after another.
type letters struct {
	post, notice, list string
	digest             []string
}

// onDead runs the statements for a dead letter.
func (s *Store) onDead(ctx context.Context, id, what string, do letters, args ...any) error {
	l, ok := parseLetter(id)
	if !ok {
		return fmt.Errorf("dead letter %q: %w: ids are like post:main/4711@noc, digest:3, list:3 and notice:12", id, store.ErrNotFound)
	}
	return s.write(ctx, what, func(t *tx) error {
		var n int64
		var err error
		switch {
		case l.notice != 0:
			n, err = t.exec(do.notice, append(args, l.notice)...)
		case l.list != 0:
			n, err = t.exec(do.list, append(args, l.list)...)
		case l.digest != 0:
			for i, statement := range do.digest {
				if n, err = t.exec(statement, append(args, l.digest)...); err != nil || n == 0 && i == 0 {
					break
				}
				n = 1 // a digest may have lost all its posts
			}
		default:
			n, err = t.exec(do.post, append(args, l.key.EventID, l.key.Source, l.room)...)
		}
		if err == nil && n == 0 {
			return fmt.Errorf("dead letter %q: %w", id, store.ErrNotFound)
		}
		return err
	})
}

// ReplayDead implements store.Store.
func (s *Store) ReplayDead(ctx context.Context, id string) error {
	return s.onDead(ctx, id, "replay a dead letter", letters{
		post: `
			UPDATE posts SET state = 'live', dirty_since = ?, delivered = min(delivered, desired - 1), attempts = 0, not_before = 0,
				last_error = '', tracking_id = '', dead_at = 0
			WHERE event_id = ? AND source = ? AND room = ? AND state = 'dead'`,
		notice: `
			UPDATE notices SET state = 'pending', changed_at = ?, attempts = 0, not_before = 0, last_error = '', tracking_id = ''
			WHERE id = ? AND state = 'dead'`,
		list: `
			UPDATE digests SET pending = 1, listed = 0, spoke_at = max(spoke_at, ?), list_dead_at = 0, list_error = '', list_tracking_id = ''
			WHERE id = ? AND list_dead_at > 0`,
		digest: []string{`
			UPDATE digests SET state = 'live', pending = 1, created_at = max(created_at, ?), attempts = 0, not_before = 0,
				last_error = '', tracking_id = '', dead_at = 0
			WHERE id = ? AND state = 'dead'`},
	}, micro(s.clock()))
}

// DropDead implements store.Store.
func (s *Store) DropDead(ctx context.Context, id string) error {
	return s.onDead(ctx, id, "drop a dead letter", letters{
		post:   `DELETE FROM posts WHERE event_id = ? AND source = ? AND room = ? AND state = 'dead'`,
		notice: `DELETE FROM notices WHERE id = ? AND state = 'dead'`,
		list:   `UPDATE digests SET list_dead_at = 0, list_error = '', list_tracking_id = '' WHERE id = ? AND list_dead_at > 0`,
		digest: []string{`DELETE FROM digests WHERE id = ? AND state = 'dead'`, `DELETE FROM posts WHERE digest = ? AND digest > 0`},
	})
}
