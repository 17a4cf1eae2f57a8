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
	// Before is the directory of the store that a restore moved away; "" for none.
	Before string `json:"moved_away_to,omitempty"`
}

// partial ends the names of unfinished copies.
const partial = ".partial"

// Backup copies the store at path, which a relay may have open, into a new file. The copy is one consistent snapshot, and is
// checked before it gets its name. It is of the store's own schema version, whatever this relay's is.
func Backup(ctx context.Context, path, to string) (_ Copy, err error) {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return Copy{}, fmt.Errorf("backup: %s exists (it isn't overwritten: give another name)", to)
	}
	if err := found(path); err != nil {
		return Copy{}, err
	}
	into, finish, err := newFile(to)
	if err != nil {
		return Copy{}, fmt.Errorf("backup: %w", err)
	}
	defer func() { err = finish(err) }()
	return snapshot(ctx, path, into, to)
}

// Export is Backup, but writes the checked copy to w. Meanwhile it is a file beside the store.
func Export(ctx context.Context, path string, w io.Writer) (_ Copy, err error) {
	if err := found(path); err != nil {
		return Copy{}, err
	}
	into, _, err := newFile(path)
	if err != nil {
		return Copy{}, fmt.Errorf("backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(into)) }()
	c, err := snapshot(ctx, path, into, "of "+path)
	if err != nil {
		return Copy{}, err
	}
	f, err := os.Open(into)
	if err != nil {
		return Copy{}, fmt.Errorf("backup: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return Copy{}, fmt.Errorf("backup: writing the copy: %w", err)
	}
	return c, nil
}

// found requires a store.
func found(path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// snapshot copies a store into an empty file and checks the copy. shown is its name in errors.
func snapshot(ctx context.Context, path, into, shown string) (_ Copy, err error) {
	process()
	ctx, done := context.WithCancel(ctx)
	defer done()
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
		return Copy{}, fmt.Errorf("backup %s: %w", shown, err)
	}
	return check(ctx, into, shown)
}

// Restore puts a copy, which is a file, in the place of a store; see Import.
func Restore(ctx context.Context, from, path, before string) (Copy, error) {
	if _, err := os.Lstat(from + "-wal"); err == nil {
		return Copy{}, fmt.Errorf("restore: %s has a -wal: it is a store, not a copy of one (copy it with 'alert-relay backup')", from)
	}
	f, err := os.Open(from)
	if err != nil {
		return Copy{}, fmt.Errorf("restore: %w", err)
	}
	defer f.Close()
	return Import(ctx, f, from, path, before)
}

// Import puts a copy in the place of a store, once it is complete, checked and on disk. A store that is there moves into the directory
// before, which is made; if that is "", it is refused. shown is the copy's name in errors. store.ErrLocked if a relay runs there.
func Import(ctx context.Context, from io.Reader, shown, path, before string) (_ Copy, err error) {
	process()
	ctx, done := context.WithCancel(ctx)
	defer done()
	newest, err := newestSchema()
	if err != nil {
		return Copy{}, err
	}
	unlock, err := lockForRestore(path)
	if err != nil {
		return Copy{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	present, err := filesOf(path)
	if err != nil {
		return Copy{}, err
	}
	if len(present) > 0 && before == "" {
		return Copy{}, fmt.Errorf("restore: %s exists (move %s, -wal and -shm away, all that exist, or use --move-away)", present[0], path)
	}
	into, finish, err := newFile(path)
	if err != nil {
		return Copy{}, fmt.Errorf("restore: %w", err)
	}
	defer func() { err = finish(err) }()
	if err := fill(into, from); err != nil {
		return Copy{}, fmt.Errorf("restore: %w", err)
	}
	c, err := check(ctx, into, shown)
	if err != nil {
		return Copy{}, err
	}
	if c.Schema > newest {
		return Copy{}, fmt.Errorf("backup %s: it has schema version %d, but this relay supports %d at most (restore it with the version that wrote it)", shown, c.Schema, newest)
	}
	if err := ownAs(filepath.Dir(path), into); err != nil {
		return Copy{}, fmt.Errorf("restore: giving the store to the owner of its directory: %w", err)
	}
	if err := moveAway(present, before); err != nil {
		return Copy{}, fmt.Errorf("restore: moving the store away: %w", err)
	}
	if len(present) > 0 {
		c.Before = before
	}
	return c, nil
}

// filesOf returns the files of a store that exist.
func filesOf(path string) (present []string, err error) {
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		switch _, err := os.Lstat(name); {
		case err == nil:
			present = append(present, name)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("restore: %w", err)
		}
	}
	return present, nil
}

// moveAway moves files of one directory into a new directory there.
func moveAway(files []string, to string) error {
	if len(files) == 0 {
		return nil
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	if err := ownAs(filepath.Dir(to), to); err != nil {
		return err
	}
	for _, name := range files {
		if err := os.Rename(name, filepath.Join(to, filepath.Base(name))); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(to), syncDir(filepath.Dir(to)))
}

// lockForRestore locks a store as a relay does. The relay's user must be able to lock it later, however the restore ends.
func lockForRestore(path string) (unlock func() error, err error) {
	s := &Store{path: path}
	if err := s.acquireLock(); err != nil {
		return nil, err
	}
	if err := ownAs(filepath.Dir(path), path+".lock"); err != nil {
		return nil, errors.Join(fmt.Errorf("restore: giving the lock to the owner of its directory: %w", err), s.lock.Close())
	}
	return s.lock.Close, nil
}

// newFile makes an empty file with a temporary name, which only its owner may read. finish gives it its name, unless a file has
// that, or removes it after an error.
func newFile(name string) (temporary string, finish func(error) error, err error) {
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

// fill writes all of r into a file, to the disk.
func fill(name string, r io.Reader) error {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, r)
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
