package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// datasync writes a file to disk, but for its timestamps.
func datasync(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var synced error
	err = c.Control(func(fd uintptr) {
		for {
			if synced = syscall.Fdatasync(int(fd)); !errors.Is(synced, syscall.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, synced)
}
