package main

import "golang.org/x/sys/unix"

// inMemory reports whether a directory is on a file system in memory.
func inMemory(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && (fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC)
}

// freeSpace returns the free bytes on a directory's disk, or a negative number if unknown.
func freeSpace(dir string) float64 {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return -1
	}
	return float64(fs.Bavail) * float64(fs.Bsize)
}
