package server

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A server that follows one that was killed waits for what that has left behind.
func TestLockOutlivesAKilledServerForAMoment(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	left, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(left.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	locked := make(chan error, 1)
	waiting := make(chan struct{})
	go func() {
		close(waiting)
		unlock, err := lock(path)
		if err == nil {
			unlock()
		}
		locked <- err
	}()
	<-waiting
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-locked; err != nil {
		t.Error(err)
	}
}
