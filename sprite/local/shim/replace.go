package shim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// restoring is the folder, beside a Sprite's trees, of those that take their place. It is there while they do, and after a crash meanwhile.
const restoring = "restoring"

// Replaced begins the names of the folders that Replace leaves for somebody to remove.
const Replaced = "replaced."

// trees hold all that a Sprite has changed.
var trees = []string{RootTree, "ov"}

// RootTree is the tree, of Trees, that is not made of layers.
const RootTree = "root"

// Trees names the folders, in a Sprite's folder, that hold all that it has changed.
func Trees() []string { return trees }

// Scratch says whether a path in a Sprite's folder is one that its overlays work in, of which a copy needs nothing.
func Scratch(path string) bool {
	for _, l := range layered {
		if path == layersDir("")+l+"/w" {
			return true
		}
	}
	return false
}

// Volatile says whether a path in a Sprite's folder is one that every start writes anew, with what is this Sprite's alone.
func Volatile(path string) bool {
	switch path {
	case upperOf("", etcTree) + "/hosts", upperOf("", etcTree) + "/hostname", upperOf("", etcTree) + "/resolv.conf":
		return true
	}
	return false
}

// Replace ends the Sprite in dir and puts the trees of the folder fresh in the place of its own. From the moment when fresh is renamed, the
// Sprite is the new one: what is cut short then is finished by Recover, or by the next shim.
func Replace(ctx context.Context, dir, fresh string) error {
	release, err := Stop(ctx, dir)
	if err != nil {
		return err
	}
	defer release()
	if err := finishReplace(dir); err != nil {
		return err
	}
	if err := os.Rename(fresh, filepath.Join(dir, restoring)); err != nil {
		return fmt.Errorf("replace the sprite's files: %w", err)
	}
	return finishReplace(dir)
}

// Recover finishes a Replace that was cut short. It leaves a Sprite alone that somebody holds, because he has done it already.
func Recover(ctx context.Context, dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, restoring)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l, free, err := tryLock(dir)
	if err != nil || !free {
		return err
	}
	defer l.release()
	st, err := readState(dir)
	if err != nil {
		return err
	}
	if err := end(ctx, st.Init); err != nil {
		return fmt.Errorf("wait for the old sprite: %w", err)
	}
	return finishReplace(dir)
}

// finishReplace moves what is not yet in its place. It may be cut short and repeated at any point. The caller holds the lock.
func finishReplace(dir string) error {
	from := filepath.Join(dir, restoring)
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, tree := range trees {
		fresh, live := filepath.Join(from, tree), filepath.Join(dir, tree)
		if _, err := os.Lstat(fresh); errors.Is(err, fs.ErrNotExist) {
			continue // in its place
		}
		// The live one is missing if it was moved aside just before the crash.
		if err := os.Rename(live, filepath.Join(from, "old-"+tree)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("replace the sprite's files: %w", err)
		}
		if err := os.Rename(fresh, live); err != nil {
			return fmt.Errorf("replace the sprite's files: %w", err)
		}
	}
	if err := os.Rename(from, filepath.Join(dir, Replaced+rand.Text())); err != nil {
		return fmt.Errorf("replace the sprite's files: %w", err)
	}
	return nil
}
