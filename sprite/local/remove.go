package local

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// removeTree removes a folder that its owner may have made hard to remove, and whose owner is dead. It follows no link.
func removeTree(path string) error {
	if err := os.RemoveAll(path); err == nil {
		return nil
	}
	// Folders that are closed to us, or deeper than we may have open files.
	err := flatten(path)
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// flatten empties a folder of any depth: what is in a folder of it is moved to its top before that folder goes.
func flatten(path string) error {
	if err := os.Chmod(path, 0o700); err != nil {
		return err
	}
	top, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer top.Close()
	aside, moved := ".aod-"+rand.Text()+"-", 0
	for {
		if _, err := top.Seek(0, 0); err != nil {
			return err
		}
		names, err := top.Readdirnames(-1)
		if len(names) == 0 {
			return err
		}
		for _, name := range names {
			err := empty(top, name, func(from *os.File, sub string) error {
				moved++
				return unix.Renameat(int(from.Fd()), sub, int(top.Fd()), aside+strconv.Itoa(moved))
			})
			if err != nil {
				return err
			}
		}
	}
}

// empty removes an entry of top; folders in it are moved first.
func empty(top *os.File, name string, move func(from *os.File, sub string) error) error {
	err := unix.Unlinkat(int(top.Fd()), name, 0)
	if !errors.Is(err, unix.EISDIR) {
		return err
	}
	if err := unix.Fchmodat(int(top.Fd()), name, 0o700, 0); err != nil {
		return err
	}
	fd, err := unix.Openat(int(top.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, sub := range names {
		err := unix.Unlinkat(fd, sub, 0)
		if errors.Is(err, unix.EISDIR) {
			if err = unix.Fchmodat(fd, sub, 0o700, 0); err == nil { // whoever moves a folder changes it
				err = move(dir, sub)
			}
		}
		if err != nil {
			return err
		}
	}
	return unix.Unlinkat(int(top.Fd()), name, unix.AT_REMOVEDIR)
}
