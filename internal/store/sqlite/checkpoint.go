package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"
)

// When the log is copied into the database: rarely enough that a burst isn't
// written twice while it goes on, and before the log is too long to read quickly
// after a crash. In pages of 4 KiB.
const (
	checkpointPages = 8192             // this much to copy: copy it
	checkpointAfter = 10 * time.Second // less than that: copy it once it is this old
	checkpointLook  = 500 * time.Millisecond
	longLog         = 32768 // longer than this: copy the rest while nobody writes
)

// checkpointer copies the write-ahead log into the database on a connection of
// its own, so that no commit waits for it.
type checkpointer struct {
	w    *writer
	db   *sql.DB
	path string
	log  *slog.Logger
	long int // longLog
	wake chan struct{}
	stop chan struct{}
	done chan struct{}
}

func newCheckpointer(ctx context.Context, path string, w *writer, log *slog.Logger) (*checkpointer, error) {
	db, err := open(path, "wal_autocheckpoint(0)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	// Opened here and now: by the first checkpoint another file may stand under the name, or none.
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	c := &checkpointer{w: w, db: db, path: path, log: log, long: longLog,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go c.run()
	return c, nil
}

// wrote says that the log has grown.
func (c *checkpointer) wrote() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *checkpointer) close() error {
	close(c.stop)
	<-c.done
	return c.db.Close()
}

func (c *checkpointer) run() {
	defer close(c.done)
	look := time.NewTicker(checkpointLook)
	look.Stop()
	var since time.Time // when the first commit was made that isn't copied; zero for none
	for {
		select {
		case <-c.stop:
			look.Stop()
			return
		case <-c.wake:
			if since.IsZero() {
				since = time.Now()
				look.Reset(checkpointLook)
			}
			continue
		case <-look.C:
		}
		due, err := c.due(time.Since(since))
		if err == nil && !due {
			continue
		}
		if err == nil {
			err = c.copy()
		}
		if err != nil {
			c.log.Error("checkpoint failed, trying again; the log grows until one succeeds", "store", c.path, "error", explained(err, c.path))
			look.Reset(checkpointAfter)
			continue
		}
		since = time.Time{}
		look.Stop()
	}
}

func (c *checkpointer) due(age time.Duration) (bool, error) {
	if age >= checkpointAfter {
		return true, nil
	}
	length, copied, err := c.pragma("NOOP")
	return length-copied >= checkpointPages, err
}

// copy copies what it can beside the commits. Under steady load something is
// left each time, and the log would never start again at its beginning: when it has
// grown long, the small rest is copied while nobody writes.
func (c *checkpointer) copy() error {
	length, copied, err := c.pragma("PASSIVE")
	if err != nil || copied >= length || length < c.long {
		return err
	}
	if err := c.w.take(context.Background()); err != nil {
		return err
	}
	defer c.w.give()
	_, _, err = c.pragma("PASSIVE")
	return err
}

// pragma runs a checkpoint of a mode, and gives the log's length and how much of
// it is copied, in pages.
func (c *checkpointer) pragma(mode string) (length, copied int, err error) {
	var busy int
	err = c.db.QueryRow("PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &length, &copied)
	return length, copied, err
}
