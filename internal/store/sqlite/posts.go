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

const postColumns = `t.event_id, t.source, t.room, t.route, t.desired, t.severity, t.open, t.opened_at, t.dirty_since, t.hold_until,
	t.state, t.delivered, t.shown, t.told_seq, t.root_id, t.root_hash, t.card_id, t.card_actions, t.edits, t.digest, t.attempts,
	t.not_before, t.last_error, t.tracking_id, t.dead_at, t.delivered_at, t.joined_at, t.tell_after, t.remind_at, t.escalate_at, t.flap, t.escalated`

// behind is Post.Pending in SQL, word for word as the partial index has it.
const behind = `t.state = 'live' AND t.desired > t.delivered AND t.digest = 0`

func scanPost(rows *sql.Rows) (store.Post, error) {
	var p store.Post
	var opened, dirty, hold, notBefore, dead, delivered, joined, tell, remind, escalate int64
	err := rows.Scan(&p.Key.EventID, &p.Key.Source, &p.Room, &p.Route, &p.Desired, &p.Severity, &p.Open, &opened, &dirty, &hold,
		&p.State, &p.Delivered, &p.Shown, &p.ToldSeq, &p.RootID, &p.RootHash, &p.CardID, &p.CardActions, &p.Edits, &p.Digest, &p.Attempts,
		&notBefore, &p.LastError, &p.TrackingID, &dead, &delivered, &joined, &tell, &remind, &escalate, &p.Flap, &p.Escalated)
	p.JoinedAt, p.TellAfter, p.RemindAt, p.EscalateAt = at(joined), at(tell), at(remind), at(escalate)
	p.OpenedAt, p.DirtySince, p.HoldUntil = at(opened), at(dirty), at(hold)
	p.NotBefore, p.DeadAt, p.DeliveredAt = at(notBefore), at(dead), at(delivered)
	if err != nil {
		err = unreadable(fmt.Sprintf("post of %s in %s", p.Key, p.Room), err)
	}
	return p, err
}

// The ledger's columns of a post, and what becomes of one that is there.
const (
	ledgerColumns = `event_id, source, room, route, desired, severity, open, opened_at, hold_until,
		joined_at, tell_after, remind_at, escalate_at, due_at, flap, escalated, dirty_since`
	ledgerValues = `?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16`
	onConflict   = `
		ON CONFLICT (event_id, source, room) DO UPDATE SET
			route = ?4, desired = ?5, severity = ?6, open = ?7, opened_at = ?8, hold_until = ?9,
			joined_at = ?10, tell_after = ?11, remind_at = ?12, escalate_at = ?13, due_at = ?14, flap = ?15, escalated = ?16,
			dirty_since = CASE
				WHEN ?5 <= t.delivered THEN 0
				WHEN t.desired > t.delivered AND t.dirty_since > 0 THEN t.dirty_since
				ELSE max(?17, t.delivered_at) END`
	cursorColumns = `state, delivered, shown, told_seq, root_id, root_hash, card_id, card_actions, edits, digest, attempts,
		not_before, last_error, tracking_id, dead_at, delivered_at`

	// Nearly all posts are new, with nothing delivered: their cursor needs no arguments.
	putNewPost = `INSERT INTO posts AS t (` + ledgerColumns + `, ` + cursorColumns + `)
		VALUES (` + ledgerValues + `, CASE WHEN ?5 > 0 THEN ?17 ELSE 0 END,
			'live', 0, 0, 0, '', '', '', '', 0, 0, 0, 0, '', '', 0, 0)` + onConflict
	// One that the room's digest takes in (store.Post.Gathers) is nobody else's to tell.
	putGathered = `INSERT INTO posts AS t (` + ledgerColumns + `, ` + cursorColumns + `)
		VALUES (` + ledgerValues + `, 0,
			'live', ?5, 0, 1, '', '', '', '', 0, ?18, 0, 0, '', '', 0, ?17) ON CONFLICT DO NOTHING`
	putPost = `INSERT INTO posts AS t (` + ledgerColumns + `, ` + cursorColumns + `)
		VALUES (` + ledgerValues + `, CASE WHEN ?5 > ?19 THEN ?17 ELSE 0 END,
			?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33)` + onConflict
)

