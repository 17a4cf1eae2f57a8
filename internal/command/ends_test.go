package command

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An end that can't be told is tried again once a minute, and what begins to end meanwhile is noticed within a minute.
func TestEndsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &Executor{o: Options{Log: slog.New(slog.DiscardHandler)}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began, tried := time.Now(), []time.Duration{}
		go e.atEnds(ctx, func() (ending, bool) {
			n := ending{at: began.Add(90 * time.Second), end: func(context.Context) error {
				tried = append(tried, time.Since(began))
				return errors.New("the store failed")
			}}
			return n, time.Since(began) >= time.Minute
		})
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		require.Equal(t, []time.Duration{90 * time.Second, 150 * time.Second, 210 * time.Second}, tried)
	})
}
