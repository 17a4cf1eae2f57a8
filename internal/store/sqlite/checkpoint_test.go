package sqlite

import (
	"testing"
	"testing/synctest"

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
			synctest.Test(t, func(t *testing.T) {
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
				synctest.Wait()
				_, copied, err := s.check.pragma("NOOP")
				require.NoError(t, err)
				require.Greater(t, copied, before, "the pages that can be copied beside the commits")
				require.Equal(t, c.rest, len(done) == 0, "it waits for the writer's turn")
				require.NoError(t, reader.Rollback())
				s.writer.unlock()
				require.NoError(t, <-done)
				if c.rest {
					length, copied, err := s.check.pragma("NOOP")
					require.NoError(t, err)
					require.Equal(t, length, copied)
				}
			})
		})
	}
}
