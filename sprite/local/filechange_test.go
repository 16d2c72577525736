package local_test

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/superfly/sprites-go"
)

// changed goes through what changes files.
func changed(t *testing.T, m *machine, name string) {
	t.Helper()
	m.sh(t, name, "mkdir -p /workspace/t/sub && cd /workspace/t && echo one > f && chmod 0750 f && ln -s f soft && ln f hard && echo two > sub/g && mkfifo sub/pipe && touch -d 2001-01-01 sub/g && python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sub/sock\")'; printf 'a' | dd of=sparse bs=1 seek=9999999 2>/dev/null")
	fsys := m.client.Sprite(name).Filesystem()
	steps := []error{
		fsys.Rename("/workspace/t/f", "/workspace/t/renamed"),
		fsys.Rename("/workspace/t/sub", "/workspace/t/moved"),
		fsys.Copy("/workspace/t", "/workspace/u"),
		fsys.Copy("/workspace/t/moved/g", "/workspace/u/renamed"), // replaces a file
		fsys.Chmod("/workspace/u/hard", 0o711),
		fsys.Chmod("/workspace/u/soft", 0o600), // what it points to is gone
	}
	for i, err := range steps {
		if (err != nil) != (i == 5) {
			t.Errorf("step %d: %v", i, err)
		}
	}
	got := m.sh(t, name, "cd /workspace/u && find . -printf '%p %y %m %s %n %l\n' | sort; cat renamed hard; test moved/g -ot hard && echo old; test $(du -k sparse | cut -f1) -lt 100 && echo sparse")
	want := `. d 755 4096 3 
./hard f 711 4 1 
./moved d 755 4096 2 
./moved/g f 644 4 1 
./moved/pipe p 644 0 1 
./renamed f 644 4 1 
./soft l 777 1 1 f
./sparse f 644 10000000 1 
two
one
old
sparse
`
	if got != want {
		t.Errorf("copied:\n%s", got)
	}
	for _, c := range []struct {
		op, body string
		status   int
		code     string
	}{
		{"rename", `{"source":"none","dest":"x","workingDir":"/workspace"}`, 404, "ENOENT"},
		{"rename", `{"source":"/workspace/t","dest":"/workspace/u"}`, 409, "ENOTEMPTY"},
		{"rename", `{"source":"/workspace/t","dest":"/workspace/t/moved/x"}`, 400, "EINVAL"},
		{"rename", `{"source":"/workspace/t/renamed","dest":"/workspace/u"}`, 400, "EISDIR"},
		{"rename", `{"source":"/workspace/t","dest":"/workspace/u/renamed"}`, 400, "ENOTDIR"},
		{"rename", `{"source":"/workspace/t/renamed/x","dest":"/workspace/x"}`, 400, "ENOTDIR"},
		{"rename", `{"source":"/usr/local","dest":"/workspace/x"}`, 403, "EPERM"},
		{"rename", `{"source":"/var","dest":"/workspace/x"}`, 403, "EPERM"},
		{"rename", `{"source":"/.sprite/bin","dest":"/workspace/x"}`, 403, "EPERM"},
		{"rename", `{"source":"/workspace/t"}`, 400, ""},
		{"copy", `{"source":"t","dest":"x","workingDir":"/workspace"}`, 400, "EISDIR"},
		{"copy", `{"source":"t","dest":"t/x","workingDir":"/workspace","recursive":true}`, 400, "EINVAL"},
		{"copy", `{"source":"t","dest":"u","workingDir":"/workspace","recursive":true}`, 409, "EEXIST"},
		{"copy", `{"source":"t/renamed","dest":"u","workingDir":"/workspace"}`, 400, "EISDIR"},
		{"copy", `{"source":"t/moved/sock","dest":"x","workingDir":"/workspace"}`, 400, ""},
		{"copy", `{"source":"t/moved/pipe","dest":"pipe","workingDir":"/workspace"}`, 200, ""},
		{"copy", `{"source":"/etc/passwd","dest":"/workspace/x"}`, 403, "EPERM"},
		{"copy", `{"source":"/workspace/t/renamed","dest":"/usr/x"}`, 403, "EPERM"},
		{"chmod", `{"path":"/workspace/t","mode":"0700","recursive":true}`, 200, ""},
		{"chmod", `{"path":"/workspace/t","mode":"9"}`, 400, ""},
		{"chmod", `{"path":"/var","mode":"0755","recursive":true}`, 403, "EPERM"},
		{"chmod", `{"path":"/etc/passwd","mode":"0755"}`, 403, "EPERM"},
		{"chown", `{"path":"/workspace/t","uid":0,"gid":0,"recursive":true}`, 200, ""},
		{"chown", `{"path":"/workspace/t"}`, 400, ""},
		{"chown", `{"path":"/workspace/t","uid":65536}`, 400, ""},
		{"chown", `{"path":"/workspace/t","uid":-2}`, 400, ""},
		{"chown", `nonsense`, 400, ""},
		{"chown", `{"path":"` + strings.Repeat("x", 1<<20) + `","uid":1}`, 413, ""},
		{"chmod", `{"path":"/` + strings.Repeat("x", 5000) + `","mode":"0700"}`, 400, "ENAMETOOLONG"},
	} {
		status, text := m.request(t, "POST", "/v1/sprites/"+name+"/fs/"+c.op, c.body, token)
		if status != c.status || c.code != "" && !strings.Contains(text, `"code":"`+c.code+`"`) {
			t.Errorf("%s %.80s: %d %.200s", c.op, c.body, status, text)
		}
	}
	if got := m.sh(t, name, "cd /workspace/t && stat -c '%a' . moved moved/g"); got != "700\n700\n700\n" {
		t.Errorf("recursive chmod: %q", got)
	}
	if status, text := m.request(t, "DELETE", "/v1/sprites/"+name+"/fs/delete", `{"path":"t","workingDir":"/workspace","recursive":true,"asRoot":true}`, token); status != 200 {
		t.Errorf("delete: %d %s", status, text)
	}
	if _, err := fs.ReadFile(fsys, "/workspace/t/renamed"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("deleted: %v", err)
	}
}

