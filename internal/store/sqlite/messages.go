package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// shownBy is the post or group that a message shows or showed.
type shownBy struct {
	key    alert.Key // Source is "" for a group
	room   string
	group  int64
	parent string // of a notice: its thread
}

const messageByID = `SELECT m.event_id, m.source, m.room, m.grp, coalesce((SELECT n.parent_id FROM notices n WHERE n.id = m.notice), '')
	FROM messages m WHERE m.id IN (?, ?) LIMIT 1`

// shown finds what a message shows or showed.
func (s *Store) shown(ctx context.Context, messageID string) (shownBy, error) {
	id := messageID
	for range store.MaxParents {
		found, err := query(ctx, s, "find what a message shows", func(rows *sql.Rows) (m shownBy, err error) {
			return m, rows.Scan(&m.key.EventID, &m.key.Source, &m.room, &m.group, &m.parent)
		}, messageByID, id, store.MessageID(id))
		if err != nil {
			return shownBy{}, err
		}
		if len(found) == 0 {
			break
		}
		if m := found[0]; m.key != (alert.Key{}) || m.group > 0 {
			return m, nil
		}
		id = found[0].parent
	}
	return shownBy{}, fmt.Errorf("message %s: %w", messageID, store.ErrNotFound)
}

// PostByMessage implements store.Store.
func (s *Store) PostByMessage(ctx context.Context, messageID string) (store.Post, error) {
	m, err := s.shown(ctx, messageID)
	if err != nil {
		return store.Post{}, err
	}
	return queryOne(ctx, s, "find a post by its message", "post with message "+messageID, scanPost, `SELECT `+postColumns+`
		FROM posts t`+withCursor+withPending+` WHERE t.event_id = ? AND t.source = ? AND t.room = ?`, m.key.EventID, m.key.Source, m.room)
}

// GroupByMessage implements store.Store.
func (s *Store) GroupByMessage(ctx context.Context, messageID string) (store.Group, error) {
	m, err := s.shown(ctx, messageID)
	if err != nil {
		return store.Group{}, err
	}
	g, err := s.Group(ctx, m.group)
	if err != nil {
		err = fmt.Errorf("message %s: %w", messageID, err)
	}
	return g, err
}
