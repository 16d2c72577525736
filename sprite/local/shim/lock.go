package shim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lock is the claim to be a Sprite's one and only shim, or to keep any shim from starting.
type lock struct{ f *os.File }

func openLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "shim.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open shim lock: %w", err)
	}
	return f, nil
}

// waitLock blocks until the lock is free. It fails when the Sprite was destroyed meanwhile.
func waitLock(dir string) (lock, error) {
	f, err := openLock(dir)
	if err != nil {
		return lock{}, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return lock{}, errors.Join(fmt.Errorf("take shim lock: %w", err), f.Close())
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Nlink == 0 {
		return lock{}, errors.Join(errors.New("the sprite was destroyed"), err, f.Close())
	}
	return lock{f}, nil
}

// tryLock takes the lock if it is free.
func tryLock(dir string) (l lock, free bool, err error) {
	f, err := openLock(dir)
	if err != nil {
		return lock{}, false, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return lock{}, false, f.Close()
	}
	if err != nil {
		return lock{}, false, errors.Join(fmt.Errorf("take shim lock: %w", err), f.Close())
	}
	return lock{f}, true, nil
}

// release does not rely on the closing alone: a process that is being started somewhere may have the file for a moment longer.
func (l lock) release() error {
	return errors.Join(unix.Flock(int(l.f.Fd()), unix.LOCK_UN), l.f.Close())
}

// Running says whether a shim holds the Sprite in dir.
func Running(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, "shim.lock"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open shim lock: %w", err)
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, errors.Join(err, unix.Flock(int(f.Fd()), unix.LOCK_UN))
}
