package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// commandFile writes a command of any size where its supervisor can read it.
func commandFile(c Command) (*os.File, error) {
	fd, err := unix.MemfdCreate("command", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make command file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "command")
	if err := json.NewEncoder(f).Encode(c); err != nil {
		return nil, errors.Join(fmt.Errorf("write command file: %w", err), f.Close())
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(fmt.Errorf("write command file: %w", err), f.Close())
	}
	return f, nil
}
