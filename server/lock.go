package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockPatience is how long a lock may outlive a server that was killed: a process that
// it was just starting has the file until it runs a program of its own.
const lockPatience = 3 * time.Second

// lock makes sure that one server at a time works on a data directory.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if time.Since(began) > lockPatience {
			return nil, errors.Join(fmt.Errorf("another server is using %s: stop it, or choose another --data-dir", filepath.Dir(path)), f.Close())
		}
	}
	return func() {
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN) // a process that is just being started has the file, too
		_ = f.Close()
	}, nil
}