func TestFilesAreRenamedCopiedAndChanged(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "change")
	changed(t, m, "change")
	if os.Geteuid() != 0 {
		if status, text := m.request(t, "POST", "/v1/sprites/change/fs/chown", `{"path":"/workspace","uid":1}`, token); status != 403 || !strings.Contains(text, "ordinary user") {
			t.Errorf("chown: %d %s", status, text)
		}
		return // the only id of its Sprites
	}
	m.sh(t, "change", "mkdir -p /workspace/o/in && touch /workspace/o/in/f && ln -s in /workspace/o/l")
	for _, body := range []string{`{"path":"/workspace/o","uid":7,"gid":8,"recursive":true}`, `{"path":"/workspace/o/in/f","gid":9}`} {
		if status, text := m.request(t, "POST", "/v1/sprites/change/fs/chown", body, token); status != 200 {
			t.Errorf("%d %s", status, text)
		}
	}
	if err := m.client.Sprite("change").Filesystem().Copy("/workspace/o", "/workspace/p"); err != nil {
		t.Error(err)
	}
	if got := m.sh(t, "change", "cd /workspace/p && stat -c '%u %g' . in in/f l"); got != "7 8\n7 8\n7 9\n7 8\n" {
		t.Errorf("owners: %q", got)
	}
}

// Where the Sprite moves what the host is about to change, the host still changes nothing but the Sprite's.
func TestChangesStayInTheSprite(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "race")
	victim := t.TempDir()
	if err := os.Chmod(victim, 0o777); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(victim, "secret")
	if err := os.WriteFile(secret, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, said, words, err := m.start(t.Context(), "race", func(c *sprites.Cmd) { c.Stdin = strings.NewReader("") }, "sh", "-c",
		"cd /workspace; mkdir a b; echo x > a/secret; while :; do mv a c; ln -s "+victim+" a; rm a; mv c a; done")
	if err != nil {
		t.Fatal(err)
	}
	fsys := m.client.Sprite("race").Filesystem()
	for i := range 200 {
		n := strconv.Itoa(i)
		_ = fsys.Copy("/workspace/a/secret", "/workspace/b/"+n)
		_ = fsys.Copy("/workspace/b", "/workspace/a/"+n)
		_ = fsys.Rename("/workspace/a/secret", "/workspace/a/secret")
		_ = fsys.Chmod("/workspace/a/secret", 0o777)
		_, _ = m.request(t, "POST", "/v1/sprites/race/fs/chown", `{"path":"/workspace/a/secret","uid":1}`, token)
	}
	_ = cmd.Signal("KILL") // the answer may be the end already
	if err := cmd.Wait(); cmd.ExitCode() != 137 {
		t.Errorf("it has ended before: %v, %q, %q", err, said, words)
	}
	if got := m.sh(t, "race", "cat /workspace/b/* | sort -u"); got != "x\n" && got != "" {
		t.Errorf("copied: %q", got)
	}
	fi, err := os.Stat(secret)
	entries, derr := os.ReadDir(victim)
	if err != nil || derr != nil || fi.Mode() != 0o600 || len(entries) != 1 {
		t.Fatalf("the victim has changed: %v %v %v %v", fi, entries, err, derr)
	}
}

