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
			SELECT 0, 0, 0, source, event_id, room, last_error, tracking_id, dead_at AS gone FROM cursors WHERE state = 'dead'
			UNION ALL
			SELECT 0, c.grp, 0, '', '', g.room, c.last_error, c.tracking_id, c.dead_at
				FROM group_cursors c CROSS JOIN groups g ON g.id = c.grp WHERE c.state = 'dead'
			UNION ALL
			SELECT 0, c.grp, 1, '', '', g.room, c.list_error, c.list_tracking_id, c.list_dead_at
				FROM group_cursors c CROSS JOIN groups g ON g.id = c.grp WHERE c.list_dead_at > 0
			UNION ALL
			SELECT id, 0, 0, '', '', CASE WHEN room <> '' THEN room WHEN person <> '' THEN person ELSE room_id END,
				last_error, tracking_id, changed_at FROM notices WHERE state = 'dead')
		ORDER BY gone DESC`

// DeadLetters implements store.Store, the newest first.
func (s *Store) DeadLetters(ctx context.Context) ([]store.DeadLetter, error) {
	return queryReadable(ctx, s, "read dead letters", func(rows *sql.Rows) (store.DeadLetter, error) {
		var d store.DeadLetter
		var when int64
		err := rows.Scan(&d.NoticeID, &d.GroupID, &d.List, &d.Key.Source, &d.Key.EventID, &d.Room, &d.Reason, &d.TrackingID, &when)
		d.At = at(when)
		switch {
		case d.NoticeID != 0:
			d.ID = "notice:" + strconv.FormatInt(d.NoticeID, 10)
		case d.List:
			d.ID = "list:" + strconv.FormatInt(d.GroupID, 10)
		case d.GroupID != 0:
			d.ID = "digest:" + strconv.FormatInt(d.GroupID, 10)
		default:
			d.ID = "post:" + d.Key.String() + "@" + d.Room
		}
		if err != nil {
			err = unreadable("dead letter "+d.ID, err)
		}
		return d, err
	}, deadLetters)
}

// letter is a dead letter's id, parsed.
type letter struct {
	kind string // post, digest, list, notice
	id   int64  // of the group or notice
	key  alert.Key
	room string
}

func parseLetter(text string) (letter, bool) {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "notice", "digest", "list":
		id, err := strconv.ParseInt(rest, 10, 64)
		return letter{kind: kind, id: id}, err == nil && id > 0
	case "post":
		// A source's name has no slash and an event id no "@"; a room's name may have both.
		key, room, ok := strings.Cut(rest, "@")
		return letter{kind: kind, key: alert.ParseKey(key), room: room}, ok
	}
	return letter{}, false
}

// onDead runs the statements of the letter's kind with the letter's id, or key and room, as the first
// arguments. The first statement says whether there is such a letter.
func (s *Store) onDead(ctx context.Context, id, what string, statements map[string][]string, args ...any) error {
	l, ok := parseLetter(id)
	if !ok {
		return fmt.Errorf("dead letter %q: %w: expected an id such as post:main/4711@noc, digest:3, list:3 or notice:12", id, store.ErrNotFound)
	}
	target := []any{l.id}
	if l.kind == "post" {
		target = []any{l.key.EventID, l.key.Source, l.room}
	}
	return s.write(ctx, what, func(t *tx) error {
		for i, statement := range statements[l.kind] {
			n, err := t.exec(statement, append(target, args...)...)
			if err == nil && n == 0 && i == 0 {
				err = fmt.Errorf("dead letter %q: %w", id, store.ErrNotFound)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

var (
	replayDead = map[string][]string{
		"post": {`
			UPDATE cursors SET state = 'live', attempts = 0, not_before = 0, last_error = '', tracking_id = '', dead_at = 0,
				delivered = min(delivered, (SELECT desired FROM posts WHERE event_id = ?1 AND source = ?2 AND room = ?3) - 1)
			WHERE event_id = ?1 AND source = ?2 AND room = ?3 AND state = 'dead' AND ?4 > 0`, `
			INSERT INTO pending (event_id, source, room, since, fresh) VALUES (?1, ?2, ?3, ?4, 0) ON CONFLICT DO NOTHING`},
		"notice": {`
			UPDATE notices SET state = 'pending', changed_at = ?2, attempts = 0, not_before = 0, last_error = '', tracking_id = ''
			WHERE id = ?1 AND state = 'dead'`},
		"list": {`
			UPDATE group_cursors SET listed = 0, owes = 1, list_dead_at = 0, list_error = '', list_tracking_id = ''
			WHERE grp = ?1 AND list_dead_at > 0 AND ?2 > 0`,
			groupReplayed},
		"digest": {`
			UPDATE group_cursors SET state = 'live', owes = 1, attempts = 0, not_before = 0, last_error = '', tracking_id = '', dead_at = 0
			WHERE grp = ?1 AND state = 'dead' AND ?2 > 0`,
			groupReplayed},
	}
	dropDead = map[string][]string{
		"post": {`
			DELETE FROM posts WHERE (event_id, source, room) IN
				(SELECT event_id, source, room FROM cursors WHERE event_id = ?1 AND source = ?2 AND room = ?3 AND state = 'dead')`},
		"notice": {`DELETE FROM notices WHERE id = ? AND state = 'dead'`},
		"list":   {`UPDATE group_cursors SET list_dead_at = 0, list_error = '', list_tracking_id = '' WHERE grp = ? AND list_dead_at > 0`},
		"digest": {
			`DELETE FROM groups WHERE id IN (SELECT grp FROM group_cursors WHERE grp = ? AND state = 'dead')`,
			`DELETE FROM posts WHERE grp = ? AND grp > 0`,
		},
	}
)

// groupReplayed makes a live group pending.
const groupReplayed = `
	INSERT INTO pending_groups (grp, since) SELECT grp, ?2 FROM group_cursors WHERE grp = ?1 AND state = 'live' ON CONFLICT DO NOTHING`

// ReplayDead implements store.Store.
func (s *Store) ReplayDead(ctx context.Context, id string) error {
	return s.onDead(ctx, id, "replay a dead letter", replayDead, micro(s.clock()))
}

// DropDead implements store.Store.
func (s *Store) DropDead(ctx context.Context, id string) error {
	return s.onDead(ctx, id, "drop a dead letter", dropDead)
}
