package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// childStore names the store that a child process of this test writes to.
const childStore = "ALERT_RELAY_TEST_STORE"

func init() {
	if path := os.Getenv(childStore); path != "" {
		fmt.Fprintln(os.Stderr, runChild(path))
		os.Exit(1)
	}
}

// runChild is the child process: a relay's load on a store. It prints the number of each entry that is on disk, until it is killed.
func runChild(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: path})
	if err != nil {
		return err
	}
	var printing sync.Mutex
	errs := make(chan error)
	for range 8 {
		go func() {
			for {
				id, err := s.Append(ctx, entry(strings.Repeat("a payload ", 100)))
				if err != nil {
					errs <- err
					return
				}
				printing.Lock()
				fmt.Println(id)
				printing.Unlock()
			}
		}()
	}
	go func() { // the fold
		for {
			entries, err := s.PendingEntries(ctx, 100)
			f := store.Fold{}
			for _, e := range entries {
				key := alert.Key{Source: "main", EventID: strconv.FormatInt(e.ID, 10)}
				f.Applied = append(f.Applied, e.ID)
				f.Problems = append(f.Problems, alert.Problem{Key: key, Revision: 1, State: alert.StateOpen})
				f.Posts = append(f.Posts, store.Post{Key: key, Room: "noc", Desired: 1, PendingSince: time.Now()})
			}
			if err = errors.Join(err, s.CommitFold(ctx, f)); err != nil {
				errs <- err
				return
			}
		}
	}()
	return <-errs
}

// child is a relay in a process of its own, under load.
type child struct {
	t   *testing.T
	cmd *exec.Cmd

	mu   sync.Mutex
	last int64 // entries are on disk up to here, at least
	more chan struct{}
}

func startChild(t *testing.T, path string) *child {
	c := &child{t: t, cmd: exec.Command(os.Args[0]), more: make(chan struct{}, 1)}
	c.cmd.Env = append(os.Environ(), childStore+"="+path)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	lines := make(chan struct{})
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-lines
		_ = c.cmd.Wait()
	})
	go func() {
		defer close(lines)
		seen := map[int64]bool{}
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			id, err := strconv.ParseInt(scanner.Text(), 10, 64)
			if err != nil {
				continue // cut by the kill
			}
			c.mu.Lock()
			for seen[id] = true; seen[c.last+1]; c.last++ {
				delete(seen, c.last+1)
			}
			c.mu.Unlock()
			select {
			case c.more <- struct{}{}:
			default:
			}
		}
		close(c.more)
	}()
	return c
}

// onDisk waits until the child has written more entries than before, and returns how many are on disk.
func (c *child) onDisk(before int64) int64 {
	for range c.more {
		c.mu.Lock()
		last := c.last
		c.mu.Unlock()
		if last > before {
			return last
		}
	}
	c.t.Fatal("the child ended by itself")
	return 0
}

func (c *child) kill() {
	require.NoError(c.t, c.cmd.Process.Kill())
	for range c.more { // until its output ends
	}
}

// complete checks that a store has each entry up to one, and of each problem as much as the fold committed.
func complete(t *testing.T, s *Store, upTo int64) {
	t.Helper()
	entries, err := s.Entries(t.Context(), 0, 0)
	require.NoError(t, err)
	require.GreaterOrEqual(t, int64(len(entries)), upTo)
	applied := 0
	for i, e := range entries {
		require.EqualValues(t, i+1, e.ID)
		if e.Applied {
			applied++
		}
	}
	problems, err := s.CountProblems(t.Context(), store.Filter{})
	require.NoError(t, err)
	require.Equal(t, applied, problems)
	posts, err := s.PendingPosts(t.Context(), nil, time.Time{})
	require.NoError(t, err)
	require.Len(t, posts, applied)
}

// A backup of a store under load has everything that was on disk when it began. One of a store whose relay was killed, too.
// Restored, it is a store.
func TestBackupUnderLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "relay.db")
	load := startChild(t, path)
	onDisk := int64(0)
	restore := func(name string) {
		t.Helper()
		to := filepath.Join(t.TempDir(), "relay.db")
		found, err := Restore(t.Context(), filepath.Join(dir, name), to, "")
		require.NoError(t, err)
		require.GreaterOrEqual(t, found.Entries, onDisk)
		s, _ := reopen(t, to)
		complete(t, s, onDisk)
		_, err = s.Append(t.Context(), entry("goes on"))
		require.NoError(t, err)
	}
	for n := range 3 {
		onDisk = load.onDisk(onDisk + 50)
		name := fmt.Sprintf("backup%d.db", n)
		c, err := Backup(t.Context(), path, filepath.Join(dir, name))
		require.NoError(t, err)
		require.GreaterOrEqual(t, c.Entries, onDisk)
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		require.Equal(t, c.Bytes, info.Size())
		restore(name)
	}
	require.FileExists(t, path+"-wal", "the relay goes on with the same files")
	onDisk = load.onDisk(onDisk)
	load.kill()
	_, err := Backup(t.Context(), path, filepath.Join(dir, "after.db"))
	require.NoError(t, err)
	restore("after.db")
	s, _ := reopen(t, path)
	complete(t, s, onDisk)
}

