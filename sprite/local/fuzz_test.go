package local

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-on-demand/aod/sprite/local/shim"
)

// planted are the links that a hostile Sprite has left in its tree; %s is a folder of the host.
var planted = map[string]string{
	"abs": "%s", "file": "%s/secret", "up": "../../../../../../../../../../%s", "self": "self", "root": "/", "magic": "/proc/self/root",
	"d/back": "../..", "d/out": "../../%s", "two": "abs", "usrlink": "/usr",
}

// FuzzFilePath does everything that the file API can with any path, and looks whether a folder of the host has changed or been read.
func FuzzFilePath(f *testing.F) {
	for link := range planted {
		f.Add(link, "/", "d/new")
		f.Add(link+"/secret", "/d", "/f")
		f.Add("/f", link, "../"+link+"/new")
		f.Add("d/../"+link+"/../x", "", link)
	}
	for _, path := range []string{"", ".", "..", "/", "//", "/..", "a//b/./..", "\x00", "d\x00/f", strings.Repeat("../", 99), "/usr/x", "/proc/1/root", strings.Repeat("x", 300)} {
		f.Add(path, path, path)
	}
	f.Add("/f", "/", "/d")
	f.Fuzz(func(t *testing.T, name, workingDir, other string) {
		victim, tree := t.TempDir(), sprite0(t)
		secret := filepath.Join(victim, "secret")
		if err := os.WriteFile(secret, []byte("mine"), 0o640); err != nil {
			t.Fatal(err)
		}
		plant(t, tree.root.Name(), victim)
		before := describe(t, victim)
		one, err := filePath(name, workingDir)
		if err != nil {
			return
		}
		two, err := filePath(other, workingDir)
		if err != nil {
			return
		}
		if r, err := tree.open(one); err == nil {
			b := make([]byte, 4)
			if n, _ := r.Read(b); string(b[:n]) == "mine" {
				t.Errorf("%q was read", one)
			}
			_ = r.Close()
		}
		ignore := func(string) {}
		ctx := context.Background()
		_, _, _ = tree.list(one)
		_, _ = tree.write(one, strings.NewReader("theirs"), 0o600, true)
		_, _ = tree.copy(ctx, one, two, true, 1<<30)
		_, _ = tree.copy(ctx, two, one, false, 1<<30)
		_ = tree.rename(one, two)
		_ = tree.chmod(ctx, two, 0o777, true, ignore)
		_ = tree.chown(ctx, two, 0, 0, true, ignore)
		_ = tree.remove(two, true)
		_ = tree.remove(one, true)
		if after := describe(t, victim); after != before {
			t.Errorf("%q in %q, %q: the host has changed:\n%s\n%s", name, workingDir, other, before, after)
		}
		content := ""
		_ = filepath.WalkDir(tree.root.Name(), func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				b, _ := os.ReadFile(path)
				content += string(b)
			}
			return nil
		})
		if strings.Contains(content, "mine") {
			t.Errorf("%q in %q, %q: a host's file was copied in", name, workingDir, other)
		}
	})
}

// sprite0 is the tree of a Sprite that never runs.
func sprite0(t *testing.T) *fileTree {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	for _, d := range []string{"d/e", "usr/local", "proc", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("own"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return &fileTree{root: root, layered: shim.Layered(nil)}
}

func plant(t *testing.T, dir, victim string) {
	t.Helper()
	for name, target := range planted {
		if strings.Contains(target, "%s") {
			target = fmt.Sprintf(target, victim)
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// describe lists a folder with what a change would change.
func describe(t *testing.T, dir string) string {
	t.Helper()
	out := ""
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		out += fmt.Sprintln(path, fi.Mode(), fi.Size(), fi.ModTime(), st.Uid, st.Gid, st.Nlink)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzCommand reads any query of an exec.
func FuzzCommand(f *testing.F) {
	for _, q := range []string{
		"", "cmd=a&cmd=b&path=/bin/c&env=A=1&dir=/x&stdin=true", "tty=true&rows=24&cols=80&id=5", "cmd[]=old", "max_run_after_disconnect=0",
		"max_run_after_disconnect=10s", "max_run_after_disconnect=-9999999h", "tty=maybe", "tty=1&rows=65536", "rows=&cols=-1&tty=t", "cmd=&path=", "cmd=%00&env=%00",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, _ := url.ParseQuery(query) // as a server does, which takes what it could read
		c, err := command(q)
		if err != nil {
			return
		}
		if len(c.Argv) == 0 {
			t.Errorf("%q: nothing to run", query)
		}
		if !c.TTY && (c.Rows != 0 || c.Cols != 0) {
			t.Errorf("%q: a size without a terminal", query)
		}
		if c.Linger == 0 {
			t.Errorf("%q: it could not live", query)
		}
	})
}
