package shim

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// runPID1 is the role: it starts a supervisor per command and reaps whatever ends without a parent. It lives until the shim ends it.
func runPID1() error {
	if err := errors.Join(harden(), faultless()); err != nil {
		return err
	}
	l, err := openLink(linkFD)
	if err != nil {
		return err
	}
	return serveShim(l, Namespaces)
}

// serveShim starts what the shim asks for until the shim is gone.
func serveShim(l link, isolation Isolation) error {
	go reapOrphans()
	if err := l.send(answer{}); err != nil {
		return err
	}
	for {
		var o order
		fds, err := l.receive(&o)
		if err != nil {
			return fmt.Errorf("the shim is gone: %w", err)
		}
		switch o.Op {
		case "spawn":
			if err := spawnSupervisor(isolation, o.TTY, fds); err != nil {
				// The session sees its link close.
				fmt.Fprintf(os.Stderr, "start supervisor: %v\n", err)
			}
		case "weigh":
			if err := l.send(answer{Weight: weighAll(isolation, o.Limit)}); err != nil {
				return err
			}
		case "census":
			if err := l.send(answer{Others: len(others(isolation))}); err != nil {
				return err
			}
		}
		closeAll(fds)
	}
}

// harden closes this process to the Sprite's root: no ptrace, no reading of its memory or descriptors, no ending by ordinary signals.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid dumps: %w", err)
	}
	steady()
	return nil
}

// steady keeps ordinary signals from ending this process.
func steady() {
	outlive(syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGALRM)
}

// faults are the signals by which Go takes itself to be broken, whoever has sent them.
var faults = []unix.Signal{
	unix.SIGILL, unix.SIGTRAP, unix.SIGABRT, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSYS, unix.SIGSTKFLT, unix.SIGXCPU, unix.SIGXFSZ,
	unix.SIGVTALRM, unix.SIGPROF, unix.SIGIO, unix.SIGPWR,
}

// faultless ignores the faults that others send. It does so behind the back of Go's runtime, and of every Go program that is started: those
// catch these signals again, so that no command has them ignored. A fault of our own still ends the process: the kernel sees to that.
func faultless() error {
	for _, sig := range faults {
		action := struct{ handler, flags, restorer, mask uintptr }{handler: 1} // SIG_IGN, rt_sigaction(2)
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, unsafe.Sizeof(action.mask), 0, 0); errno != 0 {
			return fmt.Errorf("ignore %v: %w", sig, errno)
		}
	}
	return nil
}

// outlive makes ordinary signals harmless. They are caught, not ignored: what is ignored stays ignored in every child.
func outlive(more ...os.Signal) {
	signals := append(more, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE)
	signal.Notify(make(chan os.Signal, 1), signals...)
}

// reapOrphans sleeps until a child ends.
func reapOrphans() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		for {
			pid, err := reapChild()
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
		}
	}
}

// spawnSupervisor starts the role with its link, its command and, without a terminal, the command's standard files.
func spawnSupervisor(isolation Isolation, tty bool, fds []int) error {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	n := null.Fd()
	files := []uintptr{n, n, n}
	switch {
	case tty && len(fds) == 2:
	case !tty && len(fds) == 5:
		files = []uintptr{uintptr(fds[2]), uintptr(fds[3]), uintptr(fds[4])}
	default:
		return fmt.Errorf("%d files came with the order", len(fds))
	}
	attr := &syscall.ProcAttr{
		Dir: "/",
		// A supervisor's heap is a few pages; it collects only if something goes wrong.
		Env:   []string{"GOGC=off", "GOMEMLIMIT=16MiB", "GOMAXPROCS=1"},
		Files: append(files, uintptr(fds[0]), uintptr(fds[1])),
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	return supervising(func() (int, error) {
		return syscall.ForkExec("/proc/self/exe", []string{roleSupervisor, string(isolation)}, attr)
	})
}

// others lists the processes of the Sprite besides its init.
func others(isolation Isolation) []int {
	if isolation == None {
		return descendants()
	}
	var out []int
	for _, e := range names("/proc") {
		if pid, err := strconv.Atoi(e); err == nil && pid != 1 {
			out = append(out, pid)
		}
	}
	return out
}

// names lists a folder that may be gone.
func names(dir string) []string {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	if err != nil {
		return nil
	}
	return all
}
