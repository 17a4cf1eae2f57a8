package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// slowDisk has each synchronous write of a store's log wait for an answer.
func slowDisk(s *Store) (began chan struct{}, answer chan error) {
	began, answer = make(chan struct{}), make(chan error)
	flush := s.writer.log.flush
	s.writer.log.flush = func() error {
		began <- struct{}{}
		if err := <-answer; err != nil {
			return err
		}
		return flush()
	}
	return began, answer
}

// begins waits for a synchronous write, before which nobody may be told.
func begins(t *testing.T, began <-chan struct{}, told <-chan error) {
	t.Helper()
	select {
	case <-began:
	case err := <-told:
		require.Fail(t, "told before it is on disk", "%v", err)
	}
}

// Nobody is told that something is kept before it is on disk. Meanwhile others write, and
// the fold, which can be done again, doesn't wait for the disk at all.
func TestAnswersWaitForTheDisk(t *testing.T) {
	s := openHere(t)
	began, answer := slowDisk(s)
	ctx := context.Background()
	told := make(chan error, 2)
	go func() {
		_, err := s.Append(ctx, entry("x"))
		told <- err
	}()
	begins(t, began, told)
	p := alert.Problem{Key: alert.Key{Source: "main", EventID: "1"}, State: alert.StateOpen}
	require.NoError(t, s.CommitFold(ctx, store.Fold{Applied: []int64{1}, Problems: []alert.Problem{p}}))
	require.Empty(t, told)
	answer <- nil
	require.NoError(t, <-told)

	go func() { told <- s.SetValue(ctx, "a", "b") }()
	begins(t, began, told)
	require.Empty(t, told)
	answer <- nil
	require.NoError(t, <-told)
}

// Who commits while the log is written waits for the next write of it, and one is
// enough for all of them.
func TestOneWriteForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes, answer := 0, make(chan error)
		l := &wal{busy: make(chan struct{}, 1), flush: func() error { writes++; return <-answer }}
		var done []error
		var mu sync.Mutex
		start := func(n int) {
			for range n {
				go func() {
					err := l.sync()
					mu.Lock()
					defer mu.Unlock()
					done = append(done, err)
				}()
			}
			synctest.Wait()
		}
		start(1)
		start(10)
		require.Equal(t, 1, writes)
		fault := errors.New("a fault of the disk")
		answer <- fault
		synctest.Wait()
		require.Len(t, done, 1)
		require.ErrorIs(t, done[0], fault)
		require.Equal(t, 2, writes)
		start(1) // too late for what is under way
		answer <- nil
		synctest.Wait()
		require.Len(t, done, 11)
		answer <- nil
		synctest.Wait()
		require.Len(t, done, 12)
		require.Equal(t, 3, writes)
		for _, err := range done[1:] {
			require.NoError(t, err)
		}
	})
}

// What the disk didn't take is told as not kept, and nothing is written after it into a log
// that may have a hole: first the log is begun anew.
func TestDiskFails(t *testing.T) {
	s := openHere(t)
	ctx := context.Background()
	flush, fault := s.writer.log.flush, errors.New("a fault of the disk")
	s.writer.log.flush = func() error { return fault }
	_, err := s.Append(ctx, entry("lost, for all that is known"))
	require.ErrorIs(t, err, fault)
	require.ErrorContains(t, err, "the disk or its file system fails")
	_, err = s.Append(ctx, entry("not written"))
	require.ErrorIs(t, err, fault)
	require.ErrorIs(t, s.CommitFold(ctx, store.Fold{Applied: []int64{1}}), fault)
	s.writer.log.flush = flush
	id, err := s.Append(ctx, entry("kept"))
	require.NoError(t, err)
	require.EqualValues(t, 2, id)
	require.Equal(t, 1, commits(t, s), "in a log of its own")
	entries, err := s.PendingEntries(ctx, 0)
	require.NoError(t, err)
	require.Len(t, entries, 2)
}

// While somebody reads the log can't be begun anew.
func TestDiskFailedWhileReading(t *testing.T) {
	s := openHere(t)
	ctx := context.Background()
	_, err := s.Append(ctx, entry("before"))
	require.NoError(t, err)
	_, err = s.writer.conn.ExecContext(ctx, "PRAGMA busy_timeout = 1")
	require.NoError(t, err)
	reading, err := s.read.BeginTx(ctx, nil)
	require.NoError(t, err)
	var n int
	require.NoError(t, reading.QueryRow("SELECT count(*) FROM journal").Scan(&n))
	s.writer.log.failed.Store(true)
	_, err = s.Append(ctx, entry("not written"))
	require.Error(t, err)
	require.NoError(t, reading.Rollback())
	id, err := s.Append(ctx, entry("kept"))
	require.NoError(t, err)
	require.EqualValues(t, 2, id)
}

// Close waits for who waits for the disk.
func TestCloseWaitsForTheDisk(t *testing.T) {
	s := openHere(t)
	began, answer := slowDisk(s)
	told, closed := make(chan error, 1), make(chan error, 1)
	go func() { told <- s.SetValue(context.Background(), "a", "b") }()
	begins(t, began, told)
	go func() { closed <- s.Close() }()
	require.Eventually(t, s.closed.Load, time.Minute, time.Millisecond)
	require.Empty(t, closed)
	answer <- nil
	require.NoError(t, <-told)
	require.NoError(t, <-closed)
}

// A plug that is pulled at any time takes nothing that somebody was told is kept: what the
// disk has for certain is the log as it was when the last synchronous write began.
func TestPulledPlug(t *testing.T) {
	s := openHere(t)
	ctx := context.Background()
	database, err := os.ReadFile(s.path)
	require.NoError(t, err)
	var disk struct {
		sync.Mutex
		log []byte
	}
	flush := s.writer.log.flush
	s.writer.log.flush = func() error {
		log, err := os.ReadFile(s.path + "-wal")
		if err := errors.Join(err, flush()); err != nil {
			return err
		}
		disk.Lock()
		defer disk.Unlock()
		disk.log = log
		return nil
	}
	afterwards := func(id int64, payload string) error {
		disk.Lock()
		log := disk.log
		disk.Unlock()
		path := filepath.Join(t.TempDir(), "relay.db")
		if err := errors.Join(os.WriteFile(path, database, 0o600), os.WriteFile(path+"-wal", log, 0o600)); err != nil {
			return err
		}
		again, err := Open(ctx, Options{Path: path})
		if err != nil {
			return err
		}
		defer again.Close()
		entries, err := again.Entries(ctx, id-1, 1)
		if err == nil && (len(entries) != 1 || entries[0].ID != id || string(entries[0].Payload) != payload) {
			err = fmt.Errorf("entry %d is lost: %v", id, entries)
		}
		return err
	}
	var wg sync.WaitGroup
	for sender := range 4 {
		wg.Go(func() {
			for i := range 20 {
				payload := fmt.Sprintf("%d of %d", i, sender)
				id, err := s.Append(ctx, entry(payload))
				if err == nil {
					err = errors.Join(
						s.CommitFold(ctx, store.Fold{Problems: []alert.Problem{{Key: alert.Key{Source: "main", EventID: payload}, State: alert.StateOpen}}}),
						afterwards(id, payload))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
