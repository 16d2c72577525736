package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/disk"
	"github.com/agent-on-demand/aod/sprite/local/shim"
	"golang.org/x/sys/unix"
)

const (
	// maxEntries bounds one copy; a tree that grows while it is copied would have no end.
	maxEntries = 4 << 20
	// maxDepth bounds the folders that are open at once.
	maxDepth = 256
	// maxLinks bounds the memory for hard links. Names beyond it become files of their own.
	maxLinks = 1 << 18
	// progressTime is how often a long copy says that it goes on.
	progressTime = 2 * time.Second
)

var (
	errTooMany = &apiError{413, "too_large", "more than 4194304 files are too many for one copy"}
	errTooDeep = &apiError{413, "too_large", "folders more than 256 deep are too deep for a copy"}
)

// copier copies a tree that somebody may be changing meanwhile, by descriptors and without following a link. Files, folders, links, pipes
// and the marks of overlays come along with their modes, times and attributes, and as root with their owners. Sockets and devices do not.
type copier struct {
	ctx context.Context
	// skip says which paths are left out.
	skip func(rel string) bool
	// links is the folder that hard links start from; nil where others can write to it, and then every name gets a file of its own.
	links *os.File
	// shift is what is added to the ids of owners.
	shift int
	// left is how many bytes of the disk the copy may take.
	left int64
	// progress, if not nil, hears now and then how far it is.
	progress func(entries, bytes int64)

	entries, bytes int64
	taken          int64 // of left
	made           int64 // entries that are there now
	size           int64 // of the files among them
	seen           map[inode]string
	noClone        bool
	told           time.Time
}

type inode struct{ dev, ino uint64 }

// entry copies what has the given name in a folder. rel is its path in the tree that is copied.
func (c *copier) entry(from *os.File, name string, to *os.File, as, rel string, depth int) error {
	if err := c.tick(); err != nil {
		return err
	}
	if c.skip != nil && c.skip(rel) {
		return nil
	}
	var st unix.Stat_t
	err := unix.Fstatat(int(from.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			err = c.dir(from, name, to, as, rel, depth)
		case unix.S_IFREG:
			err = c.file(from, name, to, as, rel)
		case unix.S_IFLNK:
			err = c.link(from, name, to, as, &st)
		case unix.S_IFIFO:
			err = c.node(to, as, &st)
		case unix.S_IFCHR:
			if st.Rdev == 0 { // an overlay's mark of what was deleted
				err = c.node(to, as, &st)
			}
		}
	}
	if depth > 0 && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EEXIST)) {
		return nil // gone since, or renamed and met twice
	}
	if err == nil && copied(st.Mode, st.Rdev) {
		c.made++
	}
	var e *apiError
	if err != nil && !errors.As(err, &e) && c.ctx.Err() == nil && depth == 0 {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	return err
}

// copied says whether a copy has what is of that mode.
func copied(mode uint32, device uint64) bool {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR, unix.S_IFREG, unix.S_IFLNK, unix.S_IFIFO:
		return true
	}
	return mode&unix.S_IFMT == unix.S_IFCHR && device == 0
}

// own makes the owner of an entry the owner of its copy.
func (c *copier) own(st *unix.Stat_t) {
	st.Uid, st.Gid = uint32(int(st.Uid)+c.shift), uint32(int(st.Gid)+c.shift)
}

// tick counts, tells, and ends a copy that nobody wants any more.
func (c *copier) tick() error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if c.entries++; c.entries > maxEntries {
		return errTooMany
	}
	c.tell()
	return nil
}

func (c *copier) tell() {
	if c.progress != nil && time.Since(c.told) > progressTime {
		if !c.told.IsZero() {
			c.progress(c.entries, c.bytes)
		}
		c.told = time.Now()
	}
}

func (c *copier) dir(from *os.File, name string, to *os.File, as, rel string, depth int) (err error) {
	if depth > maxDepth {
		return errTooDeep
	}
	src, st, relock, err := openLocked(from, name, unix.S_IFDIR)
	if err != nil {
		return err
	}
	defer src.Close()
	defer func() { err = errors.Join(err, relock()) }()
	c.own(&st)
	if err := unix.Mkdirat(int(to.Fd()), as, 0o700); err != nil {
		return err
	}
	fd, err := unix.Openat(int(to.Fd()), as, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	dst := os.NewFile(uintptr(fd), as)
	defer dst.Close()
	for {
		names, rerr := src.Readdirnames(256)
		for _, n := range names {
			if err := c.entry(src, n, dst, n, rel+"/"+n, depth+1); err != nil {
				return err
			}
		}
		if errors.Is(rerr, io.EOF) {
			return adopt(dst, src, &st)
		}
		if rerr != nil {
			return rerr
		}
	}
}

func (c *copier) file(from *os.File, name string, to *os.File, as, rel string) (err error) {
	src, st, relock, err := openLocked(from, name, unix.S_IFREG)
	if err != nil {
		return err
	}
	defer src.Close()
	defer func() { err = errors.Join(err, relock()) }()
	id := inode{uint64(st.Dev), st.Ino}
	if first, ok := c.seen[id]; ok {
		return unix.Linkat(int(c.links.Fd()), first, int(to.Fd()), as, 0)
	}
	if c.taken += st.Blocks * 512; c.taken > c.left {
		return diskFull("the copy is too big: " + disk.Text(c.left) + " of the disk are left for it; remove files through the file API")
	}
	fd, err := unix.Openat(int(to.Fd()), as, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	c.own(&st)
	dst := os.NewFile(uintptr(fd), as)
	if err = c.content(dst, src, st.Size); err == nil {
		err = adopt(dst, src, &st)
	}
	if err = errors.Join(err, dst.Close()); err == nil && c.links != nil && st.Nlink > 1 && len(c.seen) < maxLinks {
		if c.seen == nil {
			c.seen = map[inode]string{}
		}
		c.seen[id] = rel
	}
	c.size += st.Size
	return err
}

func (c *copier) link(from *os.File, name string, to *os.File, as string, st *unix.Stat_t) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(from.Fd()), name, buf)
	if errors.Is(err, unix.EINVAL) {
		return fs.ErrNotExist // no link any more
	}
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(string(buf[:n]), int(to.Fd()), as); err != nil {
		return err
	}
	c.own(st)
	return named(to, as, st)
}

func (c *copier) node(to *os.File, as string, st *unix.Stat_t) error {
	if err := unix.Mknodat(int(to.Fd()), as, st.Mode, 0); err != nil {
		return err
	}
	c.own(st)
	return named(to, as, st)
}

// named gives an entry that cannot be opened its owner and times.
func named(dir *os.File, name string, st *unix.Stat_t) error {
	if shim.ManyIDs() {
		if err := unix.Fchownat(int(dir.Fd()), name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(int(dir.Fd()), name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

func fdPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }
