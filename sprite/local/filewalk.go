package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// change is done to an entry that is open for it, as a handle only.
type change func(f *os.File, real string, kind uint32) error

// each changes what name leads to and, if recursive, everything below, following no link there. A folder comes after what is in it, so
// that it may become unreadable.
func (t *fileTree) each(ctx context.Context, name string, recursive bool, do change) error {
	f, err := t.openat(name, unix.O_PATH)
	if err != nil {
		return err
	}
	defer f.Close()
	real, err := t.real(f)
	if err != nil {
		return err
	}
	if recursive && t.covered(real) {
		return errLayered
	}
	w := &walk{ctx: ctx, do: do, recursive: recursive}
	return pathError("change", name, w.visit(f, real, 0))
}

type walk struct {
	ctx       context.Context
	do        change
	recursive bool
	entries   int
}

func (w *walk) visit(f *os.File, real string, depth int) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	if w.entries++; w.entries > maxEntries {
		return errTooMany
	}
	if depth > maxDepth {
		return errTooDeep
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	if !w.recursive || kind != unix.S_IFDIR {
		return w.do(f, real, kind)
	}
	d, err := os.Open(fdPath(f))
	if errors.Is(err, fs.ErrPermission) { // the change may be what makes it readable
		if err := w.do(f, real, kind); err != nil {
			return err
		}
		d, err = os.Open(fdPath(f))
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if err := w.children(d, real, depth); err != nil {
		return err
	}
	return w.do(f, real, kind)
}

func (w *walk) children(d *os.File, real string, depth int) error {
	for {
		names, rerr := d.Readdirnames(256)
		for _, n := range names {
			fd, err := unix.Openat(int(d.Fd()), n, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if errors.Is(err, unix.ENOENT) {
				continue // gone since
			}
			if err != nil {
				return err
			}
			f := os.NewFile(uintptr(fd), n)
			if err := errors.Join(w.visit(f, path.Join(real, n), depth+1), f.Close()); err != nil {
				return err
			}
		}
		if errors.Is(rerr, io.EOF) {
			return nil
		}
		if rerr != nil {
			return rerr
		}
	}
}
