package shim

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// defaultProcesses is how many processes and threads the commands of a Sprite may have at once.
	defaultProcesses = 4096
	// reserve is how many more there may be for those that look after the commands, so that a fork bomb can be ended.
	reserve = 256
)

// limitResources bounds what this process and all that come from it may use. The kernel counts processes by user within the Sprite's user
// namespace (RLIMIT_NPROC, getrlimit(2)), so the host's and other Sprites' do not count.
func limitResources(cfg Config) error {
	processes := cfg.Processes
	if processes <= 0 {
		processes = defaultProcesses
	}
	n := uint64(processes + reserve)
	limits := map[int]uint64{unix.RLIMIT_NPROC: n, unix.RLIMIT_CORE: 0}
	if cfg.Disk > 0 {
		limits[unix.RLIMIT_FSIZE] = uint64(cfg.Disk) // one file cannot run ahead of the guard
	}
	for resource, max := range limits {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: max, Max: max}); err != nil {
			return fmt.Errorf("set resource limit %d: %w", resource, err)
		}
	}
	return nil
}

// asCommand calls fork, which starts a command and returns its pid, under the limit of commands.
func asCommand(fork func() (int, error)) (pid int, err error) {
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &own); err != nil {
		return 0, fmt.Errorf("read process limit: %w", err)
	}
	commands := unix.Rlimit{Cur: own.Cur - reserve, Max: own.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &commands); err != nil {
		return 0, fmt.Errorf("lower process limit: %w", err)
	}
	pid, err = fork()
	if restored := unix.Setrlimit(unix.RLIMIT_NPROC, &own); err == nil && restored != nil {
		err = fmt.Errorf("restore process limit: %w", restored)
	}
	if err == nil { // the command cannot raise it again; if it has ended already, so be it
		_ = unix.Prlimit(pid, unix.RLIMIT_NPROC, &unix.Rlimit{Cur: commands.Cur, Max: commands.Cur}, nil)
	}
	return pid, err
}
