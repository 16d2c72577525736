package shim

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// linkFD is where every role inside finds its link.
const linkFD = 3

// runInit is the role: it builds the world of the Sprite around itself, confines itself, and becomes PID 1.
func runInit() error {
	runtime.LockOSThread() // capabilities belong to a thread until the next exec
	fd, err := unix.FcntlInt(linkFD, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("find link: %w", err)
	}
	l, err := openLink(fd)
	if err != nil {
		return err
	}
	var o order
	fds, err := l.receive(&o)
	if err != nil {
		return fmt.Errorf("wait for order: %w", err)
	}
	if o.Config == nil {
		return errors.New("no config")
	}
	if o.Config.Isolation == None {
		return runKeeper(l, *o.Config)
	}
	out, err := buildWorld(*o.Config, o.TUN, fds)
	if err == nil {
		err = l.send(answer{TUN: out.tun >= 0}, out.files()...)
	}
	if err == nil {
		err = limitResources(*o.Config)
	}
	if err == nil {
		err = confine(o.Config.Base == 0)
	}
	if err != nil {
		return errors.Join(err, l.send(answer{Failure: failure("build the sprite", err)}))
	}
	// The link stays open over the exec; nothing else does.
	if _, err := unix.FcntlInt(linkFD, unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("keep link: %w", err)
	}
	if err := unix.CloseRange(linkFD+1, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close files: %w", err)
	}
	unix.Umask(0o022)
	err = syscall.Exec(binaryInside, []string{rolePID1}, []string{"PATH=" + searchPath, "GOMAXPROCS=1"})
	return errors.Join(fmt.Errorf("become PID 1: %w", err), l.send(answer{Failure: failure("become PID 1", err)}))
}

// binaryInside is where the Sprite sees the binary of its own init, read-only.
const binaryInside = "/run/.sprite/init"

// staging is a folder that every host has; a file system of our own covers it while the world is built.
const staging = "/tmp"

// world is a Sprite's file tree under construction.
type world struct {
	cfg    Config
	lowers []string
	tree   *tree             // the Sprite's future root
	lower  map[string]string // layered path → its lower folder in the staging area
	share  map[string]string // share target → its folder in the staging area

	exits    *exits
	resolves bool // names are answered in the Sprite's own network
}

// buildWorld makes the Sprite's root out of its folder and the host's, and moves into it. tun says that its interface is there already.
func buildWorld(cfg Config, tun bool, fds []int) (*exits, error) {
	w := &world{cfg: cfg, lowers: lowers(), lower: map[string]string{}, share: map[string]string{}}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("make mounts private: %w", err)
	}
	for _, step := range []func() error{
		func() error { return w.network(tun) },
		func() error { return w.stage(fds) },
		w.openRoot,
		w.skeleton,
		w.layers,
		w.etc,
		w.proc,
		w.dev,
		w.run,
		w.shares,
		w.guide,
		func() error { return unix.Sethostname([]byte(cfg.Name)) },
		w.enter,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return w.exits, nil
}

// enter makes the tree the root, and the host's file systems unreachable.
func (w *world) enter() error {
	if err := unix.Chdir(stagedRoot); err != nil {
		return fmt.Errorf("enter the sprite: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("enter the sprite: pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the host: %w", err)
	}
	return os.Chdir("/")
}
