package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// advised is an error with what to do about it.
type advised struct {
	error
	hint string
}

func (a *advised) Error() string { return a.error.Error() + " (" + a.hint + ")" }
func (a *advised) Unwrap() error { return a.error }

// explained adds to SQLite's errors what an operator can do about them, by their
// result codes (https://www.sqlite.org/rescode.html).
func explained(err error, path string) error {
	var (
		e    *driver.Error
		done *advised
	)
	if !errors.As(err, &e) || errors.As(err, &done) {
		return err
	}
	hint := ""
	switch e.Code() & 0xff {
	case codes.SQLITE_FULL:
		hint = "make room on its disk; it goes on by itself"
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		hint = "another program holds the database: a backup, or somebody with sqlite3; it goes on once that has ended"
	case codes.SQLITE_READONLY, codes.SQLITE_PERM:
		hint = "the file, its directory or its file system can't be written to: see who owns them, and how it is mounted"
	case codes.SQLITE_CANTOPEN:
		hint = "the file or its directory is gone, or the relay's user may not open it"
	case codes.SQLITE_IOERR:
		hint = "the disk or its file system fails: the system's log says more"
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		hint = fmt.Sprintf("the file is damaged: stop the relay, keep %s and its -wal, and restore a backup", path)
	default:
		return err
	}
	return &advised{err, hint}
}

// health remembers that the fold met a damaged page. For as long as it does nothing is
// taken in: what it can't read again isn't kept, whatever a commit says.
type health struct {
	met atomic.Pointer[error] // what it met; nil for nothing
	log *slog.Logger
}

// meet takes in how an operation that every event needs has ended.
func (d *health) meet(err error) {
	var e *driver.Error
	switch {
	case err == nil:
		if d.met.Load() != nil && d.met.Swap(nil) != nil {
			d.log.Warn("the store is read again: going on")
		}
	case errors.As(err, &e) && (e.Code()&0xff == codes.SQLITE_CORRUPT || e.Code()&0xff == codes.SQLITE_NOTADB):
		if d.met.Swap(&err) == nil {
			d.log.Error("the store is damaged: nothing is taken in", "error", err)
		}
	}
}

// refuses is why nothing is taken in; nil where it is.
func (d *health) refuses() error {
	if err := d.met.Load(); err != nil {
		return *err
	}
	return nil
}
