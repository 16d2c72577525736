package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// identity names one process beyond the reuse of its pid.
type identity struct {
	Pid   int    `json:"pid"`
	Start string `json:"start"`
	Boot  string `json:"boot"`
}

// identify describes a running process.
func identify(pid int) (identity, error) {
	start, err := startTime(pid)
	if err != nil {
		return identity{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return identity{}, fmt.Errorf("read boot id: %w", err)
	}
	return identity{Pid: pid, Start: start, Boot: strings.TrimSpace(string(boot))}, nil
}

// startTime is field 22 of the process's stat line.
func startTime(pid int) (string, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(b[max(0, strings.LastIndexByte(string(b), ')')):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return "", fmt.Errorf("stat of process %d is too short", pid)
	}
	return fields[19], nil
}

// open returns a handle of the process, or nil when it is gone.
func (id identity) open() (*handle, error) {
	if id.Pid <= 0 {
		return nil, nil
	}
	fd, err := unix.PidfdOpen(id.Pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", id.Pid, err)
	}
	h := newHandle(fd)
	now, err := identify(id.Pid)
	if err != nil || now != id {
		return nil, h.close() // the pid belongs to somebody else by now
	}
	return h, nil
}

// handle is an open process: waiting costs no thread and ends with the context.
type handle struct{ f *os.File }

func newHandle(pidfd int) *handle { return &handle{os.NewFile(uintptr(pidfd), "pidfd")} }

func (h *handle) close() error { return h.f.Close() }

// wait returns when the process has ended; a child of ours is reaped.
func (h *handle) wait(ctx context.Context) error {
	raw, err := h.f.SyscallConn()
	if err != nil {
		return fmt.Errorf("wait for process: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = h.f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = raw.Read(func(fd uintptr) bool { return ended(int(fd)) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// ended says whether the process behind a pidfd is over.
func ended(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(p, 0); err != nil || n == 0 {
		return false
	}
	_ = unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG, nil) // ECHILD: not ours to reap
	return true
}

func (h *handle) kill() error { return h.signal(unix.SIGKILL) }

// signal reaches the process and nobody else; one that has ended needs no signal.
func (h *handle) signal(sig unix.Signal) error {
	raw, err := h.f.SyscallConn()
	if err != nil {
		return err
	}
	var killed error
	if err := raw.Control(func(fd uintptr) { killed = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return err
	}
	if errors.Is(killed, unix.ESRCH) {
		return nil
	}
	return killed
}

// state is what a shim leaves in shim.json for those who come after it.
type state struct {
	Protocol  int       `json:"protocol"`
	Shim      identity  `json:"shim"`
	Init      identity  `json:"init"`
	Isolation Isolation `json:"isolation,omitempty"`
}

func stateFile(dir string) string { return filepath.Join(dir, "shim.json") }

// readState answers the zero state when no shim has ever run.
func readState(dir string) (state, error) {
	var s state
	b, err := os.ReadFile(stateFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read shim state: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("decode shim state: %w", err)
	}
	return s, nil
}

func (s state) write(dir string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode shim state: %w", err)
	}
	tmp := stateFile(dir) + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("write shim state: %w", err)
	}
	if err := os.Rename(tmp, stateFile(dir)); err != nil {
		return fmt.Errorf("write shim state: %w", err)
	}
	return nil
}
