package local_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local"
)

// kept makes a snapshot of a Sprite and waits until it can be used.
func (m *machine) kept(t *testing.T, sprite string, of local.Snapshot) {
	t.Helper()
	if err := m.Keep(t.Context(), sprite, of, "/home/sprite/.aod"); err != nil {
		t.Fatal(err)
	}
	m.becomes(t, "no snapshot", func() bool { return len(m.snapshots(t)) > 0 })
}

func (m *machine) snapshots(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(m.opts.Dir, ".snapshots", "[0-9a-f]*", "snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (m *machine) becomes(t *testing.T, what string, fact func() bool) {
	t.Helper()
	for late := time.Now().Add(time.Minute); !fact(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal(what)
		}
	}
}

func (m *machine) createFrom(t *testing.T, name string, of local.Snapshot, want bool) {
	t.Helper()
	if found, err := m.CreateFrom(t.Context(), name, of, "label"); err != nil || found != want {
		t.Fatalf("%v, %v", found, err)
	}
}

func TestSpritesOfASnapshotAreAlikeAndApart(t *testing.T) {
	t.Parallel()
	opts := options(t)
	t.Cleanup(func() { _ = exec.Command("chmod", "-R", "u+rwx", opts.Dir).Run() }) // for the folder's own
	m := openWith(t, opts)
	of := local.Snapshot{Environment: "e", Version: 1, Key: "k"}
	m.createFrom(t, "none", of, false)
	m.create(t, "first")
	m.sh(t, "first", furnish+"; mkdir -p ~/.aod/x; echo secret > ~/.aod/x/f")
	before := m.sh(t, "first", inventory)
	m.kept(t, "first", of)
	m.createFrom(t, "none", local.Snapshot{Environment: "e", Version: 1, Key: "other"}, false)
	for _, name := range []string{"one", "two", "three", "four"} { // with spares and without
		m.createFrom(t, name, of, true)
		if now := m.sh(t, name, inventory); now != before {
			t.Errorf("%s:\n%s\ninstead of:\n%s", name, now, before)
		}
		if got := m.sh(t, name, "ls -A ~/.aod 2>&1; hostname; cat /etc/hostname"); !strings.Contains(got, "No such file") || !strings.HasSuffix(got, name+"\n"+name+"\n") {
			t.Errorf("%s: %s", name, got)
		}
		m.sh(t, name, "rm -rf /workspace/deep /usr/local/bin/tool; echo "+name+" > /etc/mine; echo "+name+" > /usr/local/bin/new; chmod 700 /workspace/shut; rm /workspace/shut/in")
	}
	if got := m.sh(t, "one", "cat /etc/mine /usr/local/bin/new; ls /usr/local/bin/tool 2>&1 | wc -l"); got != "one\none\n1\n" {
		t.Errorf("%q", got)
	}
	if now := m.sh(t, "first", inventory); now != before {
		t.Errorf("the first has changed:\n%s", now)
	}
	m.checkpoint(t, "one", "")
	m.sh(t, "one", "echo later > /usr/local/bin/new; rm -rf /usr/share/doc/grep")
	m.restore(t, "one", "v0")
	if got := m.sh(t, "one", "cat /usr/local/bin/new; ls -d /usr/share/doc/grep"); got != "one\n/usr/share/doc/grep\n" {
		t.Errorf("restored: %q", got)
	}
}

func TestASnapshotStaysAsLongAsItsSprites(t *testing.T) {
	t.Parallel()
	m := open(t)
	of := local.Snapshot{Environment: "e", Version: 1, Key: "k"}
	m.create(t, "first")
	m.sh(t, "first", "echo tool > /usr/local/bin/tool")
	m.kept(t, "first", of)
	m.createFrom(t, "second", of, true)
	if err := m.DropSnapshots("e"); err != nil {
		t.Fatal(err)
	}
	m.createFrom(t, "third", of, false)
	if all, err := m.SnapshotEnvironments(); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
	if got := m.sh(t, "second", "cat /usr/local/bin/tool"); got != "tool\n" || len(m.snapshots(t)) != 1 {
		t.Errorf("%q", got)
	}
	if err := m.client.DeleteSprite(t.Context(), "second"); err != nil {
		t.Fatal(err)
	}
	m.becomes(t, "the snapshot is still there", func() bool { return len(m.snapshots(t)) == 0 })
	if left, err := filepath.Glob(filepath.Join(m.opts.Dir, ".spares", "*")); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
}

func TestWhatRunsOrChangesIsNotKept(t *testing.T) {
	t.Parallel()
	m := open(t)
	of := local.Snapshot{Environment: "e", Version: 1, Key: "k"}
	m.create(t, "busy")
	m.sh(t, "busy", "setsid sleep 4721 >/dev/null 2>&1 &")
	if err := m.Keep(t.Context(), "busy", of); err == nil || !strings.Contains(err.Error(), "runs in it") {
		t.Error(err)
	}
	m.create(t, "calm")
	path := filepath.Join(m.opts.Dir, "calm", "sprite.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), `"ground":"`, `"ground":"0`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Keep(t.Context(), "calm", of); err == nil || !strings.Contains(err.Error(), "machine has changed") {
		t.Error(err)
	}
	if len(m.snapshots(t)) != 0 {
		t.Error("something was kept")
	}
}

// Sprites need the disk more than snapshots do.
func TestSnapshotsMakeRoom(t *testing.T) {
	t.Parallel()
	opts := options(t)
	opts.AllDisk = 512 << 20
	m := openWith(t, opts)
	of := local.Snapshot{Environment: "e", Version: 1, Key: "k"}
	m.create(t, "first")
	m.sh(t, "first", "head -c 40M /dev/urandom > /opt/blob")
	m.kept(t, "first", of)
	usage := filepath.Join(opts.Dir, "first", "usage.json")
	m.becomes(t, "no room is made", func() bool {
		// Again and again, because the Sprite measures itself.
		if err := os.WriteFile(usage, []byte(`{"bytes":536870911,"at":"2030-01-01T00:00:00Z"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = m.client.CreateSprite(t.Context(), "second", nil)
		return len(m.snapshots(t)) == 0
	})
}
