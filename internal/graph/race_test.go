//go:build race

package graph

// raced: drawing takes ten times as long. It is in one goroutine, so the race detector has nothing to find.
const raced = true
