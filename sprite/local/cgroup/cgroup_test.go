package cgroup

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Who is allowed to make groups has started processes in them, with the limits in force, and nothing is left after Remove.
func TestProcessesStartInsideOfTheirGroup(t *testing.T) {
	t.Parallel()
	h := Find()
	if os.Geteuid() != 0 {
		if g, err := (Home{}).Make("none", Limits{}); g != nil || err != nil {
			t.Errorf("a group without a home: %v %v", g, err)
		}
		return
	}
	if len(h.bases) == 0 {
		t.Fatalf("root has no groups here: %s", h)
	}
	name := "test-" + strconv.Itoa(os.Getpid())
	g, err := h.Make(name, Limits{Memory: 64 << 20, CPUs: 0.5, Processes: 20})
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("sh", "-c", "cat /proc/self/cgroup; sleep 1000 & echo; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(cmd); err != nil {
		t.Fatal(err)
	}
	var groups strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != ""; {
		groups.WriteString(lines.Text() + "\n")
	}
	for _, c := range controllers {
		if own := parseMemberships(groups.String())[c]; h.version == 1 && h.Has(c) && !strings.HasSuffix(own, "/aod/"+name) {
			t.Errorf("the process is in group %s of %s", own, c)
		}
	}
	me, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil || strings.Contains(string(me), name) {
		t.Errorf("the thread that started it is in %s %v", me, err)
	}
	limits := map[string]string{"memory.limit_in_bytes": "67108864", "cpu.cfs_quota_us": "50000", "pids.max": "20"}
	if h.version == 2 {
		limits = map[string]string{"memory.max": "67108864", "cpu.max": "50000 100000", "pids.max": "20"}
	}
	for file, want := range limits {
		found := false
		for _, dir := range g.dirs {
			if b, err := os.ReadFile(filepath.Join(dir, file)); err == nil {
				found = strings.TrimSpace(string(b)) == want
			}
		}
		if !found {
			t.Errorf("%s is not %s", file, want)
		}
	}
	if names := h.Names("test-" + strconv.Itoa(os.Getpid())); len(names) != 1 {
		t.Errorf("groups: %v", names)
	}
	go func() { _ = cmd.Wait() }() // nothing else reaps it, and a zombie holds its group
	if err := h.Remove(name); err != nil {
		t.Error(err)
	}
	for _, dir := range g.dirs {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is left", dir)
		}
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// What is special about version 2 works in a hierarchy without controllers as well.
func TestVersion2StartsAndKillsInOneStep(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // the way of root; an ordinary user has groups only by systemd
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range parseMounts(string(text)) {
		if m.kind != "cgroup2" {
			continue
		}
		h := Home{version: 2, bases: map[string]string{"none": m.point}}
		dir := filepath.Join(m.point, folder, "test2-"+strconv.Itoa(os.Getpid()))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		fd, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		g := &Group{home: h, dirs: []string{dir}, fd: fd}
		cmd := exec.Command("sleep", "1000")
		if err := g.Start(cmd); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs")); err != nil || strings.TrimSpace(string(b)) != strconv.Itoa(cmd.Process.Pid) {
			t.Errorf("in the group: %q %v", b, err)
		}
		go func() { _ = remove(dir) }()
		if err := cmd.Wait(); cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
			t.Errorf("it ended with %v", err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if err := remove(dir); err != nil {
			t.Error(err)
		}
		_ = os.Remove(filepath.Dir(dir))
	}
}

func TestPlaceIsFoundWhateverIsMounted(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	lay := func(path string, files map[string]string) string {
		dir := filepath.Join(root, path)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	all := map[string]string{"cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.subtree_control": ""}
	typed := map[string]string{"cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.type": "domain\n", "cgroup.subtree_control": ""}
	whole := lay("real", all)
	lay("real/system.slice/aod.service", typed)
	service := lay("real/system.slice/own.service", typed)
	inner := lay("real/system.slice/own.service/aod-host", typed)
	if err := unix.Setxattr(service, "user.delegate", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	container := lay("container", typed)
	bare := lay("bare", map[string]string{"cgroup.controllers": "\n"})
	for _, c := range []string{"memory/me/aod", "cpu,cpuacct/me", "pids/me"} {
		lay(c, nil)
	}
	line := func(kind, at, from, options string) string {
		return "30 20 0:26 " + from + " " + filepath.Join(root, at) + " rw,nosuid shared:4 - " + kind + " cgroup rw," + options + "\n"
	}
	v1 := line("cgroup", "memory", "/", "memory") + line("cgroup", "cpu,cpuacct", "/", "cpu,cpuacct") + line("cgroup", "pids", "/", "pids")
	in1 := "4:memory:/me\n3:cpu,cpuacct:/me\n2:pids:/me\n"
	for name, c := range map[string]struct {
		mounts, own string
		root        bool
		version     int
		bases       map[string]string
		settle      string
	}{
		"root outside of a delegated group": {line("cgroup2", "real", "/", "nsdelegate"), "0::/system.slice/aod.service\n", true, 2, map[string]string{"memory": whole, "cpu": whole, "pids": whole}, ""},
		"user outside of a delegated group": {line("cgroup2", "real", "/", "nsdelegate"), "0::/system.slice/aod.service\n", false, 0, nil, ""},
		"in a delegated group":              {line("cgroup2", "real", "/", "nsdelegate"), "0::/system.slice/own.service\n", false, 2, map[string]string{"memory": service, "cpu": service, "pids": service}, service},
		"in the leaf of a delegated group":  {line("cgroup2", "real", "/", "nsdelegate"), "0::/system.slice/own.service/aod-host\n", false, 2, map[string]string{"memory": service, "cpu": service, "pids": service}, ""},
		"in a container's own root":         {line("cgroup2", "container", "/docker/x", "nsdelegate"), "0::/\n", true, 0, nil, ""},
		"version 1":                         {v1 + line("cgroup2", "bare", "/", "x"), in1 + "0::/\n", true, 1, map[string]string{"memory": filepath.Join(root, "memory/me"), "cpu": filepath.Join(root, "cpu,cpuacct/me"), "pids": filepath.Join(root, "pids/me")}, ""},
		"version 1 in a container":          {line("cgroup", "pids", "/docker/x", "pids"), "2:pids:/docker/x/me\n", true, 1, map[string]string{"pids": filepath.Join(root, "pids/me")}, ""},
		"nothing":                           {"1 2 0:1 / / rw - ext4 /dev/vda rw\n", "", true, 0, nil, ""},
		"nonsense":                          {"x - cgroup\n- cgroup2 a b\n", ":::\nx\n", true, 0, nil, ""},
	} {
		h, settle := decide(parseMounts(c.mounts), parseMemberships(c.own), c.root)
		if len(h.bases) != len(c.bases) || len(c.bases) > 0 && h.version != c.version || settle != c.settle {
			t.Errorf("%s: %+v, settle %q", name, h, settle)
		}
		for controller, want := range c.bases {
			if h.bases[controller] != want {
				t.Errorf("%s: %s is at %q instead of %q", name, controller, h.bases[controller], want)
			}
		}
	}
	_, _, _ = container, bare, inner
	h := Home{version: 2, bases: map[string]string{"memory": service, "cpu": service, "pids": service}}
	if got := h.String(); got != "memory, cpu and processes by cgroup v2" {
		t.Error(got)
	}
	if got := (Home{why: "do this"}).String(); !strings.Contains(got, "processes by rlimit") || !strings.HasSuffix(got, ": do this") {
		t.Error(got)
	}
}

// In a delegated group of version 2, limits are written where the kernel looks for them.
func TestVersion2IsToldTheLimits(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, s := range settings2(Limits{Memory: 1 << 30, CPUs: 1.5, Processes: 7}) {
		got[s.file] = s.value
	}
	for file, want := range map[string]string{"memory.max": "1073741824", "memory.swap.max": "0", "cpu.max": "150000 100000", "pids.max": "7"} {
		if got[file] != want {
			t.Errorf("%s: %q", file, got[file])
		}
	}
	if len(settings2(Limits{})) != 0 || len(settings1(Limits{})) != 0 {
		t.Error("what is not limited is set")
	}
}

func BenchmarkMakeAndRemove(b *testing.B) {
	h := Find()
	for b.Loop() {
		g, err := h.Make("bench", Limits{Memory: 1 << 30, CPUs: 1, Processes: 100})
		if err != nil {
			b.Fatal(err)
		}
		if err := g.Close(); err != nil {
			b.Fatal(err)
		}
		if err := h.Remove("bench"); err != nil {
			b.Fatal(err)
		}
	}
}
