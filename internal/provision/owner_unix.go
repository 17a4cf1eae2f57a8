//go:build unix

package provision

import (
	"io/fs"
	"os"
	"syscall"
)

// giveTo makes the owner of another file the owner of this one.
func giveTo(file *os.File, other fs.FileInfo) error {
	if s, ok := other.Sys().(*syscall.Stat_t); ok {
		return file.Chown(int(s.Uid), int(s.Gid))
	}
	return nil
}