// gathering is the digest that takes in what comes to a room.
type gathering struct {
	id     int64
	below  alert.Severity
	joined []int // of the posts that are written, which it took
}

// gatherings are those of the rooms that new posts come to, by room.
func (t *tx) gatherings(posts []store.Post, now int64) (map[string]*gathering, error) {
	rooms, none := map[string]*gathering{}, map[string]bool{}
	for i := range posts {
		room := posts[i].Room
		if rooms[room] != nil || none[room] || posts[i].Desired != 1 {
			continue
		}
		g := &gathering{}
		rooms[room] = g
		var until int64
		found, err := t.one(`SELECT id, gathers_below, gathers_until FROM digests WHERE state = 'live' AND room = ? AND flap = '' ORDER BY id DESC LIMIT 1`,
			[]any{room}, &g.id, &g.below, &until)
		if err != nil {
			return nil, err
		}
		if !found || until <= now {
			none[room] = true
			delete(rooms, room)
		}
	}
	return rooms, nil
}

// joined counts what was put into the digests that gather.
func (t *tx) joined(rooms map[string]*gathering) error {
	for _, g := range rooms {
		if len(g.joined) == 0 {
			continue
		}
		if _, err := t.exec(`UPDATE digests SET joined = joined + ?, pending = 1 WHERE id = ?`, len(g.joined), g.id); err != nil {
			return err
		}
	}
	return nil
}

// putPosts writes posts, into the digests that gather where they may be.
func (t *tx) putPosts(posts []store.Post, problems []problemRow, rooms map[string]*gathering) error {
	of := map[alert.Key]*alert.Problem{}
	for i := range problems {
		if len(rooms) > 0 {
			of[problems[i].Key] = problems[i].Problem
		}
	}
	for i, p := range posts {
		if g, problem := rooms[p.Room], of[p.Key]; g != nil && problem != nil && p.Severity < g.below && p.Gathers(*problem) {
			if took, err := t.putGathered(p, g.id); err != nil {
				return err
			} else if took {
				g.joined = append(g.joined, i)
				continue
			}
		}
		if err := t.putPost(p); err != nil {
			return err
		}
	}
	return nil
}

// say tells whoever wrote posts which were put into digests.
func say(posts []store.Post, rooms map[string]*gathering) {
	for _, g := range rooms {
		for _, i := range g.joined {
			posts[i].Digest, posts[i].Delivered, posts[i].ToldSeq = g.id, posts[i].Desired, 1
		}
	}
}

// ledgerArgs are the ledger's columns of a post, ?1 to ?17, with room for those that follow.
func ledgerArgs(p store.Post) [33]any {
	return [33]any{
		p.Key.EventID, p.Key.Source, p.Room, p.Route, p.Desired, int64(p.Severity), p.Open, micro(p.OpenedAt), micro(p.HoldUntil),
		micro(p.JoinedAt), micro(p.TellAfter), micro(p.RemindAt), micro(p.EscalateAt), micro(p.DueAt()), p.Flap, int64(p.Escalated), micro(p.DirtySince),
	}
}

// putGathered is false where the post is there already.
func (t *tx) putGathered(p store.Post, digest int64) (bool, error) {
	values := ledgerArgs(p)
	values[17] = digest
	n, err := t.exec(putGathered, values[:18]...)
	return n > 0, err
}