func TestProtocolEdges(t *testing.T) {
	t.Parallel()
	m := open(t)
	if status, text := m.request(t, "POST", "/v1/sprites", `{"name":"edge","config":{"ram_mb":1},"url_settings":{"auth":"public"},"wait_for_capacity":true,"runtime":"x"}`, token); status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	many := `["` + strings.Repeat(`x","`, 64) + `x"]`
	for _, c := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"PUT", "", `{"url_settings":{"auth":"public","private_access":"admins"}}`, 200, ""},
		{"PUT", "", `{"labels":["a"]}`, 200, `"labels":["a"]`},
		{"PUT", "", `{"clear_labels":true}`, 200, `"labels":[]`},
		{"PUT", "", `{"labels":` + many + `}`, 400, "error"},
		{"PUT", "", `{"labels":[""]}`, 400, "error"},
		{"PUT", "", `{"labels":["a\nb"]}`, 400, "error"},
		{"PUT", "", `{"labels":"a"}`, 400, "error"},
		{"POST", "/upgrade", "", 204, ""},
		{"PATCH", "", "", 405, "method_not_allowed"},
		{"PUT", "/fs/read", "", 405, "method_not_allowed"},
		{"GET", "/fs/rename", "", 405, "method_not_allowed"},
		{"GET", "/services", "", 501, "not_implemented"},
		{"PUT", "/services/x", "", 501, "not_implemented"},
		{"GET", "/proxy", "", 501, "not_implemented"},
		{"GET", "/ports/watch", "", 501, "not_implemented"},
		{"GET", "/fs/watch", "", 501, "not_implemented"},
		{"GET", "/policy/privileges", "", 501, "not_implemented"},
		{"GET", "/policy/resources", "", 501, "not_implemented"},
		{"GET", "/control", "", 404, "not_found"},
		{"GET", "/nothing", "", 404, "not_found"},
		{"HEAD", "/nothing", "", 404, ""},
		{"GET", "/exec/x", "", 400, "WebSocket"},
	} {
		status, text := m.request(t, c.method, "/v1/sprites/edge"+c.path, c.body, token)
		if status != c.status || !strings.Contains(text, c.has) || status >= 400 && len(text) >= 1024 {
			t.Errorf("%s %.40s: %d %.200s", c.method, c.path, status, text)
		}
	}
	if status, text := m.upgrade(t, "/v1/sprites/edge/exec/"+url.PathEscape(strings.Repeat("\"<", 900))); status != 404 || len(text) >= 1024 {
		t.Errorf("%d %s", status, text)
	}
	if _, text := m.request(t, "GET", "/v1/sprites", "", token); strings.Count(text, `"warm":1`) != 2 || strings.Count(text, `"cold":0`) != 2 {
		t.Errorf("counts: %s", text)
	}
}

func TestPlainExec(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "plain")
	for _, c := range []struct {
		query, body string
		status      int
		want        string
	}{
		{"cmd=cat", "hello", 200, "\x01hello\x03\x00"},
		{"cmd=sh&cmd=-c&cmd=" + url.QueryEscape("echo no >&2; exit 7"), "", 200, "\x02no\n\x03\x07"},
		{"cmd=true", strings.Repeat("x", 1<<20), 200, "\x03\x00"}, // input that nobody reads
		{"cmd=pwd&dir=/tmp", "", 200, "\x01/tmp\n\x03\x00"},
		{"cmd=true", strings.Repeat("x", 10<<20+1), 413, "too_large"},
		{"cmd=true&tty=true", "", 400, "WebSocket"},
		{"cmd=true&id=1", "", 400, "WebSocket"},
		{"cmd=true&cc=true", "", 400, "WebSocket"},
		{"cmd=true&detachable=true", "", 400, "WebSocket"},
		{"cmd=none", "", 400, "executable_not_found"},
	} {
		status, text := m.request(t, "POST", "/v1/sprites/plain/exec?"+c.query, c.body, token)
		if status != c.status || status == 200 && text != c.want || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %.200q", c.query, status, text)
		}
	}
}
