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

// advised is an error with a hint for the operator.
type advised struct {
	error
	hint string
}

func (a *advised) Error() string { return a.error.Error() + " (" + a.hint + ")" }
func (a *advised) Unwrap() error { return a.error }

// explained adds a hint for the operator to SQLite's errors, by their result codes
// (https://www.sqlite.org/rescode.html).
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
		hint = "free disk space; the relay recovers by itself"
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		hint = "another program has locked the database, such as a backup or sqlite3; the relay recovers once it ends"
	case codes.SQLITE_READONLY, codes.SQLITE_PERM:
		hint = "the file, its directory or its file system is read-only: check owner, mode and mount options"
	case codes.SQLITE_CANTOPEN:
		hint = "the file or its directory doesn't exist, or the relay's user may not open it"
	case codes.SQLITE_IOERR:
		hint = "the disk or its file system is failing: see the system log"
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		hint = fmt.Sprintf("the file is damaged: stop the relay, keep %s and its -wal, and restore a backup", path)
	default:
		return err
	}
	return &advised{err, hint}
}

// health records which of the operations that every event needs met a damaged page. While one is recorded, appends
// are refused: an entry that can't be read back or folded isn't safe, even if its commit succeeds.
//
// A record must be cleared by an operation that needs no new events, since none are accepted.
type health struct {
	mu      sync.Mutex
	damaged map[operation]error
	log     *slog.Logger
}

// operation is an operation that every event needs.
type operation string

const (
	readJournal operation = "reading the journal"
	commitFold  operation = "committing a fold"
)

// met records how an operation ended.
func (d *health) met(o operation, err error) {
	var e *driver.Error
	switch {
	case err == nil:
		d.works(o)
	case errors.As(err, &e) && (e.Code()&0xff == codes.SQLITE_CORRUPT || e.Code()&0xff == codes.SQLITE_NOTADB):
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.damaged) == 0 {
			d.log.Error("the store is damaged: refusing new events", "operation", o, "error", err)
		}
		if d.damaged == nil {
			d.damaged = map[operation]error{}
		}
		d.damaged[o] = err
	}
}

// works clears the damage that these operations met.
func (d *health) works(operations ...operation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.damaged)
	for _, o := range operations {
		delete(d.damaged, o)
	}
	if before > 0 && len(d.damaged) == 0 {
		d.log.Warn("the damaged part of the store is readable again: accepting events", "operations", operations)
	}
}

// refuses returns why appends are refused; nil while they aren't.
func (d *health) refuses() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return cmp.Or(d.damaged[readJournal], d.damaged[commitFold])
}
