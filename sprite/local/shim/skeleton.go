package shim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// BuildSkeleton makes what all Sprites of a host share: a copy of what they may see of /etc and, where the host runs as an ordinary user,
// the layer that lets them write below folders of root: the same tree of empty folders, owned by the user, with copies of the package
// databases. It is built once, whoever comes first, and appears complete or not at all.
func BuildSkeleton(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	f, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock skeleton: %w", err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock skeleton: %w", err)
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	draft := dir + ".new"
	if err := os.RemoveAll(draft); err != nil {
		return fmt.Errorf("clear skeleton: %w", err)
	}
	if err := seedEtc(ctx, draft); err != nil {
		return fmt.Errorf("make skeleton: %w", err)
	}
	for _, l := range lowers() {
		if l == etcTree || ManyIDs() {
			continue
		}
		if err := os.MkdirAll(draft+filepath.Dir(l), 0o755); err != nil {
			return fmt.Errorf("make skeleton: %w", err)
		}
		if err := filepath.WalkDir(l, func(path string, e fs.DirEntry, err error) error { return skeletonEntry(ctx, draft, path, e, err) }); err != nil {
			return fmt.Errorf("make skeleton: %w", err)
		}
	}
	if err := os.Rename(draft, dir); err != nil {
		return fmt.Errorf("make skeleton: %w", err)
	}
	return nil
}

func skeletonEntry(ctx context.Context, draft, path string, e fs.DirEntry, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return hideLower(draft + path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	switch {
	case e.IsDir():
		if err := os.Mkdir(draft+path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case !e.Type().IsRegular() || !database(path):
		return nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return os.WriteFile(draft+path, b, 0o644) // an unreadable file is a lock: an empty one of our own will do
}

// hideLower makes an empty folder of our own stand for one that we may not read. Merged with that, it could not be read either: apt, for one,
// needs its folder of half-done downloads.
func hideLower(dir string) error {
	if err := unix.Setxattr(dir, "user.overlay.opaque", []byte("y"), 0); err != nil {
		return fmt.Errorf("hide the folder below %s: %w", dir, err)
	}
	return nil
}

// database says whether package managers write this file in place. Downloaded package lists are big, and only ever replaced.
func database(path string) bool {
	return strings.HasPrefix(path, "/var/lib/") && (!strings.HasPrefix(path, "/var/lib/apt/lists/") || filepath.Base(path) == "lock")
}

// SweepSkeleton removes a draft that nobody works on any more.
func SweepSkeleton(dir string) error {
	f, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock skeleton: %w", err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil // somebody does
	}
	if err := os.RemoveAll(dir + ".new"); err != nil {
		return fmt.Errorf("clear skeleton: %w", err)
	}
	return nil
}
