package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// A post is a row of posts, with one of cursors once it is claimed and one of pending while it is
// pending.
const (
	postColumns = `t.event_id, t.source, t.room, t.route, t.desired, t.severity, t.open, t.opened_at, t.joined_at, t.received_at, t.hold_until, t.tell_after,
	t.remind_at, t.escalate_at, t.look_at, t.escalated, t.opening, t.grp, t.group_revision, t.lines, t.left_group, t.left_revision, t.from_seq, t.causes,
	coalesce(q.since, 0), c.state IS NOT NULL,
	coalesce(c.state, 'live'), coalesce(c.delivered, 0), coalesce(c.shown, 0), coalesce(c.told_seq, 0), coalesce(c.root_id, ''), coalesce(c.root_hash, ''),
	coalesce(c.card_id, ''), coalesce(c.card_actions, ''), coalesce(c.edits, 0), coalesce(c.attempts, 0), coalesce(c.not_before, 0),
	coalesce(c.last_error, ''), coalesce(c.tracking_id, ''), coalesce(c.dead_at, 0), coalesce(c.delivered_at, 0)`

	withCursor  = ` LEFT JOIN cursors c ON c.event_id = t.event_id AND c.source = t.source AND c.room = t.room`
	withPending = ` LEFT JOIN pending q ON q.room = t.room AND q.event_id = t.event_id AND q.source = t.source`

	isPending = `EXISTS (SELECT 1 FROM pending q WHERE q.room = t.room AND q.event_id = t.event_id AND q.source = t.source)`
	isClaimed = `EXISTS (SELECT 1 FROM cursors c WHERE c.event_id = t.event_id AND c.source = t.source AND c.room = t.room)`
	// The room has a message of the problem.
	hasMessage = `EXISTS (SELECT 1 FROM cursors c WHERE c.event_id = t.event_id AND c.source = t.source AND c.room = t.room AND (c.shown > 0 OR c.delivered > 0))`
)

func scanPost(rows *sql.Rows) (store.Post, error) {
	var p store.Post
	err := rows.Scan(&p.Key.EventID, &p.Key.Source, &p.Room, &p.Route, &p.Desired, &p.Severity, &p.Open,
		stamp{&p.OpenedAt}, stamp{&p.JoinedAt}, stamp{&p.ReceivedAt}, stamp{&p.HoldUntil}, stamp{&p.TellAfter},
		stamp{&p.RemindAt}, stamp{&p.EscalateAt}, stamp{&p.LookAt}, &p.Escalated, &p.Opening, &p.Group, &p.GroupRevision, list[store.Line]{&p.Lines}, &p.LeftGroup, &p.LeftRevision, &p.FromSeq, list[store.Cause]{&p.Causes},
		stamp{&p.PendingSince}, &p.Claimed,
		&p.State, &p.Delivered, &p.Shown, &p.ToldSeq, &p.RootID, &p.RootHash,
		&p.CardID, &p.CardActions, &p.Edits, &p.Attempts, stamp{&p.NotBefore},
		&p.LastError, &p.TrackingID, stamp{&p.DeadAt}, stamp{&p.DeliveredAt})
	if err != nil {
		err = unreadable(fmt.Sprintf("post of %s in %s", p.Key, p.Room), err)
	}
	return p, err
}

// list scans what listText wrote.
type list[T any] struct{ to *[]T }

// Scan implements sql.Scanner.
func (l list[T]) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("a list is %T, expected a text", value)
	}
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), l.to)
}

// listText is "" for an empty list: most posts have none.
func listText[T store.Line | store.Cause](all []T) string {
	if len(all) == 0 {
		return ""
	}
	text, _ := json.Marshal(all) // numbers, texts and times always marshal
	return string(text)
}

const postsByKey = `SELECT ` + postColumns + fromKeys +
	`posts t ON t.event_id = k.event_id AND t.source = k.source` + withCursor + withPending + ` ORDER BY t.event_id, t.source, t.room`

// PostsOf implements store.Store.
func (s *Store) PostsOf(ctx context.Context, keys []alert.Key) (map[alert.Key][]store.Post, error) {
	list, err := keysJSON(keys)
	if err != nil {
		return nil, err
	}
	found, err := queryReadable(ctx, s, "read posts", scanPost, postsByKey, list)
	if err != nil {
		return nil, err
	}
	byKey := make(map[alert.Key][]store.Post, len(keys))
	for _, p := range found {
		byKey[p.Key] = append(byKey[p.Key], p)
	}
	return byKey, nil
}

// The table pending has only pending posts.
const (
	pendingOf = ` CROSS JOIN posts t ON t.event_id = q.event_id AND t.source = q.source AND t.room = q.room` + withCursor + `
		WHERE max(q.since, coalesce(c.not_before, 0)) <= ? ORDER BY q.since, t.event_id, t.source, t.room`
	allPending   = `SELECT ` + postColumns + ` FROM pending q` + pendingOf
	pendingPosts = `SELECT ` + postColumns + ` FROM (SELECT DISTINCT value AS room FROM json_each(?)) r CROSS JOIN pending q ON q.room = r.room` + pendingOf
)

