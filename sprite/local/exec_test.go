package local_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/superfly/sprites-go"
)

func TestOutputAndExitCodeArrive(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "one")
	r := m.run(t.Context(), "one", nil, "sh", "-c", "echo out; echo err >&2; exit 7")
	if r.err != nil || r.stdout != "out\n" || r.stderr != "err\n" || r.code != 7 {
		t.Fatalf("%+v", r)
	}
	for script, code := range map[string]int{"kill -KILL $$": 137, "kill -TERM $$": 143, "exit 255": 255, "true": 0} {
		if r := m.run(t.Context(), "one", nil, "sh", "-c", script); r.code != code || r.err != nil {
			t.Errorf("%s: %+v", script, r)
		}
	}
}

func TestStandardInputArrivesAndEnds(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "in")
	input := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	r := m.run(t.Context(), "in", func(c *sprites.Cmd) { c.Stdin = bytes.NewReader(input) }, "sha256sum")
	if want := fmt.Sprintf("%x  -\n", sha256.Sum256(input)); r.stdout != want || r.code != 0 {
		t.Errorf("%+v, want %s", r, want)
	}
	if r := m.run(t.Context(), "in", nil, "cat"); r.code != 0 || r.stdout != "" {
		t.Errorf("without input: %+v", r)
	}
	// A program that does not read its input can still end. It takes its time, because the SDK must not be writing at the exit.
	if r := m.run(t.Context(), "in", func(c *sprites.Cmd) { c.Stdin = bytes.NewReader(input) }, "sh", "-c", "sleep 0.5; exit 3"); r.code != 3 {
		t.Errorf("unread input: %+v", r)
	}
}

func TestMuchOutputIsComplete(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "much")
	r := m.run(t.Context(), "much", nil, "sh", "-c", "seq 1 700000; seq 1 100000 >&2")
	var want strings.Builder
	for i := 1; i <= 700000; i++ {
		fmt.Fprintln(&want, i)
	}
	if r.code != 0 || r.stdout != want.String() || strings.Count(r.stderr, "\n") != 100000 {
		t.Fatalf("exit %d, %v, %d and %d bytes", r.code, r.err, len(r.stdout), len(r.stderr))
	}
}

// A daemon that keeps the output open does not hold the exit back, and nothing that the command itself wrote is lost.
func TestDaemonsDoNotHoldTheExit(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "daemon")
	r := m.run(t.Context(), "daemon", nil, "sh", "-c", "sleep 1000 & head -c 300000 /dev/zero; exit 4")
	if r.code != 4 || len(r.stdout) != 300000 {
		t.Fatalf("exit %d, %v, %d bytes", r.code, r.err, len(r.stdout))
	}
	list := m.sessions(t, "daemon")
	if len(list) != 1 || list[0].IsActive {
		t.Fatalf("the daemon's session is not listed as over: %+v", list)
	}
}

func TestEnvironmentAndDirectory(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "env")
	if got := m.sh(t, "env", "pwd; echo $HOME $IS_SANDBOX $PATH; cd /workspace && touch x"); got != "/home/sprite\n/home/sprite 1 "+
		"/.sprite/bin:/home/sprite/.local/bin:/home/sprite/.cargo/bin:/home/sprite/go/bin:/opt/aod/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin\n" {
		t.Errorf("defaults: %s", got)
	}
	r := m.run(t.Context(), "env", func(c *sprites.Cmd) { c.Env = []string{"A=1", "B=two words"}; c.Dir = "/tmp" }, "/usr/bin/env")
	if r.stdout != "A=1\nB=two words\n" {
		t.Errorf("given environment: %q", r.stdout)
	}
	r = m.run(t.Context(), "env", func(c *sprites.Cmd) { c.Dir = "/tmp" }, "pwd")
	if r.stdout != "/tmp\n" {
		t.Errorf("given directory: %q", r.stdout)
	}
	for want, prepare := range map[string]func(*sprites.Cmd){
		"directory_not_found":  func(c *sprites.Cmd) { c.Dir = "/no/such" },
		"executable_not_found": func(c *sprites.Cmd) { c.Env = []string{"PATH=/none"} },
	} {
		r := m.run(t.Context(), "env", prepare, "ls")
		if api := apiError(r.err); api == nil || api.StatusCode != 400 || api.ErrorCode != want {
			t.Errorf("%s: %v", want, r.err)
		}
	}
}

