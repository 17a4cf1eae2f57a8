package sqlite

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// wal is SQLite's write-ahead log as a file that the store writes to disk itself. SQLite would do
// so within each COMMIT, while nobody else can write: its writer has synchronous=NORMAL instead,
// which keeps the log's order and syncs around checkpoints, and whoever promises that
// something is on disk gives back its turn and waits for sync. Meanwhile others write. What is
// lost with the power is then the end of the log, of which nobody was told.
type wal struct {
	file  *os.File
	flush func() error // one synchronous write

	busy chan struct{} // holds one token while it is written

	mu   sync.Mutex
	next *flushing // what those join who come now; nil for nobody

	failed atomic.Bool    // a write failed: what the disk has of the log isn't known
	using  sync.WaitGroup // who has committed and isn't done with sync; added to within a turn
}

// flushing is one synchronous write that several wait for.
type flushing struct {
	done chan struct{}
	err  error
}

func openWAL(path string) (*wal, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &wal{file: f, flush: func() error { return datasync(f) }, busy: make(chan struct{}, 1)}, nil
}

// sync returns once everything is on disk that was committed before the call. One
// synchronous write serves all who come while the one before it goes on.
func (l *wal) sync() error {
	l.mu.Lock()
	f := l.next
	if f != nil {
		l.mu.Unlock()
		<-f.done
		return f.err
	}
	f = &flushing{done: make(chan struct{})}
	l.next = f
	l.mu.Unlock()

	l.busy <- struct{}{}
	l.mu.Lock()
	l.next = nil // who comes from now on may have committed too late for this one
	l.mu.Unlock()
	if f.err = l.flush(); f.err != nil {
		f.err = &advised{fmt.Errorf("writing the log to disk: %w", f.err), "the disk or its file system fails: the system's log says more"}
		l.failed.Store(true)
	}
	<-l.busy
	close(f.done)
	return f.err
}

// close waits for those that are in sync. Nobody may write any more.
func (l *wal) close() error {
	l.using.Wait()
	return l.file.Close()
}

// mend begins the log anew after a write of it failed: the kernel may have forgotten what it
// couldn't write, and a log with a hole ends there. So all of it is copied into the database, which is
// written to disk by that, and the log becomes empty. Until that succeeds nothing is written. It
// has the writer's turn.
func (w *writer) mend() error {
	if w.log == nil || !w.log.failed.Load() {
		return nil
	}
	var busy, length, copied int
	if err := w.conn.QueryRowContext(background, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &length, &copied); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("the disk failed to take the log, and it can't be begun anew while somebody reads")
	}
	if err := w.log.flush(); err != nil {
		return err
	}
	w.log.failed.Store(false)
	return nil
}
