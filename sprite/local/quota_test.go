package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local"
	"github.com/agent-on-demand/aod/sprite/local/disk"
	"golang.org/x/sys/unix"
)

const diskLimit = 32 << 20

// A Sprite that fills the disk is stopped at its limit, says why, and works again once there is room.
func TestDiskFillStaysInItsSprite(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.Disk = diskLimit
	diskFill(t, openWith(t, opts))
}

func diskFill(t *testing.T, m *machine) {
	t.Helper()
	m.create(t, "filled")
	m.create(t, "roomy")
	fsys := m.client.Sprite("filled").Filesystem()
	// One file cannot run ahead, however fast it grows; it may be big enough to fill the Sprite.
	for _, script := range []string{"dd if=/dev/zero of=/workspace/big bs=1M count=100", "fallocate -l 100M /workspace/big"} {
		r := m.run(t.Context(), "filled", nil, "sh", "-c", "touch /workspace/big; "+script)
		if r.code == 0 || r.err != nil {
			t.Errorf("%s: exit %d, %v", script, r.code, r.err)
		}
		if fi, err := os.Stat(filepath.Join(m.opts.Dir, "filled/root/workspace/big")); err != nil || fi.Size() > diskLimit {
			t.Errorf("%s: %v %v", script, fi.Size(), err)
		}
		if err := fsys.Remove("/workspace/big"); err != nil {
			t.Error(err)
		}
	}
	m.sh(t, "filled", "setsid sleep 4720 > /dev/null 2>&1 &")
	const filler = `trap '' TERM; mkdir /workspace/many; i=0; while head -c 200k /dev/zero > /workspace/many/$i; do i=$((i+1)); done; sleep 1000`
	r := m.run(t.Context(), "filled", nil, "sh", "-c", filler)
	if r.code != 137 || !strings.HasPrefix(r.stderr, "aod: the sprite's disk is full: ") || !strings.HasSuffix(r.stderr, " of 32 MiB are used; remove files through the file API or destroy it\n") {
		t.Errorf("exit %d, %v: %q", r.code, r.err, r.stderr)
	}
	refused := func(what string, err error) {
		t.Helper()
		if api := apiError(err); api == nil || api.StatusCode != http.StatusInsufficientStorage || api.ErrorCode != "disk_full" || !strings.Contains(api.Message, "of 32 MiB are used") {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("exec", m.run(t.Context(), "filled", nil, "true").err)
	if status, text := m.request(t, "PUT", "/v1/sprites/filled/fs/write?path=/workspace/x", "text", token); status != http.StatusInsufficientStorage || !strings.Contains(text, `"error":"disk_full"`) {
		t.Errorf("write: %d %s", status, text)
	}
	if got := m.sh(t, "roomy", "echo well > /workspace/f; cat /workspace/f"); got != "well\n" {
		t.Errorf("the other Sprite says %q", got)
	}
	if err := m.client.Sprite("filled").Filesystem().RemoveAll("/workspace/many"); err != nil {
		t.Fatal(err)
	}
	if got := m.sh(t, "filled", processes+"; echo here > /workspace/x; cat /workspace/x"); count(got, "sleep 4720") != 0 || count(got, "here") != 1 {
		t.Errorf("afterwards: %s", got)
	}
	if err := fsys.WriteFile("/workspace/y", bytes.Repeat([]byte("y"), 1<<20), 0o644); err != nil {
		t.Error(err)
	}
	// What clients write counts at once, and is refused by its length.
	var err error
	written := 0
	for ; err == nil && written < 40; written++ {
		err = fsys.WriteFile("/workspace/z"+string(rune('a'+written)), bytes.Repeat([]byte("z"), 4<<20), 0o644)
	}
	if written < 5 || written > 8 {
		t.Errorf("%d writes of 4 MiB went into 32 MiB: %v", written, err)
	}
	if err := fsys.RemoveAll("/workspace/za"); err != nil {
		t.Error(err)
	}
	if err := fsys.WriteFile("/workspace/zz", bytes.Repeat([]byte("z"), 1<<20), 0o644); err != nil {
		t.Errorf("after a removal: %v", err)
	}
}

// Processes that have killed their supervisor are watched all the same.
func TestStraysDoNotFillTheDisk(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.Disk = diskLimit
	m := openWith(t, opts)
	m.create(t, "stray")
	m.run(t.Context(), "stray", nil, "sh", "-c", `mkdir /workspace/d; (i=0; while head -c 200k /dev/zero > /workspace/d/$i; do i=$((i+1)); sleep 0.01; done) > /dev/null 2>&1 & kill -9 $PPID`)
	waitCold(t, m, "stray")
	if u, err := disk.Load(filepath.Join(opts.Dir, "stray")); err != nil || !u.Full || u.Bytes > 10*diskLimit {
		t.Errorf("usage %+v %v", u, err)
	}
}

func TestAllSpritesTogetherStayBelowTheTotal(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.AllDisk = 8 << 20
	m := openWith(t, opts)
	m.create(t, "one")
	fsys := m.client.Sprite("one").Filesystem()
	if err := fsys.WriteFile("/workspace/f", bytes.Repeat([]byte("f"), 9<<20), 0o644); err == nil || !strings.Contains(err.Error(), "disk_full") {
		t.Errorf("write above the total: %v", err)
	}
	if err := fsys.WriteFile("/workspace/f", bytes.Repeat([]byte("f"), 7<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	m.sh(t, "one", "head -c 2M /dev/zero > /workspace/g; sync -f /workspace/g")
	m.until(t, "the total is never reached", func() bool {
		status, text := m.request(t, "POST", "/v1/sprites", `{"name":"two"}`, token)
		if status == http.StatusCreated {
			if err := m.client.DeleteSprite(t.Context(), "two"); err != nil {
				t.Fatal(err)
			}
			return false
		}
		return status == http.StatusInsufficientStorage && strings.Contains(text, "all sprites of this machine use")
	})
	r := m.run(t.Context(), "one", nil, "true")
	if api := apiError(r.err); api == nil || api.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("exec: %v", r.err)
	}
	sizes, err := m.Sizes()
	if err != nil || sizes["one"] < 8<<20 {
		t.Errorf("sizes: %v %v", sizes, err)
	}
	if err := m.client.DeleteSprite(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	m.until(t, "there is no room after a destroy", func() bool {
		status, _ := m.request(t, "POST", "/v1/sprites", `{"name":"two"}`, token)
		return status == http.StatusCreated
	})
}

// A tree that is deeper than files may be open goes with its Sprite.
func TestDestroyReachesTheBottom(t *testing.T) {
	t.Parallel()
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	levels := min(int(files.Cur)+100, 30000)
	m := open(t)
	m.create(t, "deep")
	m.sh(t, "deep", "cd /workspace && perl -e 'for (1.."+strconv.Itoa(levels)+") { mkdir q(d) and chdir q(d) or die $! }' && chmod 0 /workspace")
	if err := m.client.DeleteSprite(t.Context(), "deep"); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(m.opts.Dir, ".trash/*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// until polls with a deadline.
func (m *machine) until(t *testing.T, otherwise string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

// Sprites leave room for the machine: whoever grows into it is stopped, and nobody else starts.
func TestSpritesLeaveDiskSpaceToTheMachine(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // it takes a small file system
	}
	opts := options(t)
	if err := unix.Mount("tmpfs", opts.Dir, "tmpfs", 0, "mode=0755,size=1072m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(opts.Dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	m := openWith(t, opts)
	m.create(t, "greedy")
	r := m.run(t.Context(), "greedy", nil, "sh", "-c", `i=0; while head -c 200k /dev/zero > /workspace/$i; do i=$((i+1)); sleep 0.005; done; sleep 1000`)
	if r.code != 137 || !strings.HasPrefix(r.stderr, "aod: the file system of the sprites has ") {
		t.Errorf("exit %d, %v: %q", r.code, r.err, r.stderr)
	}
	r = m.run(t.Context(), "greedy", nil, "true")
	if api := apiError(r.err); api == nil || api.StatusCode != http.StatusInsufficientStorage || !strings.Contains(api.Message, "are kept free") {
		t.Errorf("exec: %v", r.err)
	}
	if space, err := disk.SpaceOf(opts.Dir); err != nil || space.Free < 800<<20 {
		t.Errorf("free: %+v %v", space, err)
	}
	if err := m.client.DeleteSprite(t.Context(), "greedy"); err != nil {
		t.Fatal(err)
	}
	m.create(t, "modest")
}

// What earlier hosts left behind is gone when the next one opens.
func TestOpenRemovesWhatIsDead(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.Skeleton = "" // one of its own
	m := openWith(t, opts)
	m.create(t, "alive")
	m.sh(t, "alive", "echo kept > /workspace/f")
	for _, dir := range []string{"half-made/root/x", ".trash/dead.1/root/y", ".skeleton.new/usr"} {
		if err := os.MkdirAll(filepath.Join(opts.Dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	second, err := local.Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(ctx); err != nil {
		t.Error(err)
	}
	for _, pattern := range []string{"half-made", ".trash/*", ".skeleton.new"} {
		if left, err := filepath.Glob(filepath.Join(opts.Dir, pattern)); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
	if got := m.sh(t, "alive", "cat /workspace/f"); got != "kept\n" {
		t.Errorf("the living Sprite says %q", got)
	}
	var u disk.Usage
	m.until(t, "its usage is never noted", func() bool {
		b, err := os.ReadFile(filepath.Join(opts.Dir, "alive", "usage.json"))
		return err == nil && json.Unmarshal(b, &u) == nil && u.Bytes > 0
	})
}
