//go:build !linux && !darwin

package sqlite

// FreeBytes isn't known here.
func FreeBytes(string) (uint64, bool) { return 0, false }
