package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"golang.org/x/sys/unix"
)

// copyChunk is what is copied between two looks at the context.
const copyChunk = 16 << 20

// content fills dst with what src has, sharing the blocks where the file system can, and keeping its holes where it cannot.
func (c *copier) content(dst, src *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	if !c.noClone {
		if err := unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())); err == nil {
			c.bytes += size
			return nil
		}
		c.noClone = true
	}
	if err := dst.Truncate(size); err != nil {
		return err
	}
	for off := int64(0); off < size; {
		data, err := src.Seek(off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // holes to the end
		}
		if err != nil {
			return err
		}
		end, err := src.Seek(data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if off, err = min(end, size), c.extent(dst, src, data, min(end, size)); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) extent(dst, src *os.File, from, to int64) error {
	for from < to {
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		c.tell()
		if _, err := src.Seek(from, io.SeekStart); err != nil {
			return err
		}
		if _, err := dst.Seek(from, io.SeekStart); err != nil {
			return err
		}
		n, err := io.CopyN(dst, src, min(to-from, copyChunk))
		from += n
		c.bytes += n
		if errors.Is(err, io.EOF) {
			return nil // it has been cut meanwhile
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// adopt gives dst the owner, mode, attributes and times of src. Each step would undo some of the one after it.
func adopt(dst, src *os.File, st *unix.Stat_t) error {
	fd := int(dst.Fd())
	if shim.ManyIDs() {
		if err := unix.Fchown(fd, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if err := copyAttributes(dst, src); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, st.Mode&0o7777); err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, fdPath(dst), []unix.Timespec{st.Atim, st.Mtim}, 0)
}

// copyAttributes keeps what users and overlays note on files, and capabilities. An ordinary user cannot set the last, which have no effect
// in a Sprite anyway.
func copyAttributes(dst, src *os.File) error {
	n, err := unix.Flistxattr(int(src.Fd()), nil)
	if errors.Is(err, unix.ENOTSUP) || n == 0 && err == nil {
		return nil
	}
	names, value := make([]byte, 64<<10), make([]byte, 64<<10) // the kernel's own bounds
	if n, err = unix.Flistxattr(int(src.Fd()), names); err != nil {
		return err
	}
	for name := range bytes.SplitSeq(names[:n], []byte{0}) {
		attr := string(name)
		if !strings.HasPrefix(attr, "user.") && attr != "security.capability" {
			continue
		}
		n, err := unix.Fgetxattr(int(src.Fd()), attr, value)
		if errors.Is(err, unix.ENODATA) {
			continue // gone since
		}
		if err == nil {
			err = unix.Fsetxattr(int(dst.Fd()), attr, value[:n], 0)
		}
		if err != nil && !(errors.Is(err, unix.EPERM) && os.Geteuid() != 0) {
			return err
		}
	}
	return nil
}

// openLocked opens a file or folder for reading, though its owner may have taken that right from himself, and answers it as it was before.
// relock gives it its mode back.
func openLocked(from *os.File, name string, kind uint32) (f *os.File, st unix.Stat_t, relock func() error, err error) {
	flags, need := unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, uint32(0o400)
	if kind == unix.S_IFDIR {
		flags, need = flags|unix.O_DIRECTORY, 0o500
	}
	handle, err := unix.Openat(int(from.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, st, nil, err
	}
	path := os.NewFile(uintptr(handle), name)
	defer path.Close()
	if err := unix.Fstat(handle, &st); err != nil {
		return nil, st, nil, err
	}
	if st.Mode&unix.S_IFMT != kind {
		return nil, st, nil, fs.ErrNotExist // something else has its name by now
	}
	relock = func() error { return nil }
	locked := os.Geteuid() != 0 && st.Mode&need != need
	if locked {
		if err := unix.Chmod(fdPath(path), st.Mode&0o7777|need); err != nil {
			return nil, st, nil, err
		}
	}
	fd, err := unix.Open(fdPath(path), flags, 0)
	if err != nil {
		if locked {
			err = errors.Join(err, unix.Chmod(fdPath(path), st.Mode&0o7777))
		}
		return nil, st, nil, err
	}
	if locked {
		relock = func() error { return unix.Fchmod(fd, st.Mode&0o7777) }
	}
	return os.NewFile(uintptr(fd), name), st, relock, nil
}
