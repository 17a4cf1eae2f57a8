// Package testrace is for tests that take too long under the race detector and have nothing for it to find: decisions and pictures in one
// goroutine, or what shorter tests show it too. The step test of .ci/run runs the packages that import it again, without the race
// detector.
package testrace

import "testing"

// Skip skips such a test under the race detector.
func Skip(t testing.TB) {
	t.Helper()
	if On {
		t.Skip("it takes too long under the race detector")
	}
}
