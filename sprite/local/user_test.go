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

// ordinary is the user as whom root runs every test of this package once more.
const ordinary = 54321

// TestOrdinaryUser runs all tests where the host is an ordinary user, as whom it starts the binary again.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // these are they
	}
	t.Parallel()
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
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", self, binary).CombinedOutput(); err != nil { // written here, it would be open in whatever is forked meanwhile
		t.Fatalf("%v: %s", err, out)
	}
	suppressions := filepath.Join(dir, "race.suppressions")
	b, err := os.ReadFile("../../tests/race.suppressions")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(suppressions, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, ordinary, ordinary); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.v", "-test.parallel=4")
	cmd.Dir = dir
	cmd.Env = []string{"TMPDIR=" + dir, "PATH=/usr/bin:/bin", "HOME=" + dir, "GORACE=suppressions=" + suppressions}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinary, Gid: ordinary}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\nPASS\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "--- ") {
			t.Log("as an ordinary user:", strings.TrimSpace(line))
		}
	}
}

func TestSharesDoNotShowTheSprites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := local.Open(t.Context(), local.Options{Dir: filepath.Join(dir, "sprites"), Shares: []local.Share{{Source: dir, Target: "/opt/x"}}}); err == nil {
		t.Error("a share with the sprites in it was accepted")
	}
}

// What a Sprite makes hard to remove is removed all the same.
func TestStubbornFoldersAreRemoved(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "stubborn")
	m.sh(t, "stubborn", "mkdir -p /workspace/ro/sub && chmod 0 /workspace/ro/sub && chmod 0555 /workspace/ro")
	if err := m.client.DeleteSprite(t.Context(), "stubborn"); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(m.opts.Dir, "stubborn")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}
