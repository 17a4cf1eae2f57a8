package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"nms-alert-relay/internal/pace"
)

// When to checkpoint: rarely enough that a burst isn't written twice while it goes on, and before the
// log takes long to recover after a crash. In pages of 4 KiB.
const (
	checkpointPages    = 8192             // with this many pages to copy
	checkpointAfter    = 10 * time.Second // or after this time with less
	checkpointInterval = 500 * time.Millisecond
	longLog            = 32768 // from this length on, the remainder is copied while nobody writes
)

// checkpointer copies the write-ahead log into the database on a connection of its own, so that no
// commit waits for it.
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
	// Connect now: by the first checkpoint the file may have been replaced.
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	c := &checkpointer{w: w, db: db, path: path, log: log, long: longLog,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go c.run()
	return c, nil
}

// wrote tells the checkpointer that the log has grown.
func (c *checkpointer) wrote() { pace.Wake(c.wake) }

func (c *checkpointer) close() error {
	close(c.stop)
	<-c.done
	return c.db.Close()
}

func (c *checkpointer) run() {
	defer close(c.done)
	look := time.NewTicker(checkpointInterval)
	look.Stop()
	var since time.Time // of the first commit that isn't copied yet; zero for none
	for {
		select {
		case <-c.stop:
			look.Stop()
			return
		case <-c.wake:
			if since.IsZero() {
				since = time.Now()
				look.Reset(checkpointInterval)
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
			c.log.Error("checkpoint failed, retrying; the log grows until one succeeds", "store", c.path, "error", explained(err, c.path))
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

// copy copies as much as it can while others commit. Under steady load some pages always remain, and the log never
// restarts at its beginning: once it is long, they are copied in the writer's turn.
func (c *checkpointer) copy() error {
	length, copied, err := c.pragma("PASSIVE")
	if err != nil || copied >= length || length < c.long {
		return err
	}
	if err := c.w.lock(context.Background()); err != nil {
		return err
	}
	defer c.w.unlock()
	_, _, err = c.pragma("PASSIVE")
	return err
}

// pragma runs a checkpoint in a mode and returns the length of the log and of its copied part, in pages.
func (c *checkpointer) pragma(mode string) (length, copied int, err error) {
	var busy int
	err = c.db.QueryRow("PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &length, &copied)
	return length, copied, err
}
