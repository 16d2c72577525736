package local_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local"
)

// userDir tells the test, started again as an ordinary user, which folder is its own.
const userDir = "AOD_TEST_USER_DIR"

// TestOrdinaryUser runs the same things where the host is an ordinary user, as whom it starts itself again.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		ordinaryUser(t)
		return
	}
	const uid = 54321
	dir, err := os.MkdirTemp("", "aod-user-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	binary := filepath.Join(dir, "local.test")
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.run=^TestOrdinaryUser$", "-test.v")
	cmd.Dir = dir
	cmd.Env = []string{userDir + "=" + dir, "TMPDIR=" + dir, "PATH=/usr/bin:/bin", "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestOrdinaryUser") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func ordinaryUser(t *testing.T) {
	opts := options(t)
	opts.Idle = time.Second
	opts.Processes = 100
	// The SDK's global dialer has this one client here, so plain use is safe.
	m := openWith(t, opts)
	m.create(t, "user")
	if got := m.sh(t, "user", "id -u; pwd; touch /workspace/x && echo mine > /usr/local/bin/tool && chown 5:5 /workspace/x && cat /usr/local/bin/tool"); got != "0\n/home/sprite\nmine\n" {
		t.Errorf("inside: %q", got)
	}
	r := m.run(t.Context(), "user", nil, "sh", "-c", isolation, "sh", opts.Dir, os.Args[0], "/work")
	// The only id of the Sprite is the user's own, so "root of the host" is the one line that does not apply.
	if r.code != 0 || r.stdout != "" {
		t.Errorf("exit %d, %v:\n%s%s", r.code, r.err, r.stdout, r.stderr)
	}
	fsys := m.client.Sprite("user").Filesystem()
	if err := fsys.WriteFile("/workspace/d/f", []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
	if got := m.sh(t, "user", "stat -c '%a %u' /workspace/d/f; mkdir -p /workspace/ro/sub && chmod 0 /workspace/ro/sub && chmod 0555 /workspace/ro"); got != "600 0\n" {
		t.Errorf("file: %q", got)
	}
	if err := m.client.DeleteSprite(t.Context(), "user"); err != nil {
		t.Error(err)
	}
	forkBomb(t, m)
	if left, err := filepath.Glob(filepath.Join(opts.Dir, "user")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := local.Open(t.Context(), local.Options{Dir: opts.Dir, Shares: []local.Share{{Source: filepath.Dir(opts.Dir), Target: "/opt/x"}}}); err == nil {
		t.Error("a share with the sprites in it was accepted")
	}
}
