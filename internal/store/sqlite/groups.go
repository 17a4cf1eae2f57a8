package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"nms-alert-relay/internal/store"
)

const (
	groupColumns = `g.id, g.room, g.kind, g.name, g.opened_at, g.joined_at, g.joined, g.joined_revision, g.left_count, g.left_revision, g.revision,
	g.lines, g.lines_at, g.lines_since, g.left_at, g.left_burst,
	coalesce(w.since, 0),
	coalesce(c.state, 'live'), coalesce(c.message_id, ''), coalesce(c.hash, ''), coalesce(c.complete, 0), coalesce(c.edits, 0), coalesce(c.shown, 0),
	coalesce(c.says_resolved, 0), coalesce(c.listed, 0), coalesce(c.notified, 0), coalesce(c.down, 0), coalesce(c.lines_posted, 0), coalesce(c.spoke_at, 0),
	coalesce(c.reroute, 0), coalesce(c.attempts, 0), coalesce(c.not_before, 0), coalesce(c.last_error, ''), coalesce(c.tracking_id, ''), coalesce(c.dead_at, 0),
	coalesce(c.list_dead_at, 0), coalesce(c.list_error, ''), coalesce(c.list_tracking_id, ''),
	EXISTS (SELECT 1 FROM posts t WHERE t.grp = g.id AND t.grp > 0 AND t.open = 1)`
	withGroupCursor = ` LEFT JOIN group_cursors c ON c.grp = g.id LEFT JOIN pending_groups w ON w.grp = g.id`

	fromGroups = `SELECT ` + groupColumns + ` FROM groups g` + withGroupCursor
	liveGroup  = ` AND coalesce(c.state, 'live') = 'live'`
)

func scanGroup(rows *sql.Rows) (store.Group, error) {
	var g store.Group
	err := rows.Scan(&g.ID, &g.Room, &g.Kind, &g.Name, stamp{&g.OpenedAt}, stamp{&g.JoinedAt}, &g.Joined, &g.JoinedRevision, &g.Left, &g.LeftRevision, &g.Revision,
		&g.Lines, stamp{&g.LinesAt}, stamp{&g.LinesSince}, stamp{&g.LeftAt}, &g.LeftBurst,
		stamp{&g.PendingSince},
		&g.State, &g.MessageID, &g.Hash, &g.Complete, &g.Edits, &g.Shown,
		&g.SaysResolved, &g.Listed, &g.Notified, &g.Down, &g.LinesPosted, stamp{&g.SpokeAt},
		&g.Reroute, &g.Attempts, stamp{&g.NotBefore}, &g.LastError, &g.TrackingID, stamp{&g.DeadAt},
		stamp{&g.ListDeadAt}, &g.ListError, &g.ListTrackingID,
		&g.Open)
	if err != nil {
		err = unreadable(fmt.Sprintf("group %d", g.ID), err)
	}
	return g, err
}

// Group implements store.Store.
func (s *Store) Group(ctx context.Context, id int64) (store.Group, error) {
	return queryOne(ctx, s, "read a group", fmt.Sprintf("group %d", id), scanGroup, fromGroups+` WHERE g.id = ?`, id)
}

const pendingGroups = `SELECT ` + groupColumns + ` FROM pending_groups w CROSS JOIN groups g ON g.id = w.grp LEFT JOIN group_cursors c ON c.grp = g.id
	WHERE ?1 = '' OR g.room = ?1 ORDER BY g.id`

// PendingGroups implements store.Store.
func (s *Store) PendingGroups(ctx context.Context, room string) ([]store.Group, error) {
	return queryReadable(ctx, s, "read pending groups", scanGroup, pendingGroups, room)
}

const groupPosts = `SELECT ` + postColumns + ` FROM posts t` + withCursor + withPending + ` WHERE t.grp = ? AND t.grp > 0`

// GroupPosts implements store.Store.
func (s *Store) GroupPosts(ctx context.Context, id int64) ([]store.Post, error) {
	return queryReadable(ctx, s, "read a group's posts", scanPost, groupPosts, id)
}

const members = `SELECT t.event_id, t.source, t.route, t.joined_at, t.received_at, max(t.hold_until, t.tell_after), t.group_revision, t.lines, t.causes, t.severity, t.open, t.opened_at, coalesce(p.doc, '')
	FROM posts t LEFT JOIN problems p ON p.event_id = t.event_id AND p.source = t.source WHERE t.grp = ? AND t.grp > 0`

// Members implements store.Store.
func (s *Store) Members(ctx context.Context, id int64) ([]store.Member, error) {
	return queryReadable(ctx, s, "read a group's members", func(rows *sql.Rows) (m store.Member, err error) {
		var p store.Post
		var joined, opened int64
		var doc sql.RawBytes
		if err = rows.Scan(&p.Key.EventID, &p.Key.Source, &m.Route, &joined, stamp{&p.ReceivedAt}, stamp{&p.HoldUntil}, &m.GroupRevision, list[store.Line]{&m.Lines}, list[store.Cause]{&m.Causes}, &p.Severity, &p.Open, &opened, &doc); err != nil {
			return m, unreadable(fmt.Sprintf("post of %s in group %d", p.Key, id), err)
		}
		m.JoinedAt, p.JoinedAt, p.OpenedAt = at(joined), at(joined), at(opened)
		m.FirstDue = p.FirstDue()
		if m.Problem, err = shownProblem(doc); err != nil {
			s.logOnce("a problem can't be read: its group's message shows the data of its post", "problem", p.Key.String(), "error", err)
			m.Problem = p.UnreadableProblem()
		}
		return m, nil
	}, members, id)
}

