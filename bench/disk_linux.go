package main

import "golang.org/x/sys/unix"

// inMemory says whether a directory is on a file system that has no disk.
func inMemory(dir string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return false
	}
	return fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC
}

// freeSpace is how many bytes are free on a directory's disk; less than 0 where that isn't known.
func freeSpace(dir string) float64 {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return -1
	}
	return float64(fs.Bavail) * float64(fs.Bsize)
}
