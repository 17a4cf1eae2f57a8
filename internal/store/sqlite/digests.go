package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// behindInDigest are the posts whose digest has to show them anew, word for word
// as the partial index has it.
const behindInDigest = `t.state = 'live' AND t.desired > t.delivered AND t.digest > 0`

// pendingDigests are the ids of the digests that something is still to be sent for.
const pendingDigests = `
	SELECT id FROM digests WHERE state = 'live' AND pending = 1
	UNION SELECT d.id FROM (SELECT DISTINCT digest AS id FROM posts t WHERE ` + behindInDigest + `) b
		CROSS JOIN digests d ON d.id = b.id WHERE d.state = 'live'`

const digestColumns = `d.id, d.room, d.flap, d.state, d.created_at, d.message_id, d.hash, d.complete, d.edits, d.shown, d.listed, d.said, d.gone, d.spoke_at,
	d.pending, d.gathers_until, d.gathers_below, d.joined, d.left_for, d.attempts, d.not_before, d.last_error, d.tracking_id, d.dead_at,
	d.list_dead_at, d.list_error, d.list_tracking_id,
	EXISTS (SELECT 1 FROM posts t WHERE t.digest = d.id AND t.digest > 0 AND t.open = 1),
	EXISTS (SELECT 1 FROM posts t WHERE t.digest = d.id AND ` + behindInDigest + `),
	coalesce((SELECT min(t.dirty_since) FROM posts t WHERE t.digest = d.id AND ` + behindInDigest + `), 0)`

func scanDigest(rows *sql.Rows) (store.Digest, error) {
	var d store.Digest
	var created, spoke, gathers, notBefore, dead, listDead, behind int64
	err := rows.Scan(&d.ID, &d.Room, &d.Flap, &d.State, &created, &d.MessageID, &d.Hash, &d.Complete, &d.Edits, &d.Shown, &d.Listed, &d.Said, &d.Gone, &spoke,
		&d.Pending, &gathers, &d.GathersBelow, &d.Joined, &d.Left, &d.Attempts, &notBefore, &d.LastError, &d.TrackingID, &dead,
		&listDead, &d.ListError, &d.ListTrackingID, &d.Open, &d.Behind, &behind)
	d.CreatedAt, d.SpokeAt, d.GathersUntil, d.NotBefore = at(created), at(spoke), at(gathers), at(notBefore)
	d.DeadAt, d.ListDeadAt, d.BehindSince = at(dead), at(listDead), at(behind)
	if err != nil {
		err = unreadable(fmt.Sprintf("digest %d", d.ID), err)
	}
	return d, err
}

// JoinDigest implements store.Store.
func (s *Store) JoinDigest(ctx context.Context, d store.Digest, keys []alert.Key, now time.Time) (store.Digest, []alert.Key, error) {
	list, err := keysJSON(keys)
	if err != nil {
		return d, nil, err
	}
	var joined []alert.Key
	err = s.write(ctx, "put posts into a digest", func(t *tx) error {
		joined = nil
		id := d.ID
		if id == 0 {
			// Numbers are given once: an id that somebody remembers never means another digest.
			if _, err := t.one(`
				INSERT INTO digests (room, flap, state, created_at, message_id, hash, complete, edits, shown, listed, said, spoke_at, pending, joined, left_for,
					attempts, not_before, last_error, tracking_id, dead_at)
				VALUES (?, ?, 'live', ?, '', '', 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, '', '', 0) RETURNING id`, []any{d.Room, d.Flap, micro(now)}, &id); err != nil {
				return err
			}
		}
		st, err := t.stmt(`
			UPDATE posts AS t SET digest = ?1, attempts = 0, not_before = 0, last_error = '', tracking_id = ''
			WHERE (event_id, source, room) IN (SELECT value ->> 0, value ->> 1, ?2 FROM json_each(?3))
				AND ` + behind + ` AND t.root_id = '' AND t.told_seq = 0 AND max(t.hold_until, t.tell_after) <= ?4
				AND (t.open = 1 OR t.tell_after = 0)
			RETURNING source, event_id`)
		if err != nil {
			return err
		}
		rows, err := st.QueryContext(context.Background(), id, d.Room, list, micro(now))
		if err != nil {
			return err
		}
		if joined, err = collect(rows, func(rows *sql.Rows) (k alert.Key, err error) { return k, rows.Scan(&k.Source, &k.EventID) }); err != nil {
			return err
		}
		if len(joined) == 0 {
			if d.ID == 0 {
				_, err = t.exec(`DELETE FROM digests WHERE id = ?`, id)
			}
			return err
		}
		n, err := t.exec(`UPDATE digests SET joined = joined + ?, pending = 1, gathers_until = ?, gathers_below = ? WHERE id = ? AND state = 'live'`,
			len(joined), micro(d.GathersUntil), d.GathersBelow, id)
		if err == nil && n == 0 {
			err = fmt.Errorf("digest %d: %w", id, store.ErrNotFound)
		}
		d.ID = id
		return err
	})
	if err != nil || len(joined) == 0 {
		return d, nil, err
	}
	d, err = s.Digest(ctx, d.ID)
	return d, joined, err
}

