package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Copy describes a copy of a store that was checked.
type Copy struct {
	Bytes    int64 `json:"bytes"`
	Schema   int64 `json:"schema"` // version
	Entries  int64 `json:"journal_entries"`
	Pending  int64 `json:"journal_pending"` // entries that aren't folded yet
	Problems int64 `json:"problems"`
}

// partial ends the names of unfinished copies.
const partial = ".partial"

// Backup copies the store at path, which a relay may have open, into a new file. The copy is one consistent snapshot, and is
// checked before it gets its name. It is of the store's own schema version, whatever this relay's is.
func Backup(ctx context.Context, path, to string) (_ Copy, err error) {
	process()
	ctx, done := context.WithCancel(ctx)
	defer done()
	if _, err := os.Stat(path); err != nil {
		return Copy{}, fmt.Errorf("store: %w", err)
	}
	into, finish, err := newFile(to)
	if err != nil {
		return Copy{}, fmt.Errorf("backup: %w", err)
	}
	defer func() { err = finish(err) }()
	db, err := sql.Open("sqlite", fileURL(path, url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(10000)"}}))
	if err != nil {
		return Copy{}, fmt.Errorf("store %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", into); err != nil {
		return Copy{}, fmt.Errorf("store %s: copying it: %w", path, explained(err, path))
	}
	if err := syncFile(into); err != nil {
		return Copy{}, fmt.Errorf("backup %s: %w", to, err)
	}
	return check(ctx, into, to)
}

// Restore puts a copy in the place of a store that doesn't exist. store.ErrLocked if a relay runs there.
func Restore(ctx context.Context, from, path string) (_ Copy, err error) {
	process()
	ctx, done := context.WithCancel(ctx)
	defer done()
	if _, err := os.Lstat(from + "-wal"); err == nil {
		return Copy{}, fmt.Errorf("restore: %s has a -wal: it is a store, not a copy of one (copy it with 'alert-relay backup')", from)
	}
	found, err := check(ctx, from, from)
	if err != nil {
		return Copy{}, err
	}
	newest, err := newestSchema()
	if err != nil {
		return Copy{}, err
	}
	if found.Schema > newest {
		return Copy{}, fmt.Errorf("backup %s: it has schema version %d, but this relay supports %d at most (restore it with the version that wrote it)", from, found.Schema, newest)
	}
	unlock, err := lockForRestore(path)
	if err != nil {
		return Copy{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return Copy{}, fmt.Errorf("restore: %s exists (move %s, -wal and -shm away, all that exist)", name, path)
		}
	}
	into, finish, err := newFile(path)
	if err != nil {
		return Copy{}, fmt.Errorf("restore: %w", err)
	}
	defer func() { err = finish(err) }()
	if err := copyFile(from, into); err != nil {
		return Copy{}, fmt.Errorf("restore: %w", err)
	}
	if err := errors.Join(ownAs(filepath.Dir(path), into), ownAs(filepath.Dir(path), path+".lock")); err != nil {
		return Copy{}, fmt.Errorf("restore: giving the store to the owner of its directory: %w", err)
	}
	return check(ctx, into, path)
}

// lockForRestore locks a store as a relay does.
func lockForRestore(path string) (unlock func() error, err error) {
	s := &Store{path: path}
	if err := s.acquireLock(); err != nil {
		return nil, err
	}
	return s.lock.Close, nil
}

// newFile makes an empty file with a temporary name, which only its owner may read. finish gives it its name, unless a file has
// that, or removes it after an error.
func newFile(name string) (temporary string, finish func(error) error, err error) {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("%s exists (it isn't overwritten: give another name)", name)
	}
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, filepath.Base(name)+".*"+partial) // mode 0600
	if err != nil {
		return "", nil, fmt.Errorf("creating a file in %s: %w", dir, err)
	}
	temporary = f.Name()
	finish = func(err error) error {
		if err == nil {
			err = os.Link(temporary, name)
			if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without links
				if _, there := os.Lstat(name); errors.Is(there, fs.ErrNotExist) {
					err = os.Rename(temporary, name)
				}
			}
			if err == nil {
				err = syncDir(dir)
			}
		}
		if gone := os.Remove(temporary); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return err
	}
	if err := f.Close(); err != nil {
		return "", nil, finish(err)
	}
	return temporary, finish, nil
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// check opens a copy and reads all of it. shown is its name in errors.
func check(ctx context.Context, name, shown string) (c Copy, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return c, fmt.Errorf("backup: %w", err)
	}
	c.Bytes = info.Size()
	db, err := sql.Open("sqlite", fileURL(name, url.Values{"mode": {"ro"}, "immutable": {"1"}}))
	if err != nil {
		return c, fmt.Errorf("backup %s: %w", shown, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var faults []string
	rows, err := db.QueryContext(ctx, "PRAGMA integrity_check(5)")
	if err != nil {
		return c, fmt.Errorf("backup %s: %w (it isn't a relay's store, or it is damaged: use another one)", shown, err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return c, fmt.Errorf("backup %s: %w", shown, err)
		}
		faults = append(faults, line)
	}
	if err := rows.Err(); err != nil {
		return c, fmt.Errorf("backup %s: %w (it is damaged: use another one)", shown, err)
	}
	if text := strings.Join(faults, "; "); text != "ok" {
		return c, fmt.Errorf("backup %s: damaged: %s (use another one)", shown, text)
	}
	for query, into := range map[string]*int64{
		"SELECT coalesce(max(version_id), 0) FROM schema_version WHERE is_applied": &c.Schema,
		"SELECT count(*) FROM journal":                                             &c.Entries,
		"SELECT count(*) FROM problems":                                            &c.Problems,
	} {
		if err := db.QueryRowContext(ctx, query).Scan(into); err != nil {
			return c, fmt.Errorf("backup %s: it isn't a relay's store: %w", shown, err)
		}
	}
	if c.Schema >= pendingSince {
		err = db.QueryRowContext(ctx, "SELECT count(*) FROM journal WHERE pending = 1").Scan(&c.Pending)
	}
	return c, err
}

// pendingSince is the schema version from which each journal entry says whether it is pending.
const pendingSince = 10
