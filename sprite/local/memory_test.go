package local_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A memory hog is killed, and neither its Sprite nor anybody else.
func TestMemoryHogIsKilledAlone(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.Memory = 128 << 20
	opts.CPUs = 1.5
	opts.Processes = 100
	m := openWith(t, opts)
	memoryHog(t, m)
	if os.Geteuid() == 0 {
		groups(t, m)
	}
}

func memoryHog(t *testing.T, m *machine) {
	t.Helper()
	m.create(t, "hungry")
	m.create(t, "beside")
	watcher, said, _, err := m.start(t.Context(), "hungry", nil, "sh", "-c", "echo up; read end; echo still here")
	if err != nil {
		t.Fatal(err)
	}
	init := initPid(t, m, "hungry")
	for range 2 {
		if r := m.run(t.Context(), "hungry", nil, "tail", "/dev/zero"); r.code != 137 || r.err != nil {
			t.Errorf("the hog: exit %d, %v, %q", r.code, r.err, r.stderr)
		}
	}
	// It need not grow: what is above the limit goes, what is below stays.
	for size, code := range map[string]int{"200": 137, "40": 0} {
		if r := m.run(t.Context(), "hungry", nil, "perl", "-e", `my $x = "x" x (shift() << 20); sleep 3`, size); r.code != code || r.err != nil {
			t.Errorf("%s MiB: exit %d, %v, %q", size, r.code, r.err, r.stderr)
		}
	}
	if err := watcher.Wait(); err != nil || said.String() != "up\nstill here\n" {
		t.Errorf("the watcher says %q and ends with %v", said, err)
	}
	for _, name := range []string{"hungry", "beside"} {
		if got := m.sh(t, name, "echo well"); got != "well\n" {
			t.Errorf("%s says %q", name, got)
		}
	}
	if now := initPid(t, m, "hungry"); now != init {
		t.Errorf("init %d became %d", init, now)
	}
	// File systems in memory hold a quarter of it each.
	for _, dir := range []string{"/dev/shm", "/run"} {
		if r := m.run(t.Context(), "hungry", nil, "sh", "-c", "head -c 200M /dev/zero > "+dir+"/x"); r.code == 0 || !strings.Contains(r.stderr, "No space left") {
			t.Errorf("%s: exit %d, %q", dir, r.code, r.stderr)
		}
		quarter := strconv.FormatInt(m.opts.Memory/4, 10)
		if got := m.sh(t, "hungry", "stat -c %s "+dir+"/x; rm "+dir+"/x"); got != quarter+"\n" {
			t.Errorf("%s took %s of %s bytes", dir, got, quarter)
		}
	}
}

// groups checks that the limits are in force for the Sprite's processes, and gone with it.
func groups(t *testing.T, m *machine) {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(initPid(t, m, "hungry")) + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	var dirs []string
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if !strings.Contains(parts[2], "/aod/") {
			continue
		}
		dirs = append(dirs, filepath.Join("/sys/fs/cgroup", parts[1], parts[2]))
		for _, file := range []string{"cpu.max", "cpu.cfs_quota_us", "memory.max", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "pids.max"} {
			if b, err := os.ReadFile(filepath.Join(dirs[len(dirs)-1], file)); err == nil {
				found[file] = strings.TrimSpace(string(b))
			}
		}
	}
	want := map[string]string{"cpu.cfs_quota_us": "150000", "memory.limit_in_bytes": "134217728", "memory.memsw.limit_in_bytes": "134217728", "pids.max": "356"}
	if found["memory.max"] != "" {
		want = map[string]string{"cpu.max": "150000 100000", "memory.max": "134217728", "pids.max": "356"}
	}
	for file, value := range want {
		if found[file] != value {
			t.Errorf("%s is %q in %v", file, found[file], dirs)
		}
	}
	if !strings.HasPrefix(m.Limits(), "memory, cpu and processes by cgroup v") {
		t.Errorf("the host says: %s", m.Limits())
	}
	if err := m.client.DeleteSprite(t.Context(), "hungry"); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is left", dir)
		}
	}
}