// A backup that is stopped leaves no file, and one that is killed none under its name.
func TestAStoppedBackupLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path, to := filepath.Join(dir, "relay.db"), filepath.Join(dir, "backup.db")
	s, _ := reopen(t, path)
	_, err := s.Append(t.Context(), entry("kept"))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = Backup(ctx, path, to)
	require.ErrorIs(t, err, context.Canceled)
	left, err := filepath.Glob(filepath.Join(dir, "backup*"))
	require.NoError(t, err)
	require.Empty(t, left)

	_, finish, err := newFile(to)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, []byte("another's"), 0o600))
	require.ErrorIs(t, finish(nil), os.ErrExist, "a file that appears meanwhile isn't overwritten")
	kept, err := os.ReadFile(to)
	require.NoError(t, err)
	require.Equal(t, "another's", string(kept))
	require.NoError(t, os.Remove(to))

	killed, _, err := newFile(to) // and nothing else
	require.NoError(t, err)
	require.NotEqual(t, to, killed)
	require.NoFileExists(t, to)
	_, err = Restore(t.Context(), killed, filepath.Join(dir, "other.db"), "")
	require.ErrorContains(t, err, "isn't a relay's store")
	_, err = Backup(t.Context(), path, to)
	require.NoError(t, err, "a rest of a killed one doesn't matter")
}

// Neither command overwrites anything, and a restore refuses what isn't a sound copy of a store of this version or an earlier one.
func TestRestoreRefuses(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "relay.db"), filepath.Join(dir, "backup.db")
	s, _ := reopen(t, path)
	for range 200 {
		_, err := s.Append(t.Context(), entry(strings.Repeat("x", 1000)))
		require.NoError(t, err)
	}
	_, err := Backup(t.Context(), path, backup)
	require.NoError(t, err)
	_, err = Backup(t.Context(), path, backup)
	require.ErrorContains(t, err, "exists")
	_, err = Backup(t.Context(), filepath.Join(dir, "nothing.db"), filepath.Join(dir, "b.db"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Restore(t.Context(), backup, path, "")
	require.ErrorIs(t, err, store.ErrLocked)
	require.NoError(t, s.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = Restore(t.Context(), backup, path, "")
	require.ErrorContains(t, err, path+" exists")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)

	sound, err := os.ReadFile(backup)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		make func(name string) error
		want string
	}{
		"missing":   {func(string) error { return nil }, "no such file"},
		"text":      {func(name string) error { return os.WriteFile(name, []byte("-- SQL\n"), 0o600) }, "isn't a relay's store"},
		"cut":       {func(name string) error { return os.WriteFile(name, sound[:len(sound)/2], 0o600) }, "damaged"},
		"another's": {func(name string) error { return run(name, `CREATE TABLE x (y)`) }, "isn't a relay's store"},
		"a store": {func(name string) error {
			return errors.Join(os.WriteFile(name, sound, 0o600), os.WriteFile(name+"-wal", nil, 0o600))
		}, "has a -wal"},
		"newer": {func(name string) error {
			return errors.Join(os.WriteFile(name, sound, 0o600), run(name, `INSERT INTO schema_version (version_id, is_applied) VALUES (999, 1)`))
		}, "schema version 999"},
		"a damaged page": {func(name string) error {
			torn := append([]byte{}, sound...)
			for i := range 4096 {
				torn[len(torn)/2/4096*4096+i] = 0xAA
			}
			return os.WriteFile(name, torn, 0o600)
		}, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := filepath.Join(t.TempDir(), "backup.db"), filepath.Join(t.TempDir(), "relay.db")
			require.NoError(t, c.make(from))
			_, err := Restore(t.Context(), from, to, "")
			require.ErrorContains(t, err, c.want)
			require.NoFileExists(t, to)
		})
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		to := filepath.Join(t.TempDir(), "relay.db")
		require.NoError(t, os.WriteFile(to+suffix, nil, 0o600))
		_, err := Restore(t.Context(), backup, to, "")
		require.ErrorContains(t, err, to+suffix+" exists")
	}
}

// run runs a statement on a database file, which it creates.
func run(name, statement string) error {
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return err
	}
	_, err = db.Exec(statement)
	return errors.Join(err, db.Close())
}