const groupLeavers = `SELECT ` + postColumns + ` FROM posts t` + withCursor + withPending + `
	WHERE t.left_group = ? AND t.left_group > 0 AND t.left_revision > ? ORDER BY t.left_revision, t.event_id, t.source`

// GroupLeavers implements store.Store.
func (s *Store) GroupLeavers(ctx context.Context, id, afterRevision int64) ([]store.Post, error) {
	return queryReadable(ctx, s, "read the posts that left a group", scanPost, groupLeavers, id, afterRevision)
}

// SaveGroup implements store.Store.
func (s *Store) SaveGroup(ctx context.Context, id int64, c store.GroupCursor) error {
	if c.State == "" {
		c.State = store.PostLive
	}
	return s.write(ctx, "save a group", func(t *tx) error {
		g := store.Group{GroupCursor: c}
		found, err := t.one(`SELECT revision, joined, lines FROM groups WHERE id = ?`, []any{id}, &g.Revision, &g.Joined, &g.Lines)
		if err == nil && !found {
			err = fmt.Errorf("group %d: %w", id, store.ErrNotFound)
		}
		if err != nil {
			return err
		}
		if _, err := t.exec(`
			INSERT INTO group_cursors (grp, state, message_id, hash, complete, edits, shown, says_resolved, listed, notified, down, lines_posted,
				spoke_at, reroute, attempts, not_before, last_error, tracking_id, dead_at, list_dead_at, list_error, list_tracking_id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (grp) DO UPDATE SET state = excluded.state, message_id = excluded.message_id, hash = excluded.hash, complete = excluded.complete,
				edits = excluded.edits, shown = excluded.shown, says_resolved = excluded.says_resolved, listed = excluded.listed,
				notified = excluded.notified, down = excluded.down, lines_posted = excluded.lines_posted, spoke_at = excluded.spoke_at,
				reroute = excluded.reroute, attempts = excluded.attempts, not_before = excluded.not_before, last_error = excluded.last_error, tracking_id = excluded.tracking_id,
				dead_at = excluded.dead_at, list_dead_at = excluded.list_dead_at, list_error = excluded.list_error,
				list_tracking_id = excluded.list_tracking_id`,
			id, string(c.State), c.MessageID, c.Hash, c.Complete, c.Edits, c.Shown, c.SaysResolved, c.Listed, c.Notified, c.Down, c.LinesPosted,
			micro(c.SpokeAt), c.Reroute, c.Attempts, micro(c.NotBefore), c.LastError, c.TrackingID, micro(c.DeadAt), micro(c.ListDeadAt), c.ListError, c.ListTrackingID); err != nil {
			return err
		}
		if g.Pending() {
			_, err = t.exec(`INSERT INTO pending_groups (grp, since) VALUES (?, ?) ON CONFLICT DO NOTHING`, id, micro(s.clock()))
		} else {
			_, err = t.exec(`DELETE FROM pending_groups WHERE grp = ?`, id)
		}
		return err
	})
}

// FreshRooms implements store.Store.
func (s *Store) FreshRooms(ctx context.Context) ([]string, error) {
	return query(ctx, s, "find rooms with fresh posts", func(rows *sql.Rows) (room string, err error) { return room, rows.Scan(&room) },
		`SELECT DISTINCT room FROM pending WHERE fresh = 1 ORDER BY room`)
}

