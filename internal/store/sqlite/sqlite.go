// Package sqlite is the store in one SQLite file: WAL mode, synchronous=FULL, one writer with group
// commit, a few readers, and a lock file so that two relays never share the database.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	driver "modernc.org/sqlite"

	"nms-alert-relay/internal/store"
)

// readers is how many reads run at once. Reads are short: more wouldn't help.
const readers = 4

// Options of a Store. Only Path is required.
type Options struct {
	Path  string // of the database file; its directory must exist
	Log   *slog.Logger
	Clock func() time.Time
	// Migrating is called before each step of a migration, which may take minutes; nil for nobody.
	Migrating func(from, newest int64)
	// Shared leaves out the lock that keeps two relays from sharing the file. Tests open a second
	// handle this way, as a second relay would on PostgreSQL.
	Shared bool
}

// Store is a store.Store in one SQLite file. It is safe for concurrent use.
type Store struct {
	path  string
	log   *slog.Logger
	clock func() time.Time

	lock   *flock.Flock
	read   *sql.DB
	writer *writer
	intake *intake
	check  *checkpointer
	files  *files
	damage health

	prepared sync.Map // text → *sql.Stmt of read
	prepares atomic.Int64

	unreadable sync.Map // errors of rows that can't be read, once they are logged

	closing sync.Once
	closed  atomic.Bool
	err     error // of Close
}

var _ store.Store = (*Store)(nil)

// process changes settings that apply to the whole process. fdatasync leaves out timestamps and is as durable as
// fsync. Open file description locks, unlike POSIX locks, survive if other code of this process opens and closes the
// file. Other systems than Linux have neither, and need neither.
var process = sync.OnceFunc(func() {
	_, _ = driver.Fdatasync(true)
	_, _ = driver.OFDLocking(true)
})

// Open opens the database, creates it if it doesn't exist (mode 0600) and migrates it.
// store.ErrLocked if another relay has it open.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	process()
	// With a context that can end, the driver waits for locks in Go; otherwise it blocks a thread in
	// the kernel, now and in every later call.
	ctx, opened := context.WithCancel(ctx)
	defer opened()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Migrating == nil {
		o.Migrating = func(int64, int64) {}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", o.Path, err)
	}
	s := &Store{path: path, log: o.Log, clock: o.Clock, damage: health{log: o.Log}}
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	if !o.Shared {
		if err := s.acquireLock(); err != nil {
			return nil, err
		}
	}
	if err := makeFile(path); err != nil {
		return nil, err
	}
	if err := migrate(ctx, path, o.Log, o.Migrating); err != nil {
		return nil, fmt.Errorf("store %s: %w", path, explained(err, path))
	}
	if s.writer, err = newWriter(ctx, path); err != nil {
		return nil, fmt.Errorf("store %s: %w", path, explained(err, path))
	}
	if s.read, err = openReaders(ctx, path); err != nil {
		return nil, fmt.Errorf("store %s: %w", path, explained(err, path))
	}
	if s.check, err = newCheckpointer(ctx, path, s.writer, o.Log); err != nil {
		return nil, fmt.Errorf("store %s: %w", path, explained(err, path))
	}
	// The log exists by now: its directory entry must survive a crash as well.
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	if s.files, err = watchFiles(path, o.Log); err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	s.intake = newIntake(s.writer, s)
	return s, nil
}

// Close waits for the writes in progress and closes the file.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		s.intake.close()
		s.err = s.release()
	})
	return s.err
}

// release closes what Open opened, in reverse order.
func (s *Store) release() error {
	var errs []error
	if s.files != nil {
		s.files.close()
	}
	if s.check != nil {
		errs = append(errs, s.check.close())
	}
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close(s.files != nil && s.files.err() != nil))
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing store %s: %w", s.path, err)
	}
	return nil
}

// acquireLock locks the lock file. The file stays when the relay ends: removing it would let two relays
// lock two different files of that name.
func (s *Store) acquireLock() error {
	name := s.path + ".lock"
	lock := flock.New(name, flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("store %s: locking %s: %w (the directory must exist and be writable for the relay's user)", s.path, name, err)
	}
	if !ok {
		return fmt.Errorf("store %s: %w: %s is locked (stop the other relay, or give this one another store.path)", s.path, store.ErrLocked, name)
	}
	s.lock = lock
	return nil
}

// makeFile creates an empty file that only its owner may read; SQLite would create one that everybody can read.
// SQLite gives -wal and -shm the same mode.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("store: creating the file: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close(), syncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("store %s: %w", path, err)
	}
	return nil
}

// syncDir flushes a directory's entries to disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// open returns a connection pool with the settings that all connections share.
func open(path string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{}
	for _, p := range append([]string{
		"busy_timeout(10000)",
		"journal_mode(wal)",
		"synchronous(full)",
		"foreign_keys(1)",
	}, pragmas...) {
		q.Add("_pragma", p)
	}
	q.Set("mode", "rw") // makeFile creates the file; a lost one isn't created again
	return sql.Open("sqlite", fileURL(path, q))
}

func fileURL(path string, q url.Values) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	return u.String()
}

// openReaders connects all readers now, since the file may be replaced later.
func openReaders(ctx context.Context, path string) (*sql.DB, error) {
	db, err := open(path, "query_only(1)", "cache_size(-8000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	for range readers {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		defer conn.Close() // returned to the pool once all are open
	}
	return db, nil
}

// micro is a time as it is stored: microseconds since 1970, 0 for none.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// at is the inverse of micro.
func at(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// stamp scans a time that micro wrote.
type stamp struct{ to *time.Time }

// Scan implements sql.Scanner.
func (s stamp) Scan(column any) error {
	n, ok := column.(int64)
	if !ok {
		return fmt.Errorf("expected a time in microseconds, got %v", column)
	}
	*s.to = at(n)
	return nil
}