func TestSignalsReachTheCommand(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "sig")
	ready := newWatcher("ready\n")
	cmd, _, _, err := m.start(t.Context(), "sig", func(c *sprites.Cmd) { c.Stdout = ready },
		"sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done")
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	_ = cmd.Signal("USR1") // the SDK reports an error when the command ends faster than its writer
	_ = cmd.Wait()
	if cmd.ExitCode() != 9 {
		t.Fatalf("exit %d", cmd.ExitCode())
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "tty")
	ready := newWatcher("go")
	in, feed := io.Pipe()
	cmd, _, _, err := m.start(t.Context(), "tty", func(c *sprites.Cmd) {
		c.SetTTY(true)
		if err := c.SetTTYSize(40, 132); err != nil {
			t.Error(err)
		}
		c.Stdin, c.Stdout = in, ready
	}, "sh", "-c", "tty; stty size; trap 'stty size; exit 5' WINCH; printf g; printf 'o\\n'; while :; do sleep 0.05; done")
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	if err := cmd.SetTTYSize(50, 100); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ready.String(); cmd.ExitCode() != 5 || got != "/dev/pts/0\r\n40 132\r\ngo\r\n50 100\r\n" {
		t.Fatalf("exit %d: %q", cmd.ExitCode(), got)
	}
}

func TestKillEndsDoubleForkedDaemons(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "tree")
	ready := newWatcher("ready\n")
	cmd, _, _, err := m.start(t.Context(), "tree", func(c *sprites.Cmd) { c.Stdout = ready },
		"sh", "-c", "for i in 1 2 3 4 5; do setsid sh -c 'setsid sleep 4711 & setsid sleep 4711 &' & done; wait; echo ready; sleep 4711")
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	if n := count(m.sh(t, "tree", processes), "sleep 4711"); n != 11 {
		t.Fatalf("%d of 11 sleepers", n)
	}
	_ = cmd.Signal("KILL") // as above
	_ = cmd.Wait()
	if cmd.ExitCode() != 137 {
		t.Errorf("exit %d", cmd.ExitCode())
	}
	m.gone(t, "tree", "sleep 4711")
}

func TestKillByID(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "byid")
	ready := newWatcher("ready\n")
	cmd, _, _, err := m.start(t.Context(), "byid", func(c *sprites.Cmd) { c.Stdout = ready }, "sh", "-c", "trap '' TERM; echo ready; sleep 4712; sleep 4712")
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	id := m.sessions(t, "byid")[0].ID
	if status, body := m.post(t, "/v1/sprites/byid/exec/"+id+"/kill?signal=SIGTERM&timeout=50ms"); status != 200 ||
		!strings.Contains(body, `"killed"`) || !strings.Contains(body, `"exit_code":137`) {
		t.Errorf("%d %s", status, body)
	}
	_ = cmd.Wait()
	if cmd.ExitCode() != 137 {
		t.Errorf("exit %d", cmd.ExitCode())
	}
	for path, want := range map[string]int{"/exec/" + id + "/kill": 410, "/exec/none/kill": 404, "/exec/" + id + "/kill?signal=NONE": 400, "/control": 404, "/services": 501} {
		if status, body := m.post(t, "/v1/sprites/byid"+path); status != want || !strings.Contains(body, `"error"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// A command without a terminal ends some time after its client has left; its linger time is part of the protocol.
func TestDisconnectedCommandIsKilled(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "left")
	ready := newWatcher("ready\n")
	holder := &connection{}
	ctx := context.WithValue(t.Context(), holderKey{}, holder)
	cmd, _, _, err := m.startQuery(ctx, "left", "max_run_after_disconnect=50ms",
		func(c *sprites.Cmd) { c.Stdout = ready }, "sh", "-c", "echo ready; sleep 4713")
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	m.gone(t, "left", "sleep 4713")
}

func TestManyExecsAtOnce(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "many")
	var group sync.WaitGroup
	for i := range 30 {
		group.Go(func() {
			r := m.run(t.Context(), "many", nil, "sh", "-c", fmt.Sprintf("seq 1 5000; exit %d", i))
			if r.code != i || strings.Count(r.stdout, "\n") != 5000 {
				t.Errorf("exec %d: exit %d, %v, %d bytes", i, r.code, r.err, len(r.stdout))
			}
		})
	}
	group.Wait()
}
