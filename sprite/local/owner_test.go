package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local"
	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// A second shim of a Sprite waits for the first one's end, and touches nothing until then.
func TestASpriteHasOneShim(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "owned")
	first, init := pids(t, m, "owned")
	b, err := os.ReadFile(filepath.Join(m.opts.Dir, "owned", "sprite.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rec struct{ Base int }
	if err := json.Unmarshal(b, &rec); err != nil {
		t.Fatal(err)
	}
	s := shim.NewStarter("/proc/self/exe")
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = s.Start(ctx, shim.Config{Name: "owned", Dir: filepath.Join(m.opts.Dir, "owned"), Base: rec.Base, Skeleton: skeleton, Idle: time.Minute})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second shim: %v", err)
	}
	if got := m.sh(t, "owned", "echo well"); got != "well\n" {
		t.Errorf("%q", got)
	}
	if s, i := pids(t, m, "owned"); s != first || i != init {
		t.Errorf("shim %d and init %d became %d and %d", first, init, s, i)
	}
}

// noNamespaces makes the test binary one that may make no user namespaces.
const noNamespaces = "AOD_TEST_NO_NAMESPACES"

// Where there are no namespaces nothing runs at all, and the error says what helps.
func TestNothingRunsWithoutNamespaces(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(noNamespaces); dir != "" {
		withoutNamespaces(t, dir)
		return
	}
	open(t).create(t, "first") // the skeleton is there then
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestNothingRunsWithoutNamespaces$", "-test.v")
	cmd.Env = append(os.Environ(), noNamespaces+"="+t.TempDir(), hostSkeleton+"="+skeleton)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestNothingRunsWithoutNamespaces") {
		t.Errorf("%v\n%s", err, out)
	}
}

func withoutNamespaces(t *testing.T, dir string) {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	opts := options(t)
	opts.Dir, opts.Skeleton = filepath.Join(dir, "sprites"), os.Getenv(hostSkeleton)
	h, err := local.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{Host: h, opts: opts, reach: h.DialContext}
	status, text := m.request(t, "POST", "/v1/sprites", `{"name":"never"}`, token)
	const want = "User namespaces are switched off; allow them with: sysctl -w user.max_user_namespaces=65536"
	if status != 503 || !strings.Contains(text, "cannot start the sprite: make namespaces: ") || !strings.Contains(text, want) {
		t.Errorf("%d %s", status, text)
	}
	if left, err := filepath.Glob(filepath.Join(opts.Dir, "never")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
