//go:build !race

package convergence

const schedules = 60
