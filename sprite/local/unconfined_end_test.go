package local_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/superfly/sprites-go"
)

// living lists the host's processes that were started in the Sprite: they have its home in their environment.
func (m *machine) living(t *testing.T, sprite string) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, dir := range dirs {
		env, err := os.ReadFile(dir + "/environ") // of others, and of the dead, it cannot be read
		if err == nil && strings.Contains("\x00"+string(env), "\x00HOME="+m.Home(sprite)+"\x00") {
			line, _ := os.ReadFile(dir + "/cmdline")
			out = append(out, filepath.Base(dir)+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return out
}

// allGone waits until nothing of the Sprite lives.
func (m *machine) allGone(t *testing.T, sprite string, within time.Duration) {
	t.Helper()
	began := time.Now()
	for {
		left := m.living(t, sprite)
		if len(left) == 0 {
			t.Logf("all gone after %v", time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Since(began) > within {
			t.Fatalf("after %v there are still %q", within, left)
		}
	}
}

// ended waits until a process is over.
func ended(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for alive(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives on", pid)
		}
	}
}

func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func shimPid(t *testing.T, m *machine, sprite string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.opts.Dir, sprite, "shim.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), `"shim":{"pid":`)
	digits, _, _ := strings.Cut(rest, ",")
	pid, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// daemons leaves 20 processes behind that have left their session and their parent, and two that hop from child to child, one of them to a new session
// with every hop.
const daemons = "for i in $(seq 20); do (setsid sleep 1000 > /dev/null 2>&1 < /dev/null &); done; hop() { (hop &) }; setsid bash -c \"$(declare -f hop); hop\" > /dev/null 2>&1 < /dev/null & " +
	"perl -e 'use POSIX; while (1) { exit if fork; setsid }' > /dev/null 2>&1 < /dev/null & sleep 0"

// crowd makes a Sprite full of processes.
func (m *machine) crowd(t *testing.T, sprite string) {
	t.Helper()
	m.create(t, sprite)
	if r := m.run(t.Context(), sprite, nil, "bash", "-c", daemons); r.err != nil || r.code != 0 {
		t.Fatalf("%+v", r)
	}
	deadline := time.Now().Add(patience)
	for {
		all := m.living(t, sprite)
		if len(all) > 20 && slices.ContainsFunc(all, func(line string) bool { return strings.Contains(line, "hop") }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no hopper, or less than 20 daemons: %q", all)
		}
	}
}

func destroyEndsAll(t *testing.T, m *machine) {
	m.create(t, "bystander")
	m.sh(t, "bystander", "setsid sleep 1000 > /dev/null 2>&1 &")
	for range 5 {
		m.crowd(t, "crowd")
		pids := []int{shimPid(t, m, "crowd"), initPid(t, m, "crowd")}
		began := time.Now()
		if err := m.client.DeleteSprite(t.Context(), "crowd"); err != nil {
			t.Fatal(err)
		}
		t.Logf("destroyed in %v", time.Since(began).Round(time.Millisecond))
		if left := m.living(t, "crowd"); len(left) > 0 {
			t.Fatalf("still there: %q", left)
		}
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("process %d lives", pid)
			}
		}
	}
	if n := len(m.living(t, "bystander")); n != 1 {
		t.Errorf("another Sprite has %d processes", n)
	}
}

func killEndsTree(t *testing.T, m *machine) {
	m.create(t, "tree")
	m.sh(t, "tree", "setsid sleep 1001 > /dev/null 2>&1 &")
	ready := newWatcher("ready\n")
	cmd, _, _, err := m.start(t.Context(), "tree", func(c *sprites.Cmd) { c.Stdout = ready }, "bash", "-c", daemons+"; echo ready; sleep 1000")
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	_ = cmd.Signal("KILL") // the answer may be the end already
	_ = cmd.Wait()
	if cmd.ExitCode() != 137 {
		t.Errorf("exit %d", cmd.ExitCode())
	}
	deadline := time.Now().Add(patience)
	for {
		left := m.living(t, "tree")
		if len(left) == 1 && strings.HasSuffix(left[0], " sleep 1001 ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("there are %q", left)
		}
	}
}

func shimDeathEndsAll(t *testing.T, m *machine) {
	m.crowd(t, "shim")
	// These have only the init to look after them: they have ended their supervisor.
	m.run(t.Context(), "shim", nil, "bash", "-c", daemons+"; kill -9 $PPID")
	init := initPid(t, m, "shim")
	if err := syscall.Kill(shimPid(t, m, "shim"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.allGone(t, "shim", patience)
	ended(t, init)
	if got := m.sh(t, "shim", "echo again"); got != "again\n" {
		t.Errorf("got %q", got)
	}
}

func initDeathEndsAll(t *testing.T, m *machine) {
	m.crowd(t, "init")
	m.run(t.Context(), "init", nil, "bash", "-c", daemons+"; kill -9 $PPID")
	shim := shimPid(t, m, "init")
	if err := syscall.Kill(initPid(t, m, "init"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.allGone(t, "init", patience)
	ended(t, shim)
	if got := m.sh(t, "init", "echo again"); got != "again\n" {
		t.Errorf("got %q", got)
	}
}

func bothDeaths(t *testing.T, m *machine) {
	m.crowd(t, "both")
	shim, init := shimPid(t, m, "both"), initPid(t, m, "both")
	for _, blow := range []struct {
		pid int
		sig syscall.Signal
	}{{shim, syscall.SIGSTOP}, {init, syscall.SIGKILL}, {shim, syscall.SIGKILL}} {
		if err := syscall.Kill(blow.pid, blow.sig); err != nil {
			t.Fatal(err)
		}
	}
	m.allGone(t, "both", patience)
}

func stoppedInit(t *testing.T, m *machine) {
	m.crowd(t, "stopped")
	if err := syscall.Kill(initPid(t, m, "stopped"), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := m.client.DeleteSprite(t.Context(), "stopped"); err != nil {
		t.Fatal(err)
	}
	if left := m.living(t, "stopped"); len(left) > 0 {
		t.Fatalf("still there: %q", left)
	}
}
