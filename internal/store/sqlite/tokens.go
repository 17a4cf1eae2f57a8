package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/seal"
	"nms-alert-relay/internal/store"
)

const tokenColumns = `person, source, confirmed, sealed, command, username, email, bot, room_id, created_at, expires_at, told_at`

const allTokens = `SELECT ` + tokenColumns + ` FROM person_tokens ORDER BY person, source, confirmed`

func scanToken(rows *sql.Rows) (t store.PersonToken, err error) {
	return t, rows.Scan(&t.Person, &t.Source, &t.Confirmed, &t.Sealed, &t.Command, &t.Username, &t.Email, &t.Bot, &t.RoomID, stamp{&t.CreatedAt}, stamp{&t.ExpiresAt}, stamp{&t.ToldAt})
}

// PersonTokens implements store.Store.
func (s *Store) PersonTokens(ctx context.Context, person string) ([]store.PersonToken, error) {
	return query(ctx, s, "read a person's tokens", scanToken, `SELECT `+tokenColumns+` FROM person_tokens WHERE person = ? ORDER BY source, confirmed`, person)
}

// AllPersonTokens implements store.Store.
func (s *Store) AllPersonTokens(ctx context.Context) ([]store.PersonToken, error) {
	return query(ctx, s, "read everybody's tokens", scanToken, allTokens)
}

// SavePersonToken implements store.Store.
func (s *Store) SavePersonToken(ctx context.Context, t store.PersonToken) error {
	return s.write(ctx, "save a person's token", func(x *tx) error {
		if err := t.Belongs(); err != nil {
			return err
		}
		_, err := x.exec(`INSERT OR REPLACE INTO person_tokens (`+tokenColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			t.Person, t.Source, t.Confirmed, t.Sealed, t.Command, t.Username, t.Email, t.Bot, t.RoomID, micro(t.CreatedAt), micro(t.ExpiresAt), micro(t.ToldAt))
		return err
	})
}

// ConfirmPersonToken implements store.Store.
func (s *Store) ConfirmPersonToken(ctx context.Context, person, source, command string) error {
	return s.write(ctx, "confirm a person's token", func(x *tx) error {
		n, err := x.exec(`UPDATE OR REPLACE person_tokens SET confirmed = 1 WHERE person = ? AND source = ? AND command = ? AND confirmed = 0`, person, source, command)
		if err == nil && n == 0 {
			return fmt.Errorf("token to confirm: %w", store.ErrNotFound)
		}
		return err
	})
}

// ForgetPersonTokens implements store.Store.
func (s *Store) ForgetPersonTokens(ctx context.Context, person, source string) (used int, err error) {
	err = s.write(ctx, "forget a person's tokens", func(x *tx) error {
		used = 0
		if _, err := x.one(`SELECT count(*) FROM person_tokens WHERE confirmed = 1 AND person = ?1 AND (?2 = '' OR source = ?2)`, []any{person, source}, &used); err != nil {
			return err
		}
		_, err := x.exec(`DELETE FROM person_tokens WHERE person = ?1 AND (?2 = '' OR source = ?2)`, person, source)
		return err
	})
	return used, err
}

// ForgetSealed implements store.Store.
func (s *Store) ForgetSealed(ctx context.Context, sealed string) error {
	return s.write(ctx, "forget a person's token", func(x *tx) error {
		_, err := x.exec(`DELETE FROM person_tokens WHERE sealed = ?`, sealed)
		return err
	})
}

// TellPersonToken implements store.Store.
func (s *Store) TellPersonToken(ctx context.Context, sealed string, at time.Time) error {
	return s.write(ctx, "save that a person was told about their token", func(x *tx) error {
		_, err := x.exec(`UPDATE person_tokens SET told_at = ? WHERE sealed = ?`, micro(at), sealed)
		return err
	})
}

// SealedValues implements store.Store.
func (s *Store) SealedValues(ctx context.Context) (all []store.SealedValue, err error) {
	for _, c := range store.SealedColumns {
		found, err := query(ctx, s, "read sealed values", func(rows *sql.Rows) (v store.SealedValue, err error) {
			key := make([]string, len(c.Key))
			into := []any{&v.Sealed}
			for i := range key {
				into = append(into, &key[i])
			}
			err = rows.Scan(into...)
			v.Place = seal.Place(c.Table, key...)
			return v, err
		}, `SELECT `+c.Column+`, `+strings.Join(c.Key, ", ")+` FROM `+c.Table)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// Reseal implements store.Store.
func (s *Store) Reseal(ctx context.Context, before, after string) error {
	return s.write(ctx, "replace a sealed value", func(x *tx) error {
		for _, c := range store.SealedColumns {
			if _, err := x.exec(`UPDATE `+c.Table+` SET `+c.Column+` = ? WHERE `+c.Column+` = ?`, after, before); err != nil {
				return err
			}
		}
		return nil
	})
}
