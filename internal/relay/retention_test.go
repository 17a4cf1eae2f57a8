package relay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/testlog"
)

// Rows are removed batch by batch with pauses, until none is left or the store fails; then again after a while.
func TestPruneInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testlog.Lines
		var at []time.Duration
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, prune(ctx, log.Logger(), func(now time.Time) (int, error) {
			at = append(at, now.Sub(start))
			switch len(at) {
			case 1, 2:
				return pruneRows, nil
			case 4:
				return 0, errors.New("disk full")
			case 5:
				cancel()
			}
			return 0, nil
		}))
		full := 2 * prunePause
		require.Equal(t, []time.Duration{0, prunePause, full, full + pruneEvery, full + 2*pruneEvery}, at)
		require.Contains(t, log.String(), `msg="pruning failed; retrying later" error="disk full"`)
	})
}
