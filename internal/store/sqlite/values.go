package sqlite

import (
	"context"
	"database/sql"
)

// Value implements store.Store.
func (s *Store) Value(ctx context.Context, name string) (string, error) {
	return queryOne(ctx, s, "read a value", "value "+name, func(rows *sql.Rows) (v string, err error) { return v, rows.Scan(&v) },
		`SELECT value FROM kept_values WHERE name = ?`, name)
}

// SetValue implements store.Store.
func (s *Store) SetValue(ctx context.Context, name, value string) error {
	return s.write(ctx, "save a value", func(t *tx) error {
		_, err := t.exec(`INSERT INTO kept_values (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		return err
	})
}

// Ping implements store.Store. It writes, since a full disk can still be read.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.damage.refuses(); err != nil {
		return err
	}
	return s.SetValue(ctx, "store.ping", s.clock().UTC().Format("2006-01-02T15:04:05Z"))
}
