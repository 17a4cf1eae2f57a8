//go:build unix

package provision

import (
	"io/fs"
	"syscall"
)

// ownersGroup is the group id of a file.
func ownersGroup(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Gid) }
