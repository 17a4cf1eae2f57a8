package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// errGone says that what is written wouldn't be there after a restart.
var errGone = errors.New("the file was deleted, moved or replaced")

// guard sees to it that the files are those that were opened. SQLite goes on with a
// file that has no name any more, and all that it wrote is gone with the process.
type guard struct {
	path  string
	log   *slog.Logger
	files []opened

	every time.Duration // how often to look

	mu     sync.Mutex
	gone   bool // at the last look
	looked time.Time
	saving bool
	saved  bool      // since it went away
	again  time.Time // not to be saved before

	work sync.WaitGroup
}

type opened struct {
	name string
	info os.FileInfo
}

// lookEvery is how often the files are looked at: often enough that next to nothing is
// taken in after they went away (it is rescued as well), and too seldom to cost anything.
const lookEvery = 10 * time.Millisecond

// saveAgain is how long after a rescue that failed another is tried.
const saveAgain = time.Minute

// newGuard remembers the database and its log as they are.
func newGuard(path string, log *slog.Logger) (*guard, error) {
	g := &guard{path: path, log: log, every: lookEvery}
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		g.files = append(g.files, opened{name, info})
	}
	return g, nil
}

// look says whether the files are there: errGone where one isn't.
func (g *guard) look() error {
	for _, f := range g.files {
		info, err := os.Stat(f.name)
		switch {
		case err == nil && os.SameFile(info, f.info):
		case err == nil:
			return fmt.Errorf("%w: %s is another file now", errGone, f.name)
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %s isn't there", errGone, f.name)
		default:
			return fmt.Errorf("%w: %w", errGone, err)
		}
	}
	return nil
}

// before is asked before a transaction: nothing is written any more once the files
// are gone, since their content is being saved. It looks only where they were gone before.
func (g *guard) before(rescue func() error) error {
	g.mu.Lock()
	gone := g.gone
	g.mu.Unlock()
	if !gone {
		return nil
	}
	return g.after(rescue)
}

// after is asked after a commit, before anybody is told that something is kept.
// Where it isn't, the content is saved, in the background.
func (g *guard) after(rescue func() error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if !g.gone && now.Sub(g.looked) < g.every {
		return nil
	}
	err := g.look()
	g.looked = now
	switch {
	case err == nil && g.gone:
		g.gone, g.saved = false, false
		_ = os.Remove(rescued(g.path)) // what it held is where it belongs
		g.log.Warn("the store's files are back: going on", "store", g.path)
	case err != nil && !g.gone:
		g.gone = true
		g.log.Error("the store's file is gone: nothing is taken in until it is back. What it held is being saved beside it", "store", g.path, "error", err)
	}
	if err == nil {
		return nil
	}
	if !g.saving && !g.saved && !now.Before(g.again) {
		g.saving = true
		g.work.Go(func() { _ = g.save(rescue) })
	}
	return &advised{err, "move it back if it was moved; else the log says where its content was saved"}
}

// save runs a rescue and tells the operator what came of it.
func (g *guard) save(rescue func() error) error {
	err := rescue()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.saving, g.saved = false, err == nil
	if err != nil {
		g.again = time.Now().Add(saveAgain)
		g.log.Error("what the store held can't be saved: don't stop the relay, its process is all that still has it. Trying again", "store", g.path, "in", saveAgain, "error", err)
		return err
	}
	g.log.Error("what the store held was saved: stop the relay, put it in the store's place, and start", "store", g.path, "saved", rescued(g.path), "by", restore(g.path))
	return nil
}

// end looks a last time: what the files held would go with the process.
func (g *guard) end(rescue func() error) error {
	g.work.Wait()
	if g.look() == nil {
		return nil
	}
	g.mu.Lock()
	saved := g.saved
	g.mu.Unlock()
	if saved {
		return nil
	}
	if err := g.save(rescue); err != nil {
		return fmt.Errorf("store %s: its file is gone and what it held couldn't be saved: %w", g.path, err)
	}
	return nil
}

// rescued is where the content of a store whose file is gone is saved.
func rescued(path string) string { return path + ".rescued" }

// restore is how a rescued store is put in its place: an old log must not meet it.
func restore(path string) string {
	return fmt.Sprintf("rm -f %s %s && mv %s %s", path+"-wal", path+"-shm", rescued(path), path)
}

// rescue saves all that was committed, through the connection that still has the files open.
func (s *Store) rescue() error {
	if err := s.writer.take(context.Background()); err != nil {
		return err
	}
	defer s.writer.give()
	to := rescued(s.path)
	part := to + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Made here, as makeFile does, since SQLite would let everybody read it.
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := s.writer.conn.ExecContext(context.Background(), "VACUUM INTO ?", part); err != nil {
		return errors.Join(err, f.Close(), os.Remove(part))
	}
	return errors.Join(f.Sync(), f.Close(), os.Rename(part, to))
}

// lookForRescued refuses to begin a store anew where one was rescued.
func lookForRescued(path string, log *slog.Logger) error {
	to := rescued(path)
	if _, err := os.Stat(to); err != nil {
		return nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store %s isn't there, but what it held was saved when its file went away: %s, and start again", path, restore(path))
	}
	log.Warn("beside the store is what one held whose file went away: remove it if nothing in it is missing", "store", path, "saved", to)
	return nil
}
