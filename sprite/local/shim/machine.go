package shim

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"

	"github.com/agent-on-demand/aod/sprite/local/cgroup"
	"golang.org/x/sys/unix"
)

// machine is the shim's hold on the init of its Sprite.
type machine struct {
	cmd       *exec.Cmd
	link      link
	isolation Isolation
	mu        sync.Mutex // one question to the init at a time
}

// order is what the shim tells the init.
type order struct {
	Op string `json:"op"` // build, spawn, census, weigh
	// Config belongs to build.
	Config *Config `json:"config,omitempty"`
	// TUN belongs to build: the Sprite's interface is there already.
	TUN bool `json:"tun,omitempty"`
	// TTY belongs to spawn.
	TTY bool `json:"tty,omitempty"`
	// Limit belongs to weigh.
	Limit int64 `json:"limit,omitempty"`
}

// answer is the init's answer to build, census and weigh. To build there are two: one with what listens in the Sprite's network, and one
// from PID 1.
type answer struct {
	Failure *Failure `json:"failure,omitempty"`
	TUN     bool     `json:"tun,omitempty"` // the last of the files is the Sprite's interface
	Others  int      `json:"others,omitempty"`
	Weight  weight   `json:"weight,omitzero"`
}

// startMachine starts the init in fresh namespaces and the given control group. It must run on a thread that lives as long as the machine shall.
func startMachine(cfg Config, group *cgroup.Group) (*machine, error) {
	near, far, err := newLink()
	if err != nil {
		return nil, err
	}
	defer far.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{roleInit}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + searchPath, "GOMAXPROCS=1"}
	cmd.ExtraFiles = []*os.File{far}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
	}
	if cfg.Base != 0 {
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: cfg.Base, Size: IDs}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = ids, ids
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 0, Gid: 0}
	} else {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if cfg.Isolation == None {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := adopt(); err != nil {
			return nil, errors.Join(err, near.close())
		}
	}
	if err := group.Start(cmd); err != nil {
		return nil, errors.Join(failure(stepNamespaces, err), near.close())
	}
	return &machine{cmd: cmd, link: near, isolation: cfg.Isolation}, nil
}

func (m *machine) pid() int { return m.cmd.Process.Pid }

// build hands over the config and the host folders, waits until the Sprite's world stands, and returns its ways out, if it needs any.
func (m *machine) build(cfg Config) (*exits, error) {
	inside := cfg
	inside.Policy, inside.Network = nil, nil // are the Carrier's, and may be bigger than a packet
	o := order{Op: "build", Config: &inside}
	var fds []int
	out := &exits{tun: -1}
	if cfg.Base != 0 {
		var err error
		if fds, err = hostTrees(cfg, m.pid()); err != nil {
			return nil, err
		}
		defer closeAll(fds)
		// Where the device is root's, no init may open it.
		out.tun = tunIn(m.pid())
		o.TUN = out.tun >= 0
	}
	if err := m.link.send(o, fds...); err != nil {
		return nil, errors.Join(err, out.close())
	}
	if cfg.Isolation == None { // it has the host's network
		return nil, m.learn(out)
	}
	for range 2 {
		if err := m.learn(out); err != nil {
			return nil, errors.Join(err, out.close())
		}
	}
	return out, nil
}

// learn takes one answer to build.
func (m *machine) learn(out *exits) error {
	var a answer
	fds, err := m.link.receive(&a)
	if err != nil {
		return fmt.Errorf("wait for init, see shim.log: %w", err)
	}
	if a.TUN && len(fds) > 0 {
		out.tun = fds[len(fds)-1]
		fds = fds[:len(fds)-1]
	}
	out.listeners = append(out.listeners, fds...)
	if a.Failure != nil {
		return a.Failure
	}
	return nil
}

// spawn starts a supervisor, which finds its link as descriptor 3 and its command as 4, and takes over the given standard files.
func (m *machine) spawn(tty bool, fds ...int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.link.send(order{Op: "spawn", TTY: tty}, fds...)
}

// others counts the processes of the Sprite besides its init.
func (m *machine) others() (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.link.send(order{Op: "census"}); err != nil {
		return 0, err
	}
	var a answer
	_, err := m.link.receive(&a)
	return a.Others, err
}

// kill ends every process of the Sprite. It may be called on no machine at all.
func (m *machine) kill() {
	switch {
	case m == nil:
	case m.isolation == None:
		killDescendants() // wait catches who is born meanwhile
	default:
		_ = m.cmd.Process.Kill()
	}
}

// wait returns when every process of the Sprite is gone.
func (m *machine) wait() error {
	if m == nil {
		return nil
	}
	var exit *exec.ExitError
	if err := m.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("wait for init: %w", err)
	}
	if m.isolation == None {
		endDescendants()
	}
	return nil
}

// hostTrees clones the host folders that go into the Sprite, with the ids of the Sprite. Order: layers, shares, snapshot, Sprite
// folder, binary.
func hostTrees(cfg Config, initPid int) (fds []int, err error) {
	defer func() {
		if err != nil {
			closeAll(fds)
		}
	}()
	userns, err := unix.Open("/proc/"+strconv.Itoa(initPid)+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open user namespace: %w", err)
	}
	defer unix.Close(userns)
	clone := func(path string) (int, error) {
		fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return -1, fmt.Errorf("open %s: %w", path, err)
		}
		fds = append(fds, fd)
		return fd, nil
	}
	var paths []string
	for _, tree := range lowers() {
		paths = append(paths, cfg.source(tree))
	}
	paths = append(paths, sources(cfg.Shares)...)
	if cfg.Snapshot != "" {
		paths = append(paths, cfg.Snapshot)
	}
	for _, path := range paths {
		fd, err := clone(path)
		if err != nil {
			return fds, err
		}
		attr := unix.MountAttr{
			Attr_set:  unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
			Userns_fd: uint64(userns),
		}
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
			return fds, failure(stepIdmap+" "+path, err)
		}
	}
	for _, path := range []string{cfg.Dir, "/proc/self/exe"} {
		if _, err := clone(path); err != nil {
			return fds, err
		}
	}
	return fds, nil
}

// lowers are the layered trees that this host has.
func lowers() []string {
	var out []string
	for _, l := range layered {
		if fi, err := os.Stat(l); err == nil && fi.IsDir() {
			out = append(out, l)
		}
	}
	return out
}

func sources(shares []Share) []string {
	out := make([]string, len(shares))
	for i, s := range shares {
		out[i] = s.Source
	}
	return out
}
