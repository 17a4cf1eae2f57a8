// Package sqlite keeps the store in one SQLite file: WAL, synchronous=FULL, one
// writer whose appends share commits, a few readers, and a lock beside the file
// so that two relays never share it.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
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
	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"

	"nms-alert-relay/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many reads run at once. More don't help: reads are short.
const readers = 4

// Options make a Store. Path is all that is needed.
type Options struct {
	Path  string // of the database file; its directory must exist
	Log   *slog.Logger
	Clock func() time.Time
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

	unreadable sync.Map // why a row can't be read → true, once the log has said so

	closing sync.Once
	closed  atomic.Bool
	err     error // of Close
}

var _ store.Store = (*Store)(nil)

// process switches what can only be switched for the whole process. fdatasync
// leaves out the file's timestamps and is as durable as fsync; open file
// description locks aren't lost when somebody in this process opens and closes
// the file (POSIX locks are). Both are merely missing on other systems.
var process = sync.OnceFunc(func() {
	_, _ = driver.Fdatasync(true)
	_, _ = driver.OFDLocking(true)
})

// Open opens the file, makes it if it isn't there (mode 0600), and brings its
// tables up to date. store.ErrLocked when another relay has it open.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	process()
	// With a context that can end, the driver waits for locks by Go's clock; else it
	// keeps a thread asleep in the kernel, now and in every later call.
	ctx, opened := context.WithCancel(ctx)
	defer opened()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
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
		if err := s.takeLock(); err != nil {
			return nil, err
		}
	}
	if err := makeFile(path); err != nil {
		return nil, err
	}
	if err := migrate(ctx, path, o.Log); err != nil {
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
	// The log file is there by now: its name must survive a crash as well.
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	if s.files, err = watchFiles(path, o.Log); err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	s.intake = newIntake(s.writer, s)
	return s, nil
}

// Close waits for what is being written and closes the file. What comes
// afterwards gets store.ErrClosed.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		s.intake.close()
		s.err = s.release()
	})
	return s.err
}

// release lets go of whatever is held, in the reverse order of Open.
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

// takeLock takes the lock beside the file. The lock file stays when the relay
// ends: removing it would let two relays lock two different files of that name.
func (s *Store) takeLock() error {
	name := s.path + ".lock"
	lock := flock.New(name, flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("store %s: can't lock %s: %w (the directory must exist, and the relay's user must be able to write to it)", s.path, name, err)
	}
	if !ok {
		return fmt.Errorf("store %s: %w: %s is locked. Stop the other relay, or give this one a store.path of its own", s.path, store.ErrLocked, name)
	}
	s.lock = lock
	return nil
}

// makeFile makes an empty file that only its owner may read, before SQLite makes
// one that everybody may. Its companions (-wal, -shm) get the same mode.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("store: can't make the file: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close(), syncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("store %s: %w", path, err)
	}
	return nil
}

// syncDir writes a directory's entries to disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// open gives a pool of connections with what all of them need.
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
	q.Set("mode", "rw") // makeFile makes the file; one that goes away isn't made again
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	return sql.Open("sqlite", u.String())
}

// openReaders opens all of them at the start: one that is opened later may read another
// file, that stands in the place of this one by then.
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
		defer conn.Close() // given back once all are open
	}
	return db, nil
}

// migrate brings the tables up to date, on a connection of its own.
func migrate(ctx context.Context, path string, log *slog.Logger) (err error) {
	db, err := open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	current, newest, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("the file isn't a store, or it is damaged: %w", err)
	}
	if current > newest {
		return fmt.Errorf("the file has schema version %d and this relay knows %d at most: it was written by a newer relay. Run that one, or restore the backup made before the upgrade", current, newest)
	}
	if current == newest {
		return nil
	}
	if current == 0 {
		log.Debug("creating the store", "path", path, "version", newest)
		_, err = p.Up(ctx)
		return err
	}
	return upgrade(ctx, p, path, current, newest, log)
}

// upgrade runs the migrations that a file lacks, one by one. It logs each before it begins: on a
// large file one may take minutes, and the relay isn't up until then.
func upgrade(ctx context.Context, p *goose.Provider, path string, current, newest int64, log *slog.Logger) error {
	var size int64
	if info, err := os.Stat(path); err == nil {
		size = info.Size()
	}
	log.Warn("migrating the store; the relay starts when that is done", "path", path, "bytes", size, "from", current, "to", newest)
	began := time.Now()
	for version := current; version < newest; {
		log.Info("store migration begins", "path", path, "from", version, "of", newest)
		r, err := p.UpByOne(ctx)
		if err != nil {
			return fmt.Errorf("migrating from schema version %d: %w (nothing of it was written: the next start tries it again)", version, err)
		}
		version = r.Source.Version
		log.Info("store migration done", "path", path, "version", version, "of", newest, "took", r.Duration)
	}
	log.Warn("store migrated", "path", path, "from", current, "to", newest, "took", time.Since(began))
	return nil
}

// micro is a time as it is kept.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// at is the time that micro kept.
func at(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
