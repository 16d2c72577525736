package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-on-demand/aod/store"
)

// lockPatience is how long a lock may outlive a server that was killed: a process that
// it was just starting has the file until it runs a program of its own.
const lockPatience = 3 * time.Second

// lock makes sure that one server at a time works on a data directory.
func lock(path string) (unlock func(), err error) {
	return lockFile(path, fmt.Sprintf("another server is using %s: stop it, or choose another --data-dir", filepath.Dir(path)))
}

// lockFile makes sure that the file has one owner at a time; taken says that it has one.
func lockFile(path, taken string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := store.Give(path, filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data directory: %w", err), f.Close())
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if time.Since(began) > lockPatience {
			return nil, errors.Join(errors.New(taken), f.Close())
		}
	}
	return func() {
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN) // a process that is just being started has the file, too
		_ = f.Close()
	}, nil
}

// lockKeys makes sure that nobody changes the keys of the data directory meanwhile.
func (c Config) lockKeys() (unlock func(), err error) {
	return lockFile(filepath.Join(c.DataDir, "key.lock"), "another aod is changing the keys of "+c.DataDir+" or making a backup: try again when it is done")
}