const (
	freshPosts = `SELECT ` + postColumns + ` FROM pending q CROSS JOIN posts t ON t.event_id = q.event_id AND t.source = q.source AND t.room = q.room` + withCursor + `
		WHERE q.room = ? AND q.fresh = 1 AND t.severity < ? ORDER BY q.since, t.event_id, t.source LIMIT ?`
	roomCounts = `SELECT
		(SELECT count(*) FROM (SELECT 1 FROM posts WHERE room = ?1 AND joined_at > ?2 LIMIT ?4)),
		(SELECT count(*) FROM (SELECT 1 FROM posts WHERE room = ?1 AND joined_at > ?3 LIMIT ?4)),
		(SELECT count(*) FROM (SELECT 1 FROM pending WHERE room = ?1 LIMIT ?4)),
		(SELECT count(*) FROM (SELECT 1 FROM groups WHERE opened_at > ?2 AND room = ?1 AND kind = 'flap' LIMIT ?4))`
	newestStorm = fromGroups + ` WHERE g.room = ? AND g.kind = 'storm' AND g.name = ''` + liveGroup + ` ORDER BY g.id DESC LIMIT 1`
	newestFlaps = fromGroups + `
		WHERE g.id IN (SELECT (SELECT max(g.id) FROM groups g LEFT JOIN group_cursors c ON c.grp = g.id
			WHERE g.room = ?1 AND g.kind = 'flap' AND g.name = CAST(o.value AS TEXT)` + liveGroup + `) FROM json_each(?2) o)`
	// A room without groups of symptoms costs one look at the index, however many problems resolve.
	causeGroups = fromGroups + `
		WHERE EXISTS (SELECT 1 FROM groups WHERE room = ?1 AND kind = 'cause')
			AND g.id IN (SELECT n.id FROM json_each(?2) o CROSS JOIN groups n ON n.room = ?1 AND n.kind = 'cause' AND n.name = o.value)`
	symptoms = `SELECT ` + postColumns + ` FROM json_each(?2) o CROSS JOIN groups n ON n.room = ?1 AND n.kind = 'cause' AND n.name = o.value
		CROSS JOIN posts t ON t.grp = n.id AND t.grp > 0 AND t.open = 1` + withCursor + withPending + `
		WHERE EXISTS (SELECT 1 FROM groups WHERE room = ?1 AND kind = 'cause') ORDER BY t.event_id, t.source`
	groupsByID = fromGroups + ` WHERE g.id IN (SELECT value FROM json_each(?))`
	openings   = `SELECT t.opening, t.source, t.event_id, t.opened_at, t.open
		FROM (SELECT DISTINCT value AS opening FROM json_each(?1)) o CROSS JOIN posts t
		WHERE +t.room = ?2 AND +t.opening = o.opening AND t.event_id IN (
			SELECT n.event_id FROM posts n WHERE n.room = ?2 AND n.opening = o.opening AND n.opening <> 0 AND n.opened_at > ?3
			ORDER BY n.opened_at DESC LIMIT ?4)`
)

// Grouping implements store.Store.
func (s *Store) Grouping(ctx context.Context, asks []store.GroupingAsk) (map[string]store.RoomGrouping, error) {
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	rooms := make(map[string]store.RoomGrouping, len(asks))
	for _, ask := range asks {
		g, err := s.grouping(ctx, ask)
		if err != nil {
			return nil, err
		}
		rooms[ask.Room] = g
	}
	return rooms, nil
}

func (s *Store) grouping(ctx context.Context, ask store.GroupingAsk) (g store.RoomGrouping, err error) {
	openingList, err := json.Marshal(ask.Openings)
	if err != nil {
		return g, err
	}
	groupList, err := json.Marshal(ask.Groups)
	if err != nil {
		return g, err
	}
	add := func(text string, args ...any) {
		if err != nil {
			return
		}
		var found []store.Group
		found, err = queryReadable(ctx, s, "read a room's groups", scanGroup, text, args...)
		for _, one := range found {
			if !slices.ContainsFunc(g.Groups, func(g store.Group) bool { return g.ID == one.ID }) {
				g.Groups = append(g.Groups, one)
			}
		}
	}
	if ask.Limit > 0 {
		if g.Fresh, err = queryReadable(ctx, s, "read fresh posts", scanPost, freshPosts, ask.Room, int64(ask.Below), ask.Limit); err != nil {
			return g, err
		}
		if _, err = query(ctx, s, "count a room's posts", func(rows *sql.Rows) (none struct{}, err error) {
			return none, rows.Scan(&g.Recent, &g.Burst, &g.Behind, &g.NewFlaps)
		}, roomCounts, ask.Room, micro(ask.Since), micro(ask.BurstSince), ask.Limit); err != nil {
			return g, err
		}
		add(newestStorm, ask.Room)
	}
	if len(ask.Openings) > 0 {
		add(newestFlaps, ask.Room, string(openingList))
	}
	if len(ask.Groups) > 0 {
		add(groupsByID, string(groupList))
	}
	if names := slices.Concat(ask.Causes, ask.Ended); len(names) > 0 && err == nil {
		list, err := json.Marshal(names)
		if err != nil {
			return g, err
		}
		add(causeGroups, ask.Room, string(list))
	}
	if len(ask.Ended) > 0 && err == nil && len(g.Groups) > 0 {
		list, err := json.Marshal(ask.Ended)
		if err != nil {
			return g, err
		}
		if g.Symptoms, err = queryReadable(ctx, s, "read symptoms", scanPost, symptoms, ask.Room, string(list)); err != nil {
			return g, err
		}
	}
	if err != nil || len(ask.Openings) == 0 {
		return g, err
	}
	g.Openings = map[int64][]store.Opening{}
	_, err = query(ctx, s, "read earlier openings", func(rows *sql.Rows) (none struct{}, err error) {
		var o store.Opening
		var opening int64
		err = rows.Scan(&opening, &o.Key.Source, &o.Key.EventID, stamp{&o.OpenedAt}, &o.Open)
		g.Openings[opening] = append(g.Openings[opening], o)
		return none, err
	}, openings, string(openingList), ask.Room, micro(ask.OpenedAfter), store.MaxOpenings)
	return g, err
}
