package shim

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const sealed = shielded | unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOEXEC

// proc mounts the Sprite's own /proc, and closes what speaks of or to the host.
func (w *world) proc() error {
	if err := w.tree.mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return failure(stepProc, err)
	}
	// No user namespaces inside: they open kernel code that a Sprite does not need.
	if err := w.tree.at("proc/sys/user/max_user_namespaces", func(path string) error {
		return os.WriteFile(path, []byte("0"), 0)
	}); err != nil {
		return fmt.Errorf("forbid nested namespaces: %w", err)
	}
	for _, p := range []string{"proc/sys", "proc/sysrq-trigger", "proc/irq", "proc/bus", "proc/fs"} {
		if !w.tree.exists(p) {
			continue
		}
		if err := w.tree.at(p, func(path string) error { return unix.Mount(path, path, "", unix.MS_BIND|unix.MS_REC, "") }); err != nil {
			return fmt.Errorf("seal /%s: %w", p, err)
		}
		if err := w.tree.restrict(p, sealed); err != nil {
			return fmt.Errorf("seal /%s: %w", p, err)
		}
	}
	for _, p := range []string{"kcore", "keys", "key-users", "timer_list", "sched_debug", "kmsg", "kallsyms", "modules", "config.gz", "cmdline"} {
		if !w.tree.exists("proc/" + p) {
			continue
		}
		if err := w.tree.bind("/dev/null", "proc/"+p); err != nil {
			return err
		}
	}
	for _, p := range []string{"acpi", "scsi", "asound"} {
		if !w.tree.exists("proc/" + p) {
			continue
		}
		if err := w.tree.mount("tmpfs", "proc/"+p, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return err
		}
	}
	return nil
}

// dev makes a /dev with the harmless devices only, and terminals of the Sprite's own.
func (w *world) dev() error {
	t := w.tree
	if err := t.mount("tmpfs", "dev", "tmpfs", unix.MS_NOSUID, "mode=755,size=64k,nr_inodes=1k"); err != nil {
		return err
	}
	for _, d := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := t.put("dev/"+d, nil, 0o666); err != nil {
			return err
		}
		if err := t.bind("/dev/"+d, "dev/"+d); err != nil {
			return err
		}
	}
	for _, d := range []string{"dev/pts", "dev/shm"} {
		if err := t.mkdir(d); err != nil {
			return err
		}
	}
	if err := t.mount("devpts", "dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"); err != nil {
		return err
	}
	if err := t.mount("tmpfs", "dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"+w.memoryFiles()); err != nil {
		return err
	}
	for name, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := t.Symlink(target, "dev/"+name); err != nil {
			return fmt.Errorf("link /dev/%s in the sprite: %w", name, err)
		}
	}
	return nil
}

// run makes a /run that holds nothing but the init's own binary.
func (w *world) run() error {
	t := w.tree
	if err := t.mount("tmpfs", "run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"+w.memoryFiles()); err != nil {
		return err
	}
	if err := t.mkdir("run/.sprite"); err != nil {
		return err
	}
	rel := binaryInside[1:]
	if err := t.put(rel, nil, 0o555); err != nil {
		return err
	}
	if err := t.bind(stagedBinary, rel); err != nil {
		return err
	}
	return t.restrict(rel, shielded|unix.MOUNT_ATTR_RDONLY)
}

// memoryFiles bounds a file system in memory to a quarter of the Sprite's, by its bytes and by its files, each of which takes about a
// kilobyte of the kernel's.
func (w *world) memoryFiles() string {
	if w.cfg.Memory <= 0 {
		return ""
	}
	return fmt.Sprintf(",size=%d,nr_inodes=%d", max(w.cfg.Memory/4, 1<<20), max(w.cfg.Memory/4/4096, 1024))
}
