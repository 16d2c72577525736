package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"golang.org/x/sys/unix"
)

// fileTree is a Sprite's root folder as the host sees it. The Sprite may rearrange it at any time and may have planted any link in it; the
// kernel resolves every path as if the folder were the root of the world, so that no path leads out.
type fileTree struct {
	root    *os.File
	base    int
	layered []string
}

func (h *Host) openFiles(r record) (*fileTree, error) {
	f, err := os.Open(shim.Root(h.dir(r.Name)))
	if err != nil {
		return nil, fmt.Errorf("open the sprite's files: %w", err)
	}
	return &fileTree{root: f, base: r.Base, layered: shim.Layered(h.opts.Shares)}, nil
}

func (t *fileTree) close() { _ = t.root.Close() }

// errLayered refuses what only the Sprite itself sees as it is.
var errLayered = &fs.PathError{Op: "open", Path: "layered path", Err: fmt.Errorf("%w: /dev, /etc, /proc, /run, /usr, /.sprite, package databases and shares can be reached from inside the sprite only", fs.ErrPermission)}

// openat resolves name with its links, inside the tree.
func (t *fileTree) openat(name string, flags uint64) (*os.File, error) {
	how := &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	var fd int
	var err error
	for range 100 { // EAGAIN: something was renamed meanwhile
		fd, err = unix.Openat2(int(t.root.Fd()), strings.TrimPrefix(path.Clean(name), "/")+dotFor(name), how)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, t.explain(name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := t.check(fd); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// dotFor makes the root itself nameable.
func dotFor(name string) string {
	if path.Clean(name) == "/" {
		return "."
	}
	return ""
}

// explain keeps a path that leads into a layer from looking like a missing file.
func (t *fileTree) explain(name string, err error) error {
	for _, l := range append(t.layered, "/bin", "/sbin", "/lib", "/lib64") {
		if within(path.Clean(name), l) {
			return errLayered
		}
	}
	return &fs.PathError{Op: "open", Path: name, Err: err}
}

// check refuses a file that the Sprite's own view covers with something else.
func (t *fileTree) check(fd int) error {
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return err
	}
	root, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(t.root.Fd())))
	if err != nil {
		return err
	}
	for _, l := range t.layered {
		if within(real, root+l) {
			return errLayered
		}
	}
	return nil
}

// open opens a file for reading. O_NONBLOCK keeps a pipe that the Sprite has put there from holding us.
func (t *fileTree) open(name string) (*os.File, error) {
	return t.openat(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
}

// parent opens the folder that name is or will be in, and answers the last element.
func (t *fileTree) parent(name string) (*os.Root, string, error) {
	if path.Clean(name) == "/" {
		return nil, "", unix.EISDIR
	}
	r, err := t.folder(path.Dir(name))
	if err != nil {
		return nil, "", err
	}
	return r, path.Base(name), nil
}

// folder opens a folder, whose entries can then be changed by name without passing any link.
func (t *fileTree) folder(name string) (*os.Root, error) {
	f, err := t.openat(name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return os.OpenRoot("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
}

// list answers the children of a folder, or the file itself.
func (t *fileTree) list(name string) (infos []fs.FileInfo, dir bool, err error) {
	f, err := t.open(name)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	if !fi.IsDir() {
		return []fs.FileInfo{fi}, false, nil
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, true, err
	}
	r, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return nil, true, err
	}
	defer r.Close()
	slices.Sort(names)
	for _, n := range names {
		fi, err := r.Lstat(n)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since
		}
		if err != nil {
			return nil, true, err
		}
		infos = append(infos, fi)
	}
	return infos, true, nil
}

// remove deletes the entry itself, never what a link points to.
func (t *fileTree) remove(name string, recursive bool) error {
	p, err := t.place(name)
	if err != nil {
		return err
	}
	defer p.close()
	if t.covered(p.real) {
		return errLayered
	}
	dir, err := os.OpenRoot(fdPath(p.dir))
	if err != nil {
		return err
	}
	defer dir.Close()
	if _, err := dir.Lstat(p.name); err != nil {
		return err
	}
	if recursive {
		return dir.RemoveAll(p.name)
	}
	return dir.Remove(p.name)
}

// covered says whether a layer is at or below the name: those folders are not for removal.
func (t *fileTree) covered(name string) bool {
	for _, l := range t.layered {
		if within(l, name) || within(name, l) {
			return true
		}
	}
	return false
}
