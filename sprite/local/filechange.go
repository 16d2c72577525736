package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"golang.org/x/sys/unix"
)

// place is an entry of the tree, held by its folder: whatever becomes of its path meanwhile, a change hits that folder.
type place struct {
	dir  *os.File
	name string
	real string // where it is, with all links resolved
}

func (t *fileTree) place(name string) (place, error) {
	if path.Clean(name) == "/" {
		return place{}, errLayered
	}
	dir, err := t.openat(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return place{}, err
	}
	real, err := t.real(dir)
	if err != nil {
		return place{}, errors.Join(err, dir.Close())
	}
	return place{dir, path.Base(name), path.Join(real, path.Base(name))}, nil
}

func (p place) close() { _ = p.dir.Close() }

// real is the path of an open file, as the Sprite would call it without links.
func (t *fileTree) real(f *os.File) (string, error) {
	full, err := os.Readlink(fdPath(f))
	if err != nil {
		return "", err
	}
	root, err := os.Readlink(fdPath(t.root))
	if err != nil {
		return "", err
	}
	return path.Join("/", strings.TrimPrefix(full, root)), nil
}

// two holds both ends of a rename or copy.
func (t *fileTree) two(source, dest string, use func(from, to place) error) error {
	from, err := t.place(source)
	if err != nil {
		return err
	}
	defer from.close()
	to, err := t.place(dest)
	if err != nil {
		return err
	}
	defer to.close()
	if t.covered(to.real) {
		return errLayered
	}
	return use(from, to)
}

// rename moves an entry, a link as a link, and replaces what rename(2) replaces.
func (t *fileTree) rename(source, dest string) error {
	return t.two(source, dest, func(from, to place) error {
		if t.covered(from.real) {
			return errLayered
		}
		return pathError("rename", source, unix.Renameat(int(from.dir.Fd()), from.name, int(to.dir.Fd()), to.name))
	})
}

// copy copies an entry and all below it under a new name, which appears complete or not at all. A file replaces a file; nothing replaces
// a folder.
func (t *fileTree) copy(ctx context.Context, source, dest string, recursive bool, left int64) (c *copier, err error) {
	c = &copier{ctx: ctx, left: left}
	return c, t.two(source, dest, func(from, to place) error {
		var st, old unix.Stat_t
		if err := unix.Fstatat(int(from.dir.Fd()), from.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return pathError("copy", source, err)
		}
		isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
		switch {
		case t.within(from.real):
			return errLayered
		case isDir && !recursive:
			return pathError("copy", source, unix.EISDIR)
		case isDir && within(to.real, from.real):
			return pathError("copy a folder into itself", source, unix.EINVAL)
		}
		if unix.Fstatat(int(to.dir.Fd()), to.name, &old, unix.AT_SYMLINK_NOFOLLOW) == nil {
			if old.Mode&unix.S_IFMT == unix.S_IFDIR && !isDir {
				return pathError("copy", dest, unix.EISDIR)
			}
			if isDir {
				return pathError("copy", dest, unix.EEXIST)
			}
		}
		return t.copyDraft(c, from, to, isDir)
	})
}

// copyDraft copies beside the target, and puts the draft in its place.
func (t *fileTree) copyDraft(c *copier, from, to place, isDir bool) error {
	draft := ".aod-" + rand.Text()
	err := c.entry(from.dir, from.name, to.dir, draft, "", 0)
	if err == nil {
		flags := uint(0)
		if isDir {
			flags = unix.RENAME_NOREPLACE
		}
		err = unix.Renameat2(int(to.dir.Fd()), draft, int(to.dir.Fd()), to.name, flags)
		if errors.Is(err, fs.ErrNotExist) {
			return &apiError{400, "bad_request", "only files, folders, links and pipes can be copied"}
		}
	}
	if err == nil {
		return nil
	}
	r, rerr := os.OpenRoot(fdPath(to.dir))
	if rerr != nil {
		return errors.Join(err, rerr)
	}
	defer r.Close()
	return errors.Join(err, r.RemoveAll(draft))
}

// within says whether a real path is in a layer.
func (t *fileTree) within(real string) bool {
	for _, l := range t.layered {
		if within(real, l) {
			return true
		}
	}
	return false
}

// chmod changes the mode of what name leads to and, if recursive, of all below that is no link.
func (t *fileTree) chmod(ctx context.Context, name string, mode uint32, recursive bool, changed func(real string)) error {
	return t.each(ctx, name, recursive, func(f *os.File, real string, kind uint32) error {
		if kind == unix.S_IFLNK {
			return nil
		}
		changed(real)
		return unix.Chmod(fdPath(f), mode)
	})
}

// chown changes the owners, in the Sprite's own ids; -1 leaves one alone. Links change themselves, but for the one that is named.
func (t *fileTree) chown(ctx context.Context, name string, uid, gid int, recursive bool, changed func(real string)) error {
	for _, id := range []*int{&uid, &gid} {
		switch {
		case *id < -1 || *id >= shim.IDs:
			return badRequest(fmt.Sprintf("uid and gid must be below %d", shim.IDs))
		case t.base == 0 && *id > 0:
			return pathError("chown", name, fmt.Errorf("%w: this host runs as an ordinary user, so its sprites have the one user 0", fs.ErrPermission))
		case t.base == 0:
			*id = -1 // 0 is who owns everything already
		case *id >= 0:
			*id += t.base
		}
	}
	return t.each(ctx, name, recursive, func(f *os.File, real string, _ uint32) error {
		changed(real)
		return unix.Fchownat(int(f.Fd()), "", uid, gid, unix.AT_EMPTY_PATH)
	})
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
