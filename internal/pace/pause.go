package pace

import (
	"context"
	"time"
)

// Pause waits for d, or less when woken. It reports false if ctx has ended.
func Pause(ctx context.Context, d time.Duration, woken <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-woken:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

// Wake ends a Pause, now or the next one. The channel has a buffer of one.
func Wake(woken chan struct{}) {
	select {
	case woken <- struct{}{}:
	default:
	}
}
