//go:build !linux && !darwin

package sqlite

// FreeBytes isn't known here.
func (s *Store) FreeBytes() (uint64, bool) { return 0, false }
