package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// commandFD is where a supervisor finds its command.
const commandFD = 4

// supervisor starts one command, passes its signals on, and stays as the parent of everything that the command leaves behind.
type supervisor struct {
	link      link
	isolation Isolation
	pid       int
	exited    atomic.Bool // the command's pid may belong to somebody else now
	killing   atomic.Bool
}

// runSupervisor is the role: it returns when no process is left below it.
func runSupervisor() error {
	isolation := Namespaces
	if len(os.Args) > 1 {
		isolation = Isolation(os.Args[1])
	}
	if isolation == None {
		steady() // its user may do anything to it anyway
	} else if err := harden(); err != nil {
		return err
	}
	if err := adopt(); err != nil {
		return err
	}
	l, err := openLink(linkFD)
	if err != nil {
		return err
	}
	var c Command
	if err := readCommand(&c); err != nil {
		return err
	}
	s := &supervisor{link: l, isolation: isolation}
	if err := s.start(c); err != nil {
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			refusal = &Refusal{NotStarted, err.Error()}
		}
		return l.send(word{Refusal: refusal})
	}
	go s.obey()
	return s.wait()
}

func readCommand(c *Command) error {
	unix.CloseOnExec(commandFD)
	f := os.NewFile(commandFD, "command")
	defer f.Close()
	if err := json.NewDecoder(f).Decode(c); err != nil {
		return fmt.Errorf("read command: %w", err)
	}
	if len(c.Argv) == 0 {
		return errors.New("read command: it is empty")
	}
	return nil
}

// start runs the command in a session of its own and reports it, with its terminal if it has one.
func (s *supervisor) start(c Command) error {
	env := c.Env
	if env == nil {
		env = defaultEnv()
	}
	dir := c.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(Home, dir)
	}
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return &Refusal{NoDirectory, "no such directory: " + dir}
	}
	path, err := lookUp(c, env, dir)
	if err != nil {
		return err
	}
	attr := &syscall.ProcAttr{Dir: dir, Env: env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true}}
	var terminal []int
	if c.TTY {
		master, slave, err := openTerminal(c.Rows, c.Cols)
		if err != nil {
			return fmt.Errorf("open terminal: %w", err)
		}
		defer closeAll([]int{master, slave})
		terminal = []int{master}
		attr.Files = []uintptr{uintptr(slave), uintptr(slave), uintptr(slave)}
		attr.Sys.Setctty, attr.Sys.Ctty = true, 0
	}
	// When memory runs out, commands go before the processes that look after them. A kernel that refuses changes nothing else.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	s.pid, err = s.limited(func() (int, error) { return syscall.ForkExec(path, c.Argv, attr) })
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0)
	if err != nil {
		return &Refusal{NotStarted, fmt.Sprintf("cannot run %s: %v", path, err)}
	}
	if err := s.link.send(word{Pid: s.pid}, terminal...); err != nil {
		return err
	}
	return letGo()
}

// limited calls fork under the limit of commands. Without namespaces there is none: the kernel would count the user's other processes too.
func (s *supervisor) limited(fork func() (int, error)) (int, error) {
	if s.isolation == None {
		return fork()
	}
	return asCommand(fork)
}

// lookUp finds the executable as a shell in the command's environment and directory would.
func lookUp(c Command, env []string, dir string) (string, error) {
	name := c.Path
	if name == "" {
		name = c.Argv[0]
	}
	missing := &Refusal{NoExecutable, "executable not found: " + name}
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if fi, err := os.Stat(name); err != nil || fi.IsDir() {
			return "", missing
		}
		return name, nil
	}
	search := searchPath
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			search = v
		}
	}
	if err := os.Setenv("PATH", search); err != nil {
		return "", err
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		return filepath.Join(dir, path), nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return "", &Refusal{NoExecutable, "not executable: " + name}
	}
	if err != nil {
		return "", missing
	}
	return path, nil
}

// letGo gives up the command's standard files, so that their ends can be seen.
func letGo() error {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return err
		}
	}
	return nil
}

// obey passes signals on until the shim is gone, and then ends what it has left behind.
func (s *supervisor) obey() {
	for {
		var w wish
		if _, err := s.link.receive(&w); err != nil {
			s.end()
			return
		}
		switch {
		case unix.Signal(w.Signal) == unix.SIGKILL:
			s.end()
		case !s.exited.Load():
			_ = syscall.Kill(-s.pid, syscall.Signal(w.Signal)) // ESRCH: just ended
		}
	}
}

// end kills everything below, now and as it comes up.
func (s *supervisor) end() {
	s.killing.Store(true)
	killDescendants()
}

// wait reaps until nothing is left, and reports the command's exit code as soon as it is known.
func (s *supervisor) wait() error {
	for options := 0; ; {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, options, nil)
		options = 0
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case pid == 0 && err == nil:
			killDescendants() // those who were born while others died
			continue
		case errors.Is(err, syscall.ECHILD):
			return nil
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		}
		if pid == s.pid && (ws.Exited() || ws.Signaled()) {
			s.exited.Store(true)
			code := ws.ExitStatus()
			if ws.Signaled() {
				code = 128 + int(ws.Signal())
			}
			_ = s.link.send(word{Exit: &code}) // a shim that is gone needs no answer; obey sees it too
		}
		if s.killing.Load() {
			options = syscall.WNOHANG
		}
	}
}
