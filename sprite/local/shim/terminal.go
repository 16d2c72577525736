package shim

import (
	"cmp"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// openTerminal makes a terminal of the Sprite's own, 24 by 80 where the size is not given.
func openTerminal(rows, cols uint16) (master, slave int, err error) {
	const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
	master, err = unix.Open("/dev/ptmx", flags, 0)
	if err != nil {
		return -1, -1, err
	}
	size := unix.Winsize{Row: cmp.Or(rows, 24), Col: cmp.Or(cols, 80)}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, &size)
	}
	if err == nil {
		slave, err = unix.Open("/dev/pts/"+strconv.Itoa(n), flags, 0)
	}
	if err != nil {
		return -1, -1, errors.Join(err, unix.Close(master))
	}
	return master, slave, nil
}
