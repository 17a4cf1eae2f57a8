package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"nms-alert-relay/internal/store"
)

const commandColumns = `id, bot, room_id, room, parent_id, person_id, email, name, text, action, keys,
	state, outcome, attempts, not_before, created_at, done_at, detail, trace`

func scanCommand(rows *sql.Rows) (store.Command, error) {
	var c store.Command
	var keys string
	err := rows.Scan(&c.ID, &c.Bot, &c.RoomID, &c.Room, &c.ParentID, &c.PersonID, &c.Email, &c.Name, &c.Text, &c.Action, &keys,
		&c.State, &c.Outcome, &c.Attempts, stamp{&c.NotBefore}, stamp{&c.CreatedAt}, stamp{&c.DoneAt}, &c.Detail, &c.Trace)
	what := "command " + c.ID
	if err == nil && json.Unmarshal([]byte(keys), &c.Keys) != nil {
		return c, fmt.Errorf("%w: the keys of %s can't be read", store.ErrRejected, what)
	}
	return c, unreadable(what, err)
}

func commandArgs(c store.Command) ([]any, error) {
	keys, err := json.Marshal(c.Keys)
	return []any{c.ID, c.Bot, c.RoomID, c.Room, c.ParentID, c.PersonID, c.Email, c.Name, c.Text, c.Action, string(keys),
		string(c.State), c.Outcome, c.Attempts, micro(c.NotBefore), micro(c.CreatedAt), micro(c.DoneAt), c.Detail, c.Trace}, err
}

// ClaimCommand implements store.Store.
func (s *Store) ClaimCommand(ctx context.Context, c store.Command) (claimed bool, err error) {
	if c.State == "" {
		c.State = store.CommandReceived
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = s.clock()
	}
	args, err := commandArgs(c)
	if err != nil {
		return false, err
	}
	err = s.write(ctx, "claim a command", func(t *tx) error {
		if c.ID == "" {
			return errors.New("a command needs an id to be claimed")
		}
		n, err := t.exec(`INSERT INTO commands (`+commandColumns+`)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`, args...)
		claimed = n == 1
		return err
	})
	return claimed && err == nil, err
}

// SaveCommand implements store.Store.
func (s *Store) SaveCommand(ctx context.Context, c store.Command) error {
	args, err := commandArgs(c)
	if err != nil {
		return err
	}
	return s.write(ctx, "save a command", func(t *tx) error {
		n, err := t.exec(`
			UPDATE commands SET bot = ?2, room_id = ?3, room = ?4, parent_id = ?5, person_id = ?6, email = ?7, name = ?8, text = ?9,
				action = ?10, keys = ?11, state = ?12, outcome = ?13, attempts = ?14, not_before = ?15, created_at = ?16, done_at = ?17, detail = ?18, trace = ?19
			WHERE id = ?1`, args...)
		if err == nil && n == 0 {
			return fmt.Errorf("command %s: %w", c.ID, store.ErrNotFound)
		}
		return err
	})
}

const (
	unfinished         = `state IN ('received', 'executing', 'retrying')`
	unfinishedCommands = `SELECT ` + commandColumns + ` FROM commands WHERE ` + unfinished + ` ORDER BY created_at, rowid`
	recentCommands     = `SELECT ` + commandColumns + ` FROM commands WHERE created_at >= ?2 AND (` + unfinished + ` OR done_at >= ?1) ORDER BY created_at, rowid`
)

// UnfinishedCommands implements store.Store.
func (s *Store) UnfinishedCommands(ctx context.Context) ([]store.Command, error) {
	return queryReadable(ctx, s, "read unfinished commands", scanCommand, unfinishedCommands)
}

// RecentCommands implements store.Store.
func (s *Store) RecentCommands(ctx context.Context, since, createdSince time.Time) ([]store.Command, error) {
	return queryReadable(ctx, s, "read recent commands", scanCommand, recentCommands, micro(since), micro(createdSince))
}

// Command implements store.Store.
func (s *Store) Command(ctx context.Context, id string) (store.Command, error) {
	return queryOne(ctx, s, "read a command", "command "+id, scanCommand, `SELECT `+commandColumns+` FROM commands WHERE id = ?`, id)
}

const findCommands = `
	SELECT ` + commandColumns + ` FROM commands c
	WHERE action <> '' AND created_at >= ?1
		AND (?2 = '' OR instr(lower(email), ?2) > 0 OR instr(lower(name), ?2) > 0)
		AND (?3 = '' OR EXISTS (SELECT 1 FROM json_each(c.keys) k WHERE k.value = ?3 OR substr(k.value, instr(k.value, '/') + 1) = ?3))
		AND (?4 = '' OR c.room IN (SELECT value FROM json_each(?4))
			OR EXISTS (SELECT 1 FROM json_each(c.keys) k CROSS JOIN posts p
				ON p.event_id = substr(k.value, instr(k.value, '/') + 1) AND p.source = substr(k.value, 1, instr(k.value, '/') - 1)
				WHERE p.room IN (SELECT value FROM json_each(?4))))
		AND (?5 = '' OR action IN (SELECT value FROM json_each(?5)))
	ORDER BY created_at DESC, rowid DESC LIMIT ?6 OFFSET ?7`

// FindCommands implements store.Store.
func (s *Store) FindCommands(ctx context.Context, f store.CommandFilter) ([]store.Command, error) {
	list := func(names []string) (string, error) {
		if names == nil {
			return "", nil
		}
		b, err := json.Marshal(names)
		return string(b), err
	}
	rooms, err := list(f.Rooms)
	actions, err2 := list(f.Actions)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	limit := f.Limit
	if limit == 0 {
		limit = -1
	}
	return queryReadable(ctx, s, "read the audit log", scanCommand, findCommands,
		micro(f.Since), strings.ToLower(f.Person), f.Problem, rooms, actions, limit, f.Offset)
}
