//go:build linux || darwin

package sqlite

import "syscall"

// FreeBytes returns how much may still be written to the file system of a directory; false if that isn't known.
func FreeBytes(dir string) (uint64, bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, false
	}
	return fs.Bavail * uint64(fs.Bsize), true
}
