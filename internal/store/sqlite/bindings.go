package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"nms-alert-relay/internal/store"
)

const bindingColumns = `room, room_id, bot, severity, host, text, until, person, email, name, command, created_at, ended_at, ended`

func scanBinding(rows *sql.Rows) (b store.Binding, err error) {
	return b, rows.Scan(&b.ID, &b.Room, &b.RoomID, &b.Bot, &b.Severity, &b.Host, &b.Text, stamp{&b.Until}, &b.Person, &b.Email, &b.Name, &b.Command,
		stamp{&b.CreatedAt}, stamp{&b.EndedAt}, &b.Ended)
}

// Bindings implements store.Store.
func (s *Store) Bindings(ctx context.Context) ([]store.Binding, error) {
	return query(ctx, s, "read bindings", scanBinding, `SELECT id, `+bindingColumns+` FROM bindings ORDER BY id`)
}

// AddBinding implements store.Store.
func (s *Store) AddBinding(ctx context.Context, b store.Binding) (id int64, err error) {
	err = s.write(ctx, "add a binding", func(t *tx) error {
		if known, err := t.one(`SELECT id FROM bindings WHERE command = ?`, []any{b.Command}, &id); known || err != nil {
			return err
		}
		id, err = t.insert(`INSERT INTO bindings (`+bindingColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			b.Room, b.RoomID, b.Bot, b.Severity, b.Host, b.Text, micro(b.Until), b.Person, b.Email, b.Name, b.Command, micro(b.CreatedAt), micro(b.EndedAt), b.Ended)
		return err
	})
	return id, err
}

// EndBinding implements store.Store.
func (s *Store) EndBinding(ctx context.Context, id int64, why store.BindingEnd, at time.Time) error {
	return s.write(ctx, "end a binding", func(t *tx) error {
		n, err := t.exec(`UPDATE bindings SET ended_at = ?, ended = ? WHERE id = ? AND ended_at = 0`, micro(at), why, id)
		if err == nil && n == 0 {
			return fmt.Errorf("binding %d: %w", id, store.ErrNotFound)
		}
		return err
	})
}
