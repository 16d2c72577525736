package local_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/agent-on-demand/aod/sprite/local"
)

func shareAt(source string) local.Share { return local.Share{Source: source, Target: "/opt/aod"} }

func TestFilesAreWrittenReadListedAndDeleted(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "files")
	fsys := m.client.Sprite("files").Filesystem()
	if err := fsys.WriteFile("/workspace/a/b/c.txt", []byte("hello"), 0o640); err != nil {
		t.Fatal(err)
	}
	if got := m.sh(t, "files", "stat -c '%a %u %g' /workspace/a/b/c.txt /workspace/a; cat /workspace/a/b/c.txt; echo more >> /workspace/a/b/c.txt; ln -s /workspace/a /home/sprite/abs"); got != "640 0 0\n755 0 0\nhello" {
		t.Errorf("inside: %q", got)
	}
	// Links count as the Sprite sees them.
	if b, err := fs.ReadFile(fsys, "/home/sprite/abs/b/c.txt"); err != nil || string(b) != "hellomore\n" {
		t.Errorf("read: %q %v", b, err)
	}
	entries, err := fs.ReadDir(fsys, "/workspace/a")
	if err != nil || len(entries) != 1 || entries[0].Name() != "b" || !entries[0].IsDir() {
		t.Errorf("list: %v %v", entries, err)
	}
	if err := fsys.Remove("/workspace/a/b"); err == nil {
		t.Error("a full folder was removed")
	}
	if err := fsys.RemoveAll("/workspace/a"); err != nil {
		t.Error(err)
	}
	if _, err := fs.ReadFile(fsys, "/workspace/a/b/c.txt"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed file: %v", err)
	}
	if err := fsys.WriteFile("/usr/local/bin/x", nil, 0o755); err == nil {
		t.Error("a layer was written past the sprite")
	}
}

func TestFilesStayInTheSprite(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "links")
	victim := t.TempDir()
	secret := filepath.Join(victim, "secret")
	if err := os.WriteFile(secret, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	m.sh(t, "links", "cd /workspace; ln -s "+secret+" file; ln -s "+victim+" dir; ln -s ../../../../../../../.."+victim+" up; ln -s /etc/shadow shadow; ln -s /proc/1/root proc; mkfifo pipe")
	fsys := m.client.Sprite("links").Filesystem()
	for _, name := range []string{"file", "dir/secret", "up/secret", "shadow", "proc/etc/passwd", "pipe", "../../.." + secret} {
		if b, err := fs.ReadFile(fsys, "/workspace/"+name); err == nil {
			t.Errorf("%s was read: %q", name, b)
		}
	}
	for _, name := range []string{"file", "dir/secret", "up/secret", "dir/new"} {
		_ = fsys.WriteFile("/workspace/"+name, []byte("theirs"), 0o644)
		_ = fsys.RemoveAll("/workspace/" + name)
	}
	entries, err := os.ReadDir(victim)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "mine" || len(entries) != 1 {
		t.Fatalf("the victim has changed: %q %v %v", b, entries, err)
	}
}
