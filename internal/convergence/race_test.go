//go:build race

package convergence

// The race detector makes a schedule some ten times slower.
const (
	raced     = true
	schedules = 12
)
