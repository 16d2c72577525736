package shim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// topFolders stand in every Sprite at every start.
var topFolders = []string{
	"dev", "etc", "home/sprite", "opt", "proc", "root", "run", "srv", "tmp", "usr", "workspace",
	"var/cache/apt/archives/partial", "var/lib", "var/log", "var/tmp",
}

// skeleton makes the folders and links without which nothing runs.
func (w *world) skeleton() error {
	for _, d := range topFolders {
		if err := w.tree.mkdir(d); err != nil {
			return err
		}
	}
	for _, d := range []string{"tmp", "var/tmp"} {
		if err := w.tree.at(d, func(path string) error { return unix.Chmod(path, 0o1777) }); err != nil {
			return err
		}
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		target, err := os.Readlink("/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("this host has no merged /usr: %w", err)
		}
		if err := w.relink(name, target); err != nil {
			return err
		}
	}
	return nil
}

// relink puts a top link back; what took its place is kept aside.
func (w *world) relink(name, target string) error {
	if cur, err := w.tree.Readlink(name); err == nil && cur == target {
		return nil
	}
	if w.tree.exists(name) {
		aside := name + ".moved"
		if err := w.tree.RemoveAll(aside); err != nil {
			return fmt.Errorf("clear /%s in the sprite: %w", aside, err)
		}
		if err := w.tree.Rename(name, aside); err != nil {
			return fmt.Errorf("move /%s in the sprite aside: %w", name, err)
		}
	}
	if err := w.tree.Symlink(target, name); err != nil {
		return fmt.Errorf("link /%s in the sprite: %w", name, err)
	}
	return nil
}

// layers mounts the host's trees under layers that belong to the Sprite alone and are out of its reach.
func (w *world) layers() error {
	for _, l := range w.lowers {
		upper, work := upperOf(stagedSprite, l), layersDir(stagedSprite)+l+"/w"
		for _, d := range []string{upper, work} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return fmt.Errorf("make layer of %s: %w", l, err)
			}
		}
		rel := l[1:]
		if err := w.tree.mkdir(rel); err != nil {
			return err
		}
		lower := w.lower[l]
		if w.cfg.Snapshot != "" {
			lower = upperOf(stagedSnapshot, l) + ":" + lower
		}
		options := "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work + ",userxattr"
		if err := w.tree.mount("overlay", rel, "overlay", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
			return failure(stepOverlay+" "+l, err)
		}
	}
	return nil
}

// shares mounts the host folders that every Sprite can read.
func (w *world) shares() error {
	for _, s := range w.cfg.Shares {
		rel := s.Target[1:]
		if err := w.tree.mkdir(rel); err != nil {
			return err
		}
		if err := w.tree.bind(w.share[s.Target], rel); err != nil {
			return err
		}
		if err := w.tree.restrict(rel, shielded|unix.MOUNT_ATTR_RDONLY); err != nil {
			return err
		}
	}
	return nil
}
