//go:build !race

package convergence

const (
	raced     = false
	schedules = 60
)
