//go:build unix

package sqlite

import (
	"os"
	"syscall"
)

// ownAs gives a file to the owner of a directory, if root runs this: the relay's user must be able to open it.
func ownAs(dir, file string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(file, int(owner.Uid), int(owner.Gid))
}
