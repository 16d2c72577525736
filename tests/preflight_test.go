package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Where Sprites cannot run, sessions are refused with the reason and the command that
// helps, doctor says the same, and what is put right is noticed without a restart.
func TestSessionsAreRefusedWhereSpritesCannotRun(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	private := filepath.Join(dir, "aod")
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(private, text, 0o755); err != nil {
		t.Fatal(err)
	}
	doctor := func() (string, error) {
		out, err := exec.Command(private, "doctor", "--data-dir", dir).CombinedOutput()
		return string(out), err
	}
	healthy := func() {
		t.Helper()
		if out, err := doctor(); err != nil || !strings.Contains(out, "database   ok      ") || !strings.Contains(out, "sprites    ok      one ran a command on this machine, in ") {
			t.Errorf("doctor: %v\n%s", err, out)
		}
	}
	healthy()
	if os.Geteuid() != 0 {
		return // what follows is about root's Sprites, which run under other ids
	}
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	a := spawnBinary(t, private, dir, os.Getuid())
	want := "cannot start the sprite: make namespaces: fork/exec /proc/self/exe: permission denied. The server's binary must be executable by everyone; allow it with: chmod 755 " + private
	agent := a.shell()
	a.promise("7.1 no session is made where the backend is not available", func(a *api) {
		a.in(agent, "true", "").detail(503, "Session backend is not available: "+want)
		a.in(nobodys, "true", "").detail(404, "Agent not found")
		if got := a.get("/sessions").data(); len(got) != 0 {
			a.t.Errorf("there is %s", got)
		}
	})
	if out, err := doctor(); err == nil || !strings.Contains(out, "sprites    failed  "+want+"\n") || !strings.Contains(out, "database   ok      ") {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	for range 20 {
		if got := a.get("/readyz").want(503); got.body != unableBody {
			t.Errorf("got %s", got.body)
		}
	}
	if err := os.Chmod(private, 0o755); err != nil {
		t.Fatal(err)
	}
	a.ready() // without anybody asking for a session
	waitFor(t, "sessions are still refused", func() bool { return a.in(agent, "true", "").status == 202 })
	healthy()
	a.endSessions()
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if log := a.log(); !strings.Contains(log, `"msg":"sessions cannot run","error":"`+want) {
		t.Errorf("the log does not say so: %s", log)
	}
}
