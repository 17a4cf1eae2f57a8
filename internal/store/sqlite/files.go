package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// errGone means that commits no longer reach the configured path: SQLite keeps writing to a file
// that has lost its name, and everything written there is lost when the process ends.
var errGone = errors.New("the database file was deleted, moved or replaced")

// filesInterval is how often the files are checked.
const filesInterval = time.Second

// files checks that the database and its write-ahead log are still the files that were opened.
// Once they aren't, the store refuses every write until the relay is restarted.
type files struct {
	path   string
	log    *slog.Logger
	opened map[string]os.FileInfo // by name
	gone   atomic.Pointer[advised]
	stop   chan struct{}
	done   chan struct{}
}

// watchFiles records the files as they are now and starts checking them.
func watchFiles(path string, log *slog.Logger) (*files, error) {
	f := &files{path: path, log: log, opened: map[string]os.FileInfo{}, stop: make(chan struct{}), done: make(chan struct{})}
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		f.opened[name] = info
	}
	go f.run()
	return f, nil
}

func (f *files) run() {
	defer close(f.done)
	tick := time.NewTicker(filesInterval)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
			if f.check() != nil {
				return
			}
		}
	}
}

// close stops checking, after a last check.
func (f *files) close() {
	close(f.stop)
	<-f.done
	_ = f.check()
}

// err returns why nothing may be written; nil while the files are in place.
func (f *files) err() error {
	if gone := f.gone.Load(); gone != nil {
		return gone
	}
	return nil
}

// check compares the files with those that were opened.
func (f *files) check() error {
	if err := f.err(); err != nil {
		return err
	}
	err := f.compare()
	if err == nil {
		return nil
	}
	f.gone.Store(&advised{err, fmt.Sprintf("restore %s and its -wal, or a backup, and restart the relay; "+
		"until it stops, copies of the lost files can be taken from /proc/%d/fd", f.path, os.Getpid())})
	f.log.Error("the store's file is gone: refusing all writes until the relay is restarted", "store", f.path, "error", f.err())
	return f.err()
}

func (f *files) compare() error {
	for name, opened := range f.opened {
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %s doesn't exist", errGone, name)
		case err != nil:
			return fmt.Errorf("%w: %w", errGone, err)
		case !os.SameFile(info, opened):
			return fmt.Errorf("%w: %s is another file now", errGone, name)
		}
	}
	return nil
}
