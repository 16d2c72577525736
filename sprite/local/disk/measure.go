package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// held is how many folders of a path stay open during a measurement; below them the way back up is by name, and checked.
const held = 128

// ErrRestless means that a very deep tree was moved about while it was measured, which nothing but ill will does.
var ErrRestless = errors.New("the files are moved about while they are measured")

// Measure adds up the blocks of everything in a folder and below, the folder itself included.
func Measure(ctx context.Context, dir string) (int64, error) {
	for try := 1; ; try++ {
		m := &measurement{ctx: ctx, seen: map[file]bool{}, uid: uint32(os.Geteuid())}
		err := m.run(dir)
		if err == nil {
			return m.bytes, nil
		}
		if !errors.Is(err, ErrRestless) || try == 3 {
			return m.bytes, fmt.Errorf("measure disk usage: %w", err)
		}
	}
}

// file names an inode.
type file struct{ dev, ino uint64 }

type measurement struct {
	ctx   context.Context
	bytes int64
	seen  map[file]bool // what has several names
	uid   uint32
	path  []level
	open  [held]int // the descriptors of the first levels
	buf   [32 << 10]byte
}

// level is a folder on the way down.
type level struct {
	id   file
	subs []string // folders in it that are still to be measured
	mode uint32   // to be given back on the way up; 0 if it was never changed
}

// run goes through the tree with a bounded number of open files, whatever its depth.
func (m *measurement) run(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { m.closeHeld(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	m.bytes += st.Blocks * 512
	if err := m.enter(fd, st); err != nil {
		return err
	}
	for len(m.path) > 0 {
		if err := m.ctx.Err(); err != nil {
			return context.Cause(m.ctx)
		}
		top := &m.path[len(m.path)-1]
		if n := len(top.subs); n > 0 {
			name := top.subs[n-1]
			top.subs = top.subs[:n-1]
			sub, st, mode, err := m.descend(fd, name)
			if err != nil {
				return err
			}
			if sub < 0 {
				continue // gone or replaced since
			}
			if len(m.path) > held { // the levels that are not held are closed on the way
				_ = unix.Close(fd)
			}
			fd = sub
			err = m.enter(fd, st)
			m.path[len(m.path)-1].mode = mode
			if err != nil {
				return err
			}
			continue
		}
		if fd, err = m.up(fd); err != nil {
			return err
		}
	}
	return nil
}

// enter notes the folder behind fd as the deepest one, and counts what is in it.
func (m *measurement) enter(fd int, st unix.Stat_t) error {
	if len(m.path) < held {
		m.open[len(m.path)] = fd
	}
	m.path = append(m.path, level{id: idOf(st)})
	subs, err := m.count(fd)
	m.path[len(m.path)-1].subs = subs
	return err
}

// count adds up the entries of a folder and lists the folders among them.
func (m *measurement) count(fd int) (subs []string, err error) {
	for {
		n, err := unix.ReadDirent(fd, m.buf[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ENOENT) || n == 0 && err == nil {
			return subs, nil // ENOENT: it was removed meanwhile
		}
		if err != nil {
			return subs, err
		}
		var names []string
		_, _, names = unix.ParseDirent(m.buf[:n], -1, names)
		for _, name := range names {
			var st unix.Stat_t
			if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				continue // gone
			}
			dir := st.Mode&unix.S_IFMT == unix.S_IFDIR
			if dir {
				subs = append(subs, name)
			} else if st.Nlink > 1 {
				if m.seen[idOf(st)] {
					continue
				}
				m.seen[idOf(st)] = true
			}
			m.bytes += st.Blocks * 512
		}
		if err := m.ctx.Err(); err != nil {
			return subs, context.Cause(m.ctx)
		}
	}
}

// descend opens a folder; -1 if there is none of that name any more, or another file system is mounted there. A folder of ours that is
// closed even to ourselves hides nothing: it is opened, and mode is what it is to have again.
func (m *measurement) descend(fd int, name string) (sub int, st unix.Stat_t, mode uint32, err error) {
	sub, err = openFolder(fd, name)
	if errors.Is(err, unix.EACCES) {
		if mode, err = m.unlock(fd, name); err == nil {
			sub, err = openFolder(fd, name)
		}
	}
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP), errors.Is(err, unix.EXDEV), errors.Is(err, unix.EACCES):
		return -1, st, 0, nil
	case err != nil:
		return -1, st, 0, err
	}
	if err := unix.Fstat(sub, &st); err != nil {
		return -1, st, 0, errors.Join(err, unix.Close(sub))
	}
	return sub, st, mode, nil
}

func openFolder(fd int, name string) (int, error) {
	return unix.Openat2(fd, name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS,
	})
}

// unlock lets us into a folder and answers its mode before.
func (m *measurement) unlock(fd int, name string) (uint32, error) {
	handle, err := unix.Openat(fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(handle)
	var st unix.Stat_t
	if err := unix.Fstat(handle, &st); err != nil {
		return 0, err
	}
	if mode := st.Mode & 0o7777; st.Uid == m.uid && mode&0o500 != 0o500 {
		return mode | unix.S_IFDIR, unix.Chmod("/proc/self/fd/"+strconv.Itoa(handle), mode|0o500)
	}
	return 0, unix.EACCES
}

// up goes to the folder above. Whoever moved one of the unheld folders away must not lead us elsewhere.
func (m *measurement) up(fd int) (int, error) {
	depth := len(m.path) - 1
	relock(fd, m.path[depth])
	m.path = m.path[:depth]
	if depth == 0 {
		return fd, nil
	}
	if depth <= held {
		_ = unix.Close(fd)
		return m.open[depth-1], nil
	}
	above, err := unix.Openat(fd, "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fd, ErrRestless
	}
	_ = unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(above, &st); err != nil || idOf(st) != m.path[depth-1].id {
		return above, ErrRestless
	}
	return above, nil
}

// relock gives a folder its mode back.
func relock(fd int, l level) {
	if l.mode != 0 {
		_ = unix.Fchmod(fd, l.mode&0o7777) // whoever owns it can do it as well
	}
}

// closeHeld closes what is open: the held levels and the deepest one.
func (m *measurement) closeHeld(fd int) {
	for i := range min(len(m.path), held) {
		relock(m.open[i], m.path[i])
		if m.open[i] != fd {
			_ = unix.Close(m.open[i])
		}
	}
	_ = unix.Close(fd)
}

func idOf(st unix.Stat_t) file { return file{uint64(st.Dev), st.Ino} }
