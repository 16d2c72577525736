package local_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local"
	"github.com/agent-on-demand/aod/sprite/local/shim"
	"github.com/superfly/sprites-go"
)

// What a host promises of Sprites that it does not isolate.
func TestUnconfined(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.Isolation = local.None
	tools := t.TempDir()
	opts.Shares = []local.Share{{Source: tools, Target: "/opt/aod"}}
	m := openWith(t, opts)
	for _, c := range []struct {
		name  string
		check func(*testing.T, *machine)
	}{
		{"commands find their place", func(t *testing.T, m *machine) { findTheirPlace(t, m, tools) }},
		{"a network policy is refused", refusePolicy},
		{"destroying ends everything", destroyEndsAll},
		{"killing an exec ends what it has started", killEndsTree},
		{"the death of the shim ends everything", shimDeathEndsAll},
		{"the death of the init ends everything", initDeathEndsAll},
		{"supervisors end what is theirs when shim and init are dead", bothDeaths},
		{"a stopped init does not hold the destruction", stoppedInit},
		{"it outlives the host and goes cold", outliveAndCool},
		{"no Sprite changes its isolation", keepIsolation},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, m) })
	}
}

func findTheirPlace(t *testing.T, m *machine, tools string) {
	m.create(t, "place")
	home := m.Home("place")
	root := strings.TrimSuffix(home, shim.Home)
	if want := filepath.Join(m.opts.Dir, "place", "root"); root != want {
		t.Fatalf("home %s", home)
	}
	path := strings.TrimSuffix(root, "root") + "sprite/bin:" + home + "/.local/bin:" + home + "/.cargo/bin:" + home + "/go/bin:" + tools + "/bin:"
	want := fmt.Sprintf("%d\n%s\n%s\n%s/tmp\n%s/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin\n", os.Geteuid(), home, home, root, path)
	if got := m.sh(t, "place", `id -u; pwd; echo $HOME; echo $TMPDIR; echo $PATH; touch $TMPDIR/t`); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if r := m.run(t.Context(), "place", nil, "bash", "-lc", "echo $PATH"); !strings.HasPrefix(r.stdout, path) {
		t.Errorf("a login shell's PATH: %+v", r)
	}
	files := m.client.Sprite("place").Filesystem()
	for _, name := range []string{"/home/sprite/a/tool", "/workspace/w"} {
		if err := files.WriteFile(name, []byte("#!/bin/sh\npwd\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.sh(t, "place", "ls $HOME/a ../../workspace ../../tmp; echo b > b"); got != "../../tmp:\nt\n\n../../workspace:\nw\n\n"+home+"/a:\ntool\n" {
		t.Errorf("got %s", got)
	}
	if b, err := fs.ReadFile(files, "/home/sprite/b"); err != nil || string(b) != "b\n" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := fs.ReadFile(files, "/usr/bin/env"); err == nil {
		t.Error("a layered path was read")
	}
	for dir, want := range map[string]string{
		"/workspace": root + "/workspace", "/home/sprite/a": home + "/a", "a": home + "/a", "/tmp": "/tmp", "/usr": "/usr",
	} {
		r := m.run(t.Context(), "place", func(c *sprites.Cmd) { c.Dir = dir }, "/home/sprite/a/tool")
		if r.stdout != want+"\n" {
			t.Errorf("in %s: %+v, want %s", dir, r, want)
		}
	}
	if r := m.run(t.Context(), "place", func(c *sprites.Cmd) { c.Dir = "/workspaces" }, "pwd"); r.err == nil || !strings.Contains(r.err.Error(), "no such directory: /workspaces") {
		t.Errorf("%+v", r)
	}
	if r := m.run(t.Context(), "place", func(c *sprites.Cmd) { c.SetTTY(true) }, "sh", "-c", "test -t 0 && tty"); !strings.HasPrefix(r.stdout, "/dev/pts/") {
		t.Errorf("with a terminal: %+v", r)
	}
	if r := m.run(t.Context(), "place", nil, "sh", "-c", "cat /proc/self/oom_score_adj"); r.stdout != "500\n" {
		t.Errorf("oom score: %+v", r)
	}
}

func refusePolicy(t *testing.T, m *machine) {
	m.create(t, "policy")
	for body, want := range map[string]int{`{"rules":[]}`: 204, `{"rules":[{"domain":"x.test","action":"allow"}]}`: 501} {
		status, text := m.request(t, "POST", "/v1/sprites/policy/policy/network", body, token)
		if status != want || status == 501 && !strings.Contains(text, "isolation of local sprites is none: a network policy cannot be enforced") {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
}

func outliveAndCool(t *testing.T, m *machine) {
	opts := m.opts
	opts.Dir = t.TempDir()
	opts.Idle = 300 * time.Millisecond // long enough to be asked something after a start
	first, err := local.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	old := &machine{Host: first, opts: opts, reach: first.DialContext}
	if status, text := old.request(t, "POST", "/v1/sprites", `{"name":"stay"}`, token); status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	old.sh(t, "stay", "echo kept > f; setsid sleep 1000 > /dev/null 2>&1 &")
	init := initPid(t, old, "stay")
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := openWith(t, opts)
	if got := second.sh(t, "stay", "cat f"); got != "kept\n" || len(second.living(t, "stay")) != 1 || initPid(t, second, "stay") != init {
		t.Errorf("it did not stay: %q %q", got, second.living(t, "stay"))
	}
	daemon, _, _ := strings.Cut(second.living(t, "stay")[0], " ")
	second.sh(t, "stay", "kill "+daemon)
	waitCold(t, second, "stay")
	ended(t, init)
	if got := second.sh(t, "stay", "cat f"); got != "kept\n" {
		t.Errorf("after the cold: %q", got)
	}
}

func keepIsolation(t *testing.T, m *machine) {
	for _, c := range []struct{ before, after local.Isolation }{{local.None, local.Namespaces}, {local.Namespaces, local.None}} {
		opts := m.opts
		opts.Dir = t.TempDir()
		opts.Isolation = c.before
		first, err := local.Open(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		old := &machine{Host: first, opts: opts, reach: first.DialContext}
		if status, text := old.request(t, "POST", "/v1/sprites", `{"name":"kept"}`, token); status != 201 {
			t.Fatalf("%d %s", status, text)
		}
		if err := first.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		opts.Isolation = c.after
		second := openWith(t, opts)
		want := fmt.Sprintf("this sprite was made with isolation %s, and its host has isolation %s now: destroy it, or start a new session", c.before, c.after)
		if r := second.run(t.Context(), "kept", nil, "true"); r.err == nil || !strings.Contains(r.err.Error(), want) {
			t.Errorf("%+v", r)
		}
		if err := second.client.DeleteSprite(t.Context(), "kept"); err != nil {
			t.Error(err)
		}
	}
	if _, err := local.Open(t.Context(), local.Options{Dir: t.TempDir(), Isolation: "some"}); err == nil {
		t.Error("an unknown isolation was accepted")
	}
}
