package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// write makes a file of n bytes that are on the disk.
func write(t *testing.T, path string, n int) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Repeat("x", n)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func measured(t *testing.T, dir string) int64 {
	t.Helper()
	n, err := Measure(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// deepen makes levels of folders below dir and leaves a file of 1 MiB at the bottom.
func deepen(t *testing.T, dir string, levels int) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("d", 200)
	for range levels {
		if err := unix.Mkdirat(fd, name, 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY, 0)
		if err := errors.Join(err, unix.Close(fd)); err != nil {
			t.Fatal(err)
		}
		fd = next
	}
	f, err := unix.Openat(fd, "bottom", unix.O_CREAT|unix.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(f, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.Close(f), unix.Close(fd)); err != nil {
		t.Fatal(err)
	}
}

func TestMeasureCountsBlocksOnce(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	empty := measured(t, dir)
	write(t, filepath.Join(dir, "a"), 1<<20)
	write(t, filepath.Join(elsewhere, "big"), 4<<20)
	for i := range 20 {
		if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "link"+string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	hole, err := os.Create(filepath.Join(dir, "hole"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(hole.Truncate(1<<40), hole.Close()); err != nil {
		t.Fatal(err)
	}
	if got := measured(t, dir) - empty; got < 1<<20 || got > 1<<20+64<<10 {
		t.Errorf("a file of 1 MiB with 21 names, a hole and a link to 4 MiB are %d bytes", got)
	}
}

// The tree may be deeper than any path or than what may be open at once.
func TestMeasureReachesTheBottom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	deepen(t, dir, 3000)
	write(t, filepath.Join(dir, "top"), 1<<20)
	if got := measured(t, dir); got < 2<<20+3000<<12 {
		t.Errorf("%d bytes", got)
	}
}

// Whoever moves folders about while they are measured leads nobody out of the tree and holds nobody up.
func TestMeasureStaysInTheTree(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	write(t, filepath.Join(outside, "big"), 64<<20)
	dir := filepath.Join(outside, "tree")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	deepen(t, dir, 400)
	deep, err := unix.Open(dir, unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	root := deep
	for range 300 {
		if deep, err = unix.Openat(deep, strings.Repeat("d", 200), unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	moved := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			_ = unix.Renameat(deep, strings.Repeat("d", 200), root, "m")
			_ = unix.Renameat(root, "m", deep, strings.Repeat("d", 200))
		}
		moved <- n
	}()
	for ctx.Err() == nil {
		n, err := Measure(t.Context(), dir)
		if err != nil && !errors.Is(err, ErrRestless) || n >= 32<<20 {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	if n := <-moved; n == 0 {
		t.Error("nothing was moved")
	}
}

func TestUsageIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if u, err := Load(dir); err != nil || u != (Usage{}) {
		t.Errorf("%+v %v", u, err)
	}
	want := Usage{Bytes: 5, At: time.Unix(7, 0).UTC(), Full: true}
	if err := want.Save(dir); err != nil {
		t.Fatal(err)
	}
	if u, err := Load(dir); err != nil || u != want {
		t.Errorf("%+v %v", u, err)
	}
	write(t, filepath.Join(dir, usageFile), 3)
	if _, err := Load(dir); err == nil {
		t.Error("nonsense was read")
	}
}

func TestTextIsForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1 << 10: "1 KiB", 20 << 30: "20 GiB", 21797000000: "20.3 GiB", 1<<20 - 1: "1 MiB", 1 << 62: "4096 PiB"} {
		if got := Text(n); got != want {
			t.Errorf("%d is %q instead of %q", n, got, want)
		}
	}
}

func TestReserveIsKeptFree(t *testing.T) {
	t.Parallel()
	s := Space{Free: 3 << 30, Total: 100 << 30}
	if s.Reserve() != 2<<30 || s.Short(0) != "" || s.Short(1<<30) != "" || s.Short(1<<30+1) == "" {
		t.Errorf("%+v", s)
	}
	s.AllInodes, s.Inodes = 1000, 19
	if s.Short(0) == "" {
		t.Error("there are too few inodes")
	}
	if (Space{Total: 1 << 30}).Reserve() != 1<<30 {
		t.Error("the least reserve")
	}
}