func (t *tx) putPost(p store.Post) error {
	if p.State == "" {
		p.State = store.PostLive
	}
	values := ledgerArgs(p)
	if p.Cursor == (store.Cursor{State: store.PostLive}) {
		_, err := t.exec(putNewPost, values[:17]...)
		return err
	}
	copy(values[17:], []any{
		string(p.State), p.Delivered, p.Shown, int64(p.ToldSeq), p.RootID, p.RootHash, p.CardID, p.CardActions, int64(p.Edits), p.Digest, int64(p.Attempts),
		micro(p.NotBefore), p.LastError, p.TrackingID, micro(p.DeadAt), micro(p.DeliveredAt),
	})
	_, err := t.exec(putPost, values[:]...)
	return err
}

const postsByKey = `SELECT ` + postColumns + fromKeys +
	`posts t ON t.event_id = k.event_id AND t.source = k.source ORDER BY t.event_id, t.source, t.room`

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

// dueBy leaves out posts that aren't due by a time: the problem is held back from a room that
// doesn't have it yet, or an attempt failed.
const dueBy = ` AND max(t.not_before, CASE WHEN t.open = 1 AND t.root_id = '' AND t.told_seq = 0 THEN max(t.hold_until, t.tell_after) ELSE 0 END) <= ?`

// The partial index holds nothing but what is behind.
const pendingPosts = `SELECT ` + postColumns + `
	FROM (SELECT DISTINCT value AS room FROM json_each(?)) r CROSS JOIN posts t ON t.room = r.room
	WHERE ` + behind + dueBy + ` ORDER BY t.dirty_since, t.event_id, t.source, t.room`

// PendingPosts implements store.Store.
func (s *Store) PendingPosts(ctx context.Context, rooms []string, dueBefore time.Time) ([]store.Post, error) {
	until := int64(math.MaxInt64)
	if !dueBefore.IsZero() {
		until = micro(dueBefore)
	}
	if rooms == nil {
		return queryReadable(ctx, s, "read pending posts", scanPost, `SELECT `+postColumns+`
			FROM posts t WHERE `+behind+dueBy+` ORDER BY t.dirty_since, t.event_id, t.source, t.room`, until)
	}
	list, err := json.Marshal(rooms)
	if err != nil {
		return nil, err
	}
	return queryReadable(ctx, s, "read pending posts", scanPost, pendingPosts, string(list), until)
}

const duePosts = `SELECT ` + postColumns + ` FROM posts t WHERE t.due_at > 0 AND t.due_at <= ? ORDER BY t.due_at LIMIT ?`

// DuePosts implements store.Store.
func (s *Store) DuePosts(ctx context.Context, now time.Time, limit int) ([]store.Post, error) {
	return queryReadable(ctx, s, "read due posts", scanPost, duePosts, micro(now), limited(limit))
}

// SavePost implements store.Store.
func (s *Store) SavePost(ctx context.Context, key alert.Key, room string, c store.Cursor) error {
	if c.State == "" {
		c.State = store.PostLive
	}
	return s.write(ctx, "save a post", func(t *tx) error {
		n, err := t.exec(`
			UPDATE posts SET state = ?, delivered = ?, shown = ?, told_seq = ?, root_id = ?, root_hash = ?, card_id = ?, card_actions = ?,
				edits = ?, digest = ?, attempts = ?, not_before = ?, last_error = ?, tracking_id = ?, dead_at = ?, delivered_at = ?,
				dirty_since = CASE WHEN ? >= desired THEN 0 ELSE dirty_since END
			WHERE event_id = ? AND source = ? AND room = ?
				AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = ? AND m.source = posts.source AND m.event_id GLOB posts.event_id || '~*')`,
			string(c.State), c.Delivered, c.Shown, c.ToldSeq, c.RootID, c.RootHash, c.CardID, c.CardActions,
			c.Edits, c.Digest, c.Attempts, micro(c.NotBefore), c.LastError, c.TrackingID, micro(c.DeadAt), micro(c.DeliveredAt),
			c.Delivered, key.EventID, key.Source, room, c.RootID)
		if err == nil && n == 0 {
			return fmt.Errorf("post of %s in %s: %w", key, room, store.ErrNotFound)
		}
		return err
	})
}
