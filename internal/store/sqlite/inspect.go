package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"nms-alert-relay/internal/store"
)

// Inspection is what Inspect found.
type Inspection struct {
	Bytes          int64
	Mode           fs.FileMode
	Schema, Newest int64    // versions: of the file, and of this program
	Damage         []string // what the integrity check found, the first few
	Unchecked      bool     // the integrity check was interrupted by the context
	Pending        int64    // journal entries that aren't folded yet
	// Values are the values whose names begin with one of ValuePrefixes.
	Values map[string]string
}

// ValuePrefixes begin the names of the values that Inspect reads: what the relay knows of its sources, and of its encryption key.
var ValuePrefixes = [...]string{"watch/", "heartbeat/", "encryption."}

// Inspect reads a store, which a relay may have open, and changes nothing.
func Inspect(ctx context.Context, path string) (i Inspection, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return i, fmt.Errorf("store: %w", err)
	}
	i.Bytes, i.Mode = info.Size(), info.Mode()
	if i.Newest, err = newestSchema(); err != nil {
		return i, err
	}
	found := i
	err = inspect(path, func(query url.Values) (bool, error) {
		found = i
		err := found.read(ctx, path, query)
		return len(found.Damage) > 0, err
	})
	return found, err
}

// InspectTokens reads people's tokens from a store, which a relay may have open.
func InspectTokens(ctx context.Context, path string) (tokens []store.PersonToken, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	err = inspect(path, func(query url.Values) (_ bool, err error) {
		db, err := sql.Open("sqlite", fileURL(path, query))
		if err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		var known int
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'person_tokens'").Scan(&known); err != nil || known == 0 {
			return false, err // from before there were any
		}
		rows, err := db.QueryContext(ctx, allTokens)
		if err == nil {
			tokens, err = collect(rows, scanToken)
		}
		return false, err
	})
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, explained(err, path))
	}
	return tokens, nil
}

// inspect calls read with how a store is opened without changing anything.
func inspect(path string, read func(query url.Values) (damaged bool, err error)) error {
	process()
	for {
		query := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)"}}
		alone := !exists(path + "-wal")
		if alone { // nobody has it open: nothing may be created beside it
			query.Set("immutable", "1")
		}
		damaged, err := read(query)
		if alone && (err != nil || damaged) && exists(path+"-wal") {
			continue // a relay started meanwhile
		}
		return err
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

func (i *Inspection) read(ctx context.Context, path string, query url.Values) (err error) {
	db, err := sql.Open("sqlite", fileURL(path, query))
	if err != nil {
		return fmt.Errorf("store %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM schema_version WHERE is_applied").Scan(&i.Schema); err != nil {
		return fmt.Errorf("store %s: it isn't a relay's store, or it is damaged: %w", path, explained(err, path))
	}
	if i.Schema >= pendingSince {
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM journal WHERE pending = 1").Scan(&i.Pending); err != nil {
			return fmt.Errorf("store %s: %w", path, explained(err, path))
		}
	}
	if err := i.readValues(ctx, db); err != nil {
		return fmt.Errorf("store %s: %w", path, explained(err, path))
	}
	const limit = 5 // lines
	rows, err := db.QueryContext(ctx, "PRAGMA quick_check("+fmt.Sprint(limit)+")")
	if err == nil {
		i.Damage, err = collect(rows, func(r *sql.Rows) (line string, err error) { return line, r.Scan(&line) })
	}
	switch {
	case ctx.Err() != nil:
		i.Unchecked, i.Damage = true, nil
	case err != nil:
		i.Damage = []string{explained(err, path).Error()}
	case len(i.Damage) == 1 && i.Damage[0] == "ok":
		i.Damage = nil
	}
	return nil
}

func (i *Inspection) readValues(ctx context.Context, db *sql.DB) error {
	i.Values = map[string]string{}
	for _, prefix := range ValuePrefixes {
		rows, err := db.QueryContext(ctx, "SELECT name, value FROM kept_values WHERE substr(name, 1, ?) = ?", len(prefix), prefix)
		if err != nil {
			return err
		}
		if _, err := collect(rows, func(r *sql.Rows) (name string, err error) {
			var value string
			err = r.Scan(&name, &value)
			i.Values[name] = value
			return name, err
		}); err != nil {
			return err
		}
	}
	return nil
}

// FreeBytes returns how much may still be written to the file system of the store; false if that isn't known.
func (s *Store) FreeBytes() (uint64, bool) { return FreeBytes(filepath.Dir(s.path)) }
