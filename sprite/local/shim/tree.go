package shim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// tree is the root folder of a Sprite, which wrote it and may have planted anything in it. No method follows a link out of it.
type tree struct {
	*os.Root
	dir *os.File
}

func openTree(path string) (*tree, error) {
	r, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open the sprite's root: %w", err)
	}
	d, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the sprite's root: %w", err), r.Close())
	}
	return &tree{r, d}, nil
}

// at opens a path without passing any link, and hands its name for the kernel to use.
func (t *tree) at(rel string, use func(path string) error) error {
	fd, err := unix.Openat2(int(t.dir.Fd()), rel, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return fmt.Errorf("open /%s in the sprite: %w", rel, err)
	}
	defer unix.Close(fd)
	return use(fdPath(fd))
}

// mkdir makes a folder and its parents. Whatever else stands in the way is removed.
func (t *tree) mkdir(rel string) error {
	path := ""
	for part := range strings.SplitSeq(rel, "/") {
		path = strings.TrimPrefix(path+"/"+part, "/")
		fi, err := t.Lstat(path)
		if err == nil && fi.IsDir() {
			continue
		}
		if err == nil {
			err = t.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear /%s in the sprite: %w", path, err)
		}
		if err := t.Mkdir(path, 0o755); err != nil {
			return fmt.Errorf("make /%s in the sprite: %w", path, err)
		}
	}
	return nil
}

// put replaces a file, or whatever has its name.
func (t *tree) put(rel string, content []byte, mode fs.FileMode) error {
	if err := t.RemoveAll(rel); err != nil {
		return fmt.Errorf("clear /%s in the sprite: %w", rel, err)
	}
	if err := t.WriteFile(rel, content, mode); err != nil {
		return fmt.Errorf("write /%s in the sprite: %w", rel, err)
	}
	return nil
}

func (t *tree) exists(rel string) bool {
	_, err := t.Lstat(rel)
	return err == nil
}

// mount mounts a file system on a path of the tree.
func (t *tree) mount(source, rel, kind string, flags uintptr, data string) error {
	return t.at(rel, func(path string) error {
		if err := unix.Mount(source, path, kind, flags, data); err != nil {
			return fmt.Errorf("mount /%s in the sprite: %w", rel, err)
		}
		return nil
	})
}

// bind mounts a path of the host on a path of the tree.
func (t *tree) bind(source, rel string) error { return t.mount(source, rel, "", unix.MS_BIND, "") }

// restrict adds attributes to the mount at a path of the tree.
func (t *tree) restrict(rel string, attr uint64) error {
	return t.at(rel, func(path string) error { return restrict(path, attr) })
}
