//go:build linux || darwin

package sqlite

import (
	"path/filepath"
	"syscall"
)

// FreeBytes returns how much may still be written to the file system of the store; false if that isn't known.
func (s *Store) FreeBytes() (uint64, bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(s.path), &fs); err != nil {
		return 0, false
	}
	return fs.Bavail * uint64(fs.Bsize), true
}
