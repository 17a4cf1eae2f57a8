package sqlite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Under steady load each checkpoint leaves pages to copy. Once the log is long, these are copied in the writer's
// turn, so that the log can restart at its beginning.
func TestTheRemainderOfALongLogIsCopied(t *testing.T) {
	for name, c := range map[string]struct {
		long int
		rest bool // the remainder is copied in the writer's turn
	}{
		"a long log":  {1, true},
		"a short log": {1 << 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := openHere(t)
			s.check.long = c.long
			_, err := s.Append(t.Context(), entry("first"))
			require.NoError(t, err)
			_, _, err = s.check.pragma("PASSIVE")
			require.NoError(t, err)
			_, err = s.Append(t.Context(), entry("second"))
			require.NoError(t, err)
			// A reader older than the newest commits keeps them from being copied.
			reader, err := s.read.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			var n int
			require.NoError(t, reader.QueryRowContext(t.Context(), "SELECT count(*) FROM journal").Scan(&n))
			for range 10 {
				_, err = s.Append(t.Context(), entry("more"))
				require.NoError(t, err)
			}
			require.NoError(t, s.writer.lock(t.Context()))
			done := make(chan error, 1)
			length, before, err := s.check.pragma("NOOP")
			require.NoError(t, err)
			require.Less(t, before, length)
			go func() { done <- s.check.copy() }()
			if !c.rest {
				require.NoError(t, <-done)
			}
			require.Eventually(t, func() bool { // the pages that can be copied beside the commits are
				_, copied, err := s.check.pragma("NOOP")
				return err == nil && copied > before
			}, time.Minute, time.Millisecond)
			require.NoError(t, reader.Rollback())
			s.writer.unlock()
			if c.rest {
				require.NoError(t, <-done)
				length, copied, err := s.check.pragma("NOOP")
				require.NoError(t, err)
				require.Equal(t, length, copied)
			}
		})
	}
}
