package sqlite

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"sync"

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

// health remembers which operation that every event needs met a damaged page. While one
// is remembered nothing is taken in: an entry that can't be read or folded again isn't kept,
// whatever a commit says.
//
// Whatever is remembered must be cleared by something that happens without new events,
// since none are taken in.
type health struct {
	mu      sync.Mutex
	damaged map[operation]error
	log     *slog.Logger
}

// operation is what every event needs.
type operation string

const (
	readJournal operation = "reading the journal"
	commitFold  operation = "committing a fold"
)

// met notes how an operation ended.
func (d *health) met(o operation, err error) {
	var e *driver.Error
	switch {
	case err == nil:
		d.works(o)
	case errors.As(err, &e) && (e.Code()&0xff == codes.SQLITE_CORRUPT || e.Code()&0xff == codes.SQLITE_NOTADB):
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.damaged) == 0 {
			d.log.Error("the store is damaged: nothing is taken in", "operation", o, "error", err)
		}
		if d.damaged == nil {
			d.damaged = map[operation]error{}
		}
		d.damaged[o] = err
	}
}

// works forgets the damage that these operations met.
func (d *health) works(operations ...operation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.damaged)
	for _, o := range operations {
		delete(d.damaged, o)
	}
	if before > 0 && len(d.damaged) == 0 {
		d.log.Warn("the damaged part of the store can be used again: going on", "operations", operations)
	}
}

// refuses is why nothing is taken in; nil where it is.
func (d *health) refuses() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return cmp.Or(d.damaged[readJournal], d.damaged[commitFold])
}
