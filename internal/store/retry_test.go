package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetry(t *testing.T) {
	for _, tc := range []struct {
		err     error
		retried bool
	}{
		{ErrNotFound, false}, {ErrRejected, false}, {ErrClosed, false}, {fmt.Errorf("store: %w: x", ErrRejected), false},
		{errors.New("disk I/O error"), true}, {ErrBusy, true}, {ErrConflict, true}, {context.DeadlineExceeded, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			calls, began := 0, time.Now()
			err := Retry(t.Context(), slog.New(slog.DiscardHandler), func() float64 { return 1 }, "testing", func(context.Context) error {
				if calls++; calls <= 10 {
					return tc.err
				}
				return nil
			})
			if !tc.retried {
				require.ErrorIs(t, err, tc.err)
				require.Equal(t, 1, calls)
				return
			}
			require.NoError(t, err, tc.err)
			require.Equal(t, 11, calls)
			require.Equal(t, 100*(1+2+4+8+16+32)*time.Millisecond+4*5*time.Second, time.Since(began))
		})
	}
}

// A retry ends with its context, during a call or between two, but a call that succeeded is a success. An error that the
// end of the context causes isn't logged.
func TestRetryEndsWithItsContext(t *testing.T) {
	for _, tc := range []struct {
		after         time.Duration
		err, want     error
		calls, logged int
	}{
		{0, ErrBusy, context.Canceled, 1, 0},
		{0, ErrRejected, ErrRejected, 1, 0},
		{0, nil, nil, 1, 0},
		{time.Second, ErrBusy, context.Canceled, 4, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(tc.after, cancel)
			synctest.Wait()
			var log bytes.Buffer
			calls := 0
			err := Retry(ctx, slog.New(slog.NewTextHandler(&log, nil)), func() float64 { return 1 }, "testing", func(context.Context) error {
				calls++
				return tc.err
			})
			require.ErrorIs(t, err, tc.want)
			require.Equal(t, tc.calls, calls)
			require.Equal(t, tc.logged, strings.Count(log.String(), "retrying"))
		})
	}
}
