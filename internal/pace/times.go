package pace

import (
	"slices"
	"time"
)

// Earlier returns the earliest of times; the zero time is the earliest of all.
func Earlier(times ...time.Time) time.Time { return slices.MinFunc(times, time.Time.Compare) }

// Later returns the latest of times.
func Later(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
