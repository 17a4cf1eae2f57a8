package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/store"
)

// largePayload is 1 MiB, the most that the receiver accepts.
var largePayload = bytes.Repeat([]byte("x"), 1<<20)

// giveUp lets n senders append large payloads while the writer is busy, and give up while they wait.
func giveUp(t *testing.T, s *Store, n int) {
	t.Helper()
	require.NoError(t, s.writer.lock(t.Context()))
	defer s.writer.unlock()
	leave(t, s, n)
}

// leave is giveUp for a caller that has the writer's turn already.
func leave(t *testing.T, s *Store, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	for range n {
		senders.Go(func() {
			e := entry("")
			e.Payload = largePayload
			if _, err := s.Append(ctx, e); err == nil {
				t.Error("an append returned although the writer was busy")
			}
		})
	}
	s.intake.requireWaiting(t, n)
	cancel()
	senders.Wait()
}

// refused appends an entry and expects an error.
func refused(t *testing.T, s *Store) {
	t.Helper()
	e := entry("")
	e.Payload = largePayload
	_, err := s.Append(t.Context(), e)
	require.Error(t, err)
}

// pragma sets a pragma on the writer's connection.
func pragma(t *testing.T, s *Store, text string) {
	t.Helper()
	require.NoError(t, s.writer.lock(t.Context()))
	defer s.writer.unlock()
	_, err := s.writer.conn.ExecContext(t.Context(), "PRAGMA "+text)
	require.NoError(t, err)
}

// After each kind of trouble, however often, appends work at once, and nothing counts as waiting.
func TestAppendsGoOnAfterTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		rounds  int
		trouble func(t *testing.T, s *Store)
	}{
		"senders give up": {100, func(t *testing.T, s *Store) { giveUp(t, s, 1) }},
		"more senders give up than fit into a commit": {5, func(t *testing.T, s *Store) { giveUp(t, s, 20) }},
		"as many give up as may wait, in bytes":       {2, func(t *testing.T, s *Store) { giveUp(t, s, maxWaitingBytes>>20) }},
		"more give up in one long turn than may wait": {2, func(t *testing.T, s *Store) {
			require.NoError(t, s.writer.lock(t.Context()))
			defer s.writer.unlock()
			for range 3 {
				leave(t, s, maxWaitingBytes>>21)
			}
		}},
		"some give up and some stay": {20, func(t *testing.T, s *Store) {
			require.NoError(t, s.writer.lock(t.Context()))
			done := make(chan error, 1)
			go func() {
				_, err := s.Append(t.Context(), entry("stays"))
				done <- err
			}()
			s.intake.requireWaiting(t, 1)
			func() {
				ctx, cancel := context.WithCancel(t.Context())
				gone := make(chan error, 1)
				go func() {
					e := entry("")
					e.Payload = largePayload
					_, err := s.Append(ctx, e)
					gone <- err
				}()
				s.intake.requireWaiting(t, 2)
				cancel()
				require.ErrorContains(t, <-gone, "nothing was written")
			}()
			s.writer.unlock()
			require.NoError(t, <-done)
		}},
		"the disk is full": {80, func(t *testing.T, s *Store) {
			pragma(t, s, "max_page_count = 1")
			e := entry("")
			e.Payload = random(t, 1<<20)
			_, err := s.Append(t.Context(), e)
			require.ErrorContains(t, err, "full")
			pragma(t, s, "max_page_count = 1073741823")
		}},
		"the file system is read-only": {80, func(t *testing.T, s *Store) {
			pragma(t, s, "query_only = 1")
			refused(t, s)
			pragma(t, s, "query_only = 0")
		}},
		"the journal is damaged for a while": {80, func(t *testing.T, s *Store) {
			s.damage.met(readJournal, damaged(t))
			refused(t, s)
			_, err := s.PendingEntries(t.Context(), 1)
			require.NoError(t, err)
		}},
		"somebody else panics in a transaction": {10, func(t *testing.T, s *Store) {
			require.Panics(t, func() {
				_ = s.write(t.Context(), "panic", func(tx *tx) error {
					_, _ = tx.exec(`INSERT INTO kept_values (name, value) VALUES ('half', 'done')`)
					panic("a fault of the relay's")
				})
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := reopen(t, filepath.Join(t.TempDir(), "relay.db"))
				var want []string
				for i := range c.rounds {
					c.trouble(t, s)
					s.intake.requireWaiting(t, 0)
					require.Zero(t, s.intake.counted(), "bytes that count as waiting")
					id, err := s.Append(t.Context(), entry(fmt.Sprint("after ", i)))
					require.NoError(t, err)
					require.NotZero(t, id)
					require.NoError(t, s.Ping(t.Context()))
					want = append(want, fmt.Sprint("after ", i))
				}
				require.Subset(t, payloads(t, s), want)
				require.ErrorIs(t, func() error { _, err := s.Value(t.Context(), "half"); return err }(), store.ErrNotFound)
			})
		})
	}
}

// counted returns how many bytes count as waiting.
func (q *intake) counted() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}