// LeaveDigest implements store.Store.
func (s *Store) LeaveDigest(ctx context.Context, id int64, keys []alert.Key) error {
	list, err := keysJSON(keys)
	if err != nil {
		return err
	}
	return s.write(ctx, "take posts out of a digest", func(t *tx) error {
		// told_seq says that the room knew of it: it isn't gathered again.
		st, err := t.stmt(`
			UPDATE posts SET digest = 0, delivered = min(delivered, desired - 1), shown = 0, told_seq = max(told_seq, 1),
				dirty_since = CASE WHEN dirty_since > 0 THEN dirty_since ELSE ? END
			WHERE digest = ? AND digest > 0 AND (event_id, source) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))
			RETURNING source || '/' || event_id || char(10)`)
		if err != nil {
			return err
		}
		rows, err := st.QueryContext(context.Background(), micro(s.clock()), id, list)
		if err != nil {
			return err
		}
		gone, err := collect(rows, func(rows *sql.Rows) (line string, err error) { return line, rows.Scan(&line) })
		if err != nil || len(gone) == 0 {
			return err
		}
		_, err = t.exec(`UPDATE digests SET left_for = left_for + ?, pending = 1, gone = gone || ? WHERE id = ?`, len(gone), strings.Join(gone, ""), id)
		return err
	})
}

// SaveDigest implements store.Store.
func (s *Store) SaveDigest(ctx context.Context, d store.Digest, shown []store.Shown) error {
	now := micro(s.clock())
	return s.write(ctx, "save a digest", func(t *tx) error {
		n, err := t.exec(`
			UPDATE digests SET state = ?, message_id = ?, hash = ?, complete = ?, edits = ?, shown = ?, listed = ?, said = ?, gone = ?, spoke_at = ?,
				pending = ? OR joined > ?, gathers_until = ?, gathers_below = ?, attempts = ?, not_before = ?, last_error = ?, tracking_id = ?, dead_at = ?,
				list_dead_at = ?, list_error = ?, list_tracking_id = ?
			WHERE id = ?`,
			string(d.State), d.MessageID, d.Hash, d.Complete, d.Edits, d.Shown, d.Listed, d.Said, d.Gone, micro(d.SpokeAt),
			d.Pending, d.Joined, micro(d.GathersUntil), d.GathersBelow, d.Attempts, micro(d.NotBefore), d.LastError, d.TrackingID, micro(d.DeadAt),
			micro(d.ListDeadAt), d.ListError, d.ListTrackingID, d.ID)
		if err == nil && n == 0 {
			err = fmt.Errorf("digest %d: %w", d.ID, store.ErrNotFound)
		}
		if err != nil {
			return err
		}
		return t.putShown(d, shown, now)
	})
}

// putShown writes what a digest's message shows of its posts.
func (t *tx) putShown(d store.Digest, shown []store.Shown, now int64) error {
	for _, p := range shown {
		if _, err := t.exec(`
			UPDATE posts SET delivered = ?1, shown = ?1, told_seq = max(told_seq, ?2), delivered_at = ?3,
				dirty_since = CASE WHEN ?1 >= desired THEN 0 ELSE dirty_since END
			WHERE event_id = ?4 AND source = ?5 AND room = ?6 AND digest = ?7`,
			p.Revision, p.Seq, now, p.Key.EventID, p.Key.Source, d.Room, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// Digest implements store.Store.
func (s *Store) Digest(ctx context.Context, id int64) (store.Digest, error) {
	return s.oneDigest(ctx, fmt.Sprintf("digest %d", id), `WHERE d.id = ?`, id)
}

// NewestDigest implements store.Store.
func (s *Store) NewestDigest(ctx context.Context, room, flap string) (store.Digest, error) {
	return s.oneDigest(ctx, "digest in "+room, `WHERE d.state = 'live' AND d.room = ? AND d.flap = ? ORDER BY d.id DESC`, room, flap)
}

func (s *Store) oneDigest(ctx context.Context, what, where string, args ...any) (store.Digest, error) {
	found, err := query(ctx, s, "read a digest", scanDigest, `SELECT `+digestColumns+` FROM digests d `+where+` LIMIT 1`, args...)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	if err != nil {
		return store.Digest{}, err
	}
	return found[0], nil
}

// PendingDigests implements store.Store.
func (s *Store) PendingDigests(ctx context.Context, room string) ([]store.Digest, error) {
	return queryReadable(ctx, s, "read pending digests", scanDigest, `SELECT `+digestColumns+` FROM (`+pendingDigests+`) p CROSS JOIN digests d ON d.id = p.id
		WHERE ?1 = '' OR d.room = ?1 ORDER BY d.id`, room)
}

// DigestPosts implements store.Store.
func (s *Store) DigestPosts(ctx context.Context, id int64, changed bool) ([]store.Post, error) {
	if id <= 0 {
		return nil, errors.New("posts of a digest without a number")
	}
	which := `WHERE t.digest = ? AND t.digest > 0`
	if changed { // few of many as a rule, which the planner can't know
		which = `INDEXED BY posts_digest_behind WHERE t.digest = ? AND ` + behindInDigest
	}
	return queryReadable(ctx, s, "read a digest's posts", scanPost, `SELECT `+postColumns+` FROM posts t `+which, id)
}

// DigestKeys implements store.Store. The index holds all that is asked for.
func (s *Store) DigestKeys(ctx context.Context, id int64) ([]alert.Key, error) {
	return query(ctx, s, "read who is in a digest", func(rows *sql.Rows) (k alert.Key, err error) {
		return k, rows.Scan(&k.Source, &k.EventID)
	}, `SELECT t.source, t.event_id FROM posts t WHERE t.digest = ? AND t.digest > 0`, id)
}
