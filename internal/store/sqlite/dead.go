package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"nms-alert-relay/internal/store"
)

const deadLetters = `
		SELECT * FROM (
			SELECT 'post', 0, source, event_id, room, last_error, tracking_id, dead_at AS gone FROM cursors WHERE state = 'dead'
			UNION ALL
			SELECT 'digest', c.grp, '', '', g.room, c.last_error, c.tracking_id, c.dead_at
				FROM group_cursors c CROSS JOIN groups g ON g.id = c.grp WHERE c.state = 'dead'
			UNION ALL
			SELECT 'list', c.grp, '', '', g.room, c.list_error, c.list_tracking_id, c.list_dead_at
				FROM group_cursors c CROSS JOIN groups g ON g.id = c.grp WHERE c.list_dead_at > 0
			UNION ALL
			SELECT 'notice', id, '', '', CASE WHEN room <> '' THEN room WHEN person <> '' THEN person ELSE room_id END,
				last_error, tracking_id, changed_at FROM notices WHERE state = 'dead')
		ORDER BY gone DESC`

// DeadLetters implements store.Store.
func (s *Store) DeadLetters(ctx context.Context) ([]store.DeadLetter, error) {
	return queryReadable(ctx, s, "read dead letters", func(rows *sql.Rows) (d store.DeadLetter, err error) {
		err = rows.Scan(&d.Kind, &d.Number, &d.Key.Source, &d.Key.EventID, &d.Room, &d.Reason, &d.TrackingID, stamp{&d.At})
		return d, unreadable("dead letter "+d.ID(), err)
	}, deadLetters)
}

// onDead runs the statements of the letter's kind with the letter's number, or key and room, as the first arguments.
// The first statement checks whether there is such a letter.
func (s *Store) onDead(ctx context.Context, id, what string, statements map[store.LetterKind][]string, args ...any) error {
	return s.write(ctx, what, func(t *tx) error {
		d, err := store.ParseLetter(id)
		if err != nil {
			return err
		}
		target := []any{d.Number}
		if d.Kind == store.LetterPost {
			target = []any{d.Key.EventID, d.Key.Source, d.Room}
		}
		for i, statement := range statements[d.Kind] {
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
	replayDead = map[store.LetterKind][]string{
		store.LetterPost: {`
			UPDATE cursors SET state = 'live', attempts = 0, not_before = 0, last_error = '', tracking_id = '', dead_at = 0,
				delivered = min(delivered, (SELECT desired FROM posts WHERE event_id = ?1 AND source = ?2 AND room = ?3) - 1)
			WHERE event_id = ?1 AND source = ?2 AND room = ?3 AND state = 'dead' AND ?4 > 0`, `
			INSERT INTO pending (event_id, source, room, since, fresh) VALUES (?1, ?2, ?3, ?4, 0) ON CONFLICT DO NOTHING`},
		store.LetterNotice: {`
			UPDATE notices SET state = 'pending', changed_at = ?2, attempts = 0, not_before = 0, last_error = '', tracking_id = ''
			WHERE id = ?1 AND state = 'dead'`},
		store.LetterList: {`
			UPDATE group_cursors SET listed = 0, list_dead_at = 0, list_error = '', list_tracking_id = ''
			WHERE grp = ?1 AND list_dead_at > 0 AND ?2 > 0`,
			groupReplayed},
		store.LetterDigest: {`
			UPDATE group_cursors SET state = 'live', reroute = 0, attempts = 0, not_before = 0, last_error = '', tracking_id = '', dead_at = 0,
				shown = min(shown, (SELECT revision FROM groups WHERE id = ?1) - 1)
			WHERE grp = ?1 AND state = 'dead' AND ?2 > 0`,
			groupReplayed},
	}
	dropDead = map[store.LetterKind][]string{
		store.LetterPost: {`
			DELETE FROM posts WHERE (event_id, source, room) IN
				(SELECT event_id, source, room FROM cursors WHERE event_id = ?1 AND source = ?2 AND room = ?3 AND state = 'dead')`},
		store.LetterNotice: {`DELETE FROM notices WHERE id = ? AND state = 'dead'`},
		store.LetterList:   {`UPDATE group_cursors SET list_dead_at = 0, list_error = '', list_tracking_id = '' WHERE grp = ? AND list_dead_at > 0`},
		store.LetterDigest: {
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