// PendingPosts implements store.Store.
func (s *Store) PendingPosts(ctx context.Context, rooms []string, dueBefore time.Time) ([]store.Post, error) {
	until := int64(math.MaxInt64)
	if !dueBefore.IsZero() {
		until = micro(dueBefore)
	}
	if rooms == nil {
		return queryReadable(ctx, s, "read pending posts", scanPost, allPending, until)
	}
	list, err := json.Marshal(rooms)
	if err != nil {
		return nil, err
	}
	return queryReadable(ctx, s, "read pending posts", scanPost, pendingPosts, string(list), until)
}

// CardRooms implements store.Store.
func (s *Store) CardRooms(ctx context.Context) ([]string, error) {
	return queryReadable(ctx, s, "read the rooms with cards", func(rows *sql.Rows) (room string, err error) { return room, rows.Scan(&room) },
		`SELECT DISTINCT c.room FROM cursors c CROSS JOIN posts t ON t.event_id = c.event_id AND t.source = c.source AND t.room = c.room
			WHERE c.card_actions <> '' AND c.state = 'live' AND t.open = 1 ORDER BY c.room`)
}

const duePosts = `SELECT ` + postColumns + ` FROM posts t` + withCursor + withPending + `
	WHERE t.due_at > 0 AND t.due_at <= ? ORDER BY t.due_at LIMIT ?`

// DuePosts implements store.Store.
func (s *Store) DuePosts(ctx context.Context, now time.Time, limit int) ([]store.Post, error) {
	return queryReadable(ctx, s, "read due posts", scanPost, duePosts, micro(now), limited(limit))
}

// ClaimPost implements store.Store.
func (s *Store) ClaimPost(ctx context.Context, key alert.Key, room string) (claimed bool, err error) {
	err = s.write(ctx, "claim a post", func(t *tx) error {
		n, err := t.exec(`
			INSERT INTO cursors (event_id, source, room, state, delivered, shown, told_seq, root_id, root_hash, card_id, card_actions, edits,
				attempts, not_before, last_error, tracking_id, dead_at, delivered_at)
			SELECT event_id, source, room, 'live', 0, 0, 0, '', '', '', '', 0, 0, 0, '', '', 0, 0
			FROM pending WHERE room = ? AND event_id = ? AND source = ? AND fresh = 1`, room, key.EventID, key.Source)
		if err != nil {
			return err
		}
		if n > 0 {
			claimed = true
			_, err = t.exec(`UPDATE pending SET fresh = 0 WHERE room = ? AND event_id = ? AND source = ?`, room, key.EventID, key.Source)
			return err
		}
		var one int
		claimed, err = t.one(`SELECT 1 FROM cursors WHERE event_id = ? AND source = ? AND room = ?`, []any{key.EventID, key.Source, room}, &one)
		return err
	})
	return claimed && err == nil, err
}

const (
	saveCursor = `
		UPDATE cursors AS c SET state = ?4, delivered = ?5, shown = ?6, told_seq = ?7, root_id = ?8, root_hash = ?9, card_id = ?10, card_actions = ?11,
			edits = ?12, attempts = ?13, not_before = ?14, last_error = ?15, tracking_id = ?16, dead_at = ?17, delivered_at = ?18
		WHERE event_id = ?1 AND source = ?2 AND room = ?3
			AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = ?8 AND m.source = c.source AND m.event_id GLOB c.event_id || '~*')`
	// A claimed post is pending exactly while it is live and not delivered.
	nothingPending = `
		DELETE FROM pending WHERE room = ?3 AND event_id = ?1 AND source = ?2
			AND (?4 = 'dead' OR ?5 >= (SELECT desired FROM posts WHERE event_id = ?1 AND source = ?2 AND room = ?3))`
	stillPending = `
		INSERT INTO pending (room, event_id, source, since, fresh)
		SELECT room, event_id, source, ?6, 0 FROM posts WHERE event_id = ?1 AND source = ?2 AND room = ?3 AND ?4 <> 'dead' AND desired > ?5
		ON CONFLICT DO NOTHING`
)

// SavePost implements store.Store.
func (s *Store) SavePost(ctx context.Context, key alert.Key, room string, c store.Cursor) error {
	if c.State == "" {
		c.State = store.PostLive
	}
	return s.write(ctx, "save a post", func(t *tx) error {
		n, err := t.exec(saveCursor, key.EventID, key.Source, room,
			string(c.State), c.Delivered, c.Shown, c.ToldSeq, c.RootID, c.RootHash, c.CardID, c.CardActions,
			c.Edits, c.Attempts, micro(c.NotBefore), c.LastError, c.TrackingID, micro(c.DeadAt), micro(c.DeliveredAt))
		if err == nil && n == 0 {
			err = fmt.Errorf("cursor of %s in %s: %w", key, room, store.ErrNotFound)
		}
		if err != nil {
			return err
		}
		if _, err := t.exec(nothingPending, key.EventID, key.Source, room, string(c.State), c.Delivered); err != nil {
			return err
		}
		_, err = t.exec(stillPending, key.EventID, key.Source, room, string(c.State), c.Delivered, micro(s.clock()))
		return err
	})
}
