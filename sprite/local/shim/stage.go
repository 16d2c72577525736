package shim

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	stagedRoot     = staging + "/root"
	stagedSprite   = staging + "/sprite"
	stagedSkeleton = staging + "/skeleton"
	stagedSnapshot = staging + "/snapshot"
	stagedBinary   = staging + "/init"
)

const shielded = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// stage brings the Sprite's folder, the host folders and the binary into a private file system, by descriptor and never by name.
func (w *world) stage(fds []int) error {
	attach := w.attachClones(fds)
	if w.cfg.Base == 0 {
		pinned, err := w.pin()
		if err != nil {
			return err
		}
		attach = pinned
	}
	if err := unix.Mount("tmpfs", staging, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount staging area: %w", err)
	}
	if err := os.Mkdir(stagedRoot, 0o755); err != nil {
		return fmt.Errorf("make staging area: %w", err)
	}
	return attach()
}

// attachClones mounts the trees that the shim cloned with the Sprite's ids.
func (w *world) attachClones(fds []int) func() error {
	return func() error {
		var targets []string
		for i, l := range w.lowers {
			w.lower[l] = staging + "/lower" + strconv.Itoa(i)
			targets = append(targets, w.lower[l])
		}
		for i, s := range w.cfg.Shares {
			w.share[s.Target] = staging + "/share" + strconv.Itoa(i)
			targets = append(targets, w.share[s.Target])
		}
		if w.cfg.Snapshot != "" {
			targets = append(targets, stagedSnapshot)
		}
		targets = append(targets, stagedSprite, stagedBinary)
		if len(fds) != len(targets) {
			return fmt.Errorf("%d host folders instead of %d", len(fds), len(targets))
		}
		for i, target := range targets {
			if err := makeMountpoint(target, target != stagedBinary); err != nil {
				return err
			}
			if err := unix.MoveMount(fds[i], "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
				return fmt.Errorf("attach %s: %w", filepath.Base(target), err)
			}
		}
		return restrict(stagedBinary, shielded|unix.MOUNT_ATTR_RDONLY)
	}
}

// pin opens what an ordinary user's Sprite needs before the staging area can cover it, and returns what mounts it there.
func (w *world) pin() (func() error, error) {
	type bind struct {
		fd     int
		target string
		dir    bool
		attr   uint64
	}
	binds := []bind{
		{target: stagedSprite, dir: true},
		{target: stagedSkeleton, dir: true, attr: unix.MOUNT_ATTR_RDONLY},
		{target: stagedBinary, attr: shielded | unix.MOUNT_ATTR_RDONLY},
	}
	// By name: the link in /proc leads into the shim's mount namespace, from which nothing can be bound.
	binary, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	paths := []string{w.cfg.Dir, w.cfg.Skeleton, binary}
	if w.cfg.Snapshot != "" {
		paths = append(paths, w.cfg.Snapshot)
		binds = append(binds, bind{target: stagedSnapshot, dir: true, attr: shielded | unix.MOUNT_ATTR_RDONLY})
	}
	for i, s := range w.cfg.Shares {
		w.share[s.Target] = staging + "/share" + strconv.Itoa(i)
		paths = append(paths, s.Source)
		binds = append(binds, bind{target: w.share[s.Target], dir: true, attr: shielded | unix.MOUNT_ATTR_RDONLY})
	}
	for i, p := range paths {
		fd, err := unix.Open(p, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", p, err)
		}
		binds[i].fd = fd
	}
	for _, l := range w.lowers {
		if w.lower[l] = stagedSkeleton + l; l != etcTree {
			w.lower[l] += ":" + l
		}
	}
	return func() error {
		for _, b := range binds {
			if err := makeMountpoint(b.target, b.dir); err != nil {
				return err
			}
			if err := unix.Mount(fdPath(b.fd), b.target, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("attach %s: %w", filepath.Base(b.target), err)
			}
			if err := restrict(b.target, b.attr); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func makeMountpoint(path string, dir bool) error {
	var err error
	if dir {
		err = os.Mkdir(path, 0o755)
	} else {
		err = os.WriteFile(path, nil, 0o600)
	}
	if err != nil {
		return fmt.Errorf("make staging area: %w", err)
	}
	return nil
}

// restrict adds attributes to the mount at path.
func restrict(path string, attr uint64) error {
	if attr == 0 {
		return nil
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, path, 0, &unix.MountAttr{Attr_set: attr}); err != nil {
		return fmt.Errorf("restrict mount: %w", err)
	}
	return nil
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// openRoot binds the Sprite's root folder, and opens it for all that follows.
func (w *world) openRoot() error {
	if err := unix.Mount(Root(stagedSprite), stagedRoot, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind the sprite's root: %w", err)
	}
	if err := restrict(stagedRoot, shielded); err != nil {
		return err
	}
	t, err := openTree(stagedRoot)
	if err != nil {
		return err
	}
	w.tree = t
	return nil
}
