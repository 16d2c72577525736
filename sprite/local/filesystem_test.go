package local_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/superfly/sprites-go"
)

// The SDK's file system sees a Sprite's files as they are.
func TestFilesystem(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "fs")
	sprite := m.client.Sprite("fs")
	root, at := sprite.Filesystem(), sprite.FilesystemAt("/workspace/sub")
	for name, perm := range map[string]fs.FileMode{"plain": 0o644, "script": 0o755, "private": 0o600, "deep/er/f": 0o640, "empty": 0o644} {
		text := []byte(name)
		if name == "empty" {
			text = nil
		}
		if err := at.WriteFile(name, text, perm); err != nil {
			t.Fatal(err)
		}
		fi, err := fs.Stat(at, name)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != perm || fi.Size() != int64(len(text)) || fi.IsDir() || !strings.HasSuffix(name, fi.Name()) || time.Since(fi.ModTime()).Abs() > time.Minute {
			t.Errorf("%s: %v %v", name, fi, fi.ModTime())
		}
		if b, err := fs.ReadFile(root, "/workspace/sub/"+name); err != nil || string(b) != string(text) {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
	if got := m.sh(t, "fs", "cd /workspace/sub && stat -c '%n %a %s' plain script private deep/er/f empty"); got != "plain 644 5\nscript 755 6\nprivate 600 7\ndeep/er/f 640 9\nempty 644 0\n" {
		t.Errorf("inside: %s", got)
	}
	if err := at.WriteFile("plain", []byte("again"), 0o600); err != nil {
		t.Error(err)
	}
	if err := errors.Join(at.Chmod("script", 0o700), at.Rename("plain", "moved"), at.Copy("deep", "copied")); err != nil {
		t.Error(err)
	}
	if got := m.sh(t, "fs", "cd /workspace/sub && stat -c '%n %a' script moved && cat moved copied/er/f; test -e plain; echo $?"); got != "script 700\nmoved 600\nagaindeep/er/f1\n" {
		t.Errorf("changed: %q", got)
	}
	if err := at.MkdirAll("new/folder", 0o755); err != nil {
		t.Error(err)
	}
	entries, err := fs.ReadDir(at, ".")
	names := ""
	for _, e := range entries {
		names += fmt.Sprint(e.Name(), e.IsDir(), " ")
	}
	if err != nil || names != "copiedtrue deeptrue emptyfalse movedfalse newtrue privatefalse scriptfalse " {
		t.Errorf("list: %s %v", names, err)
	}
	if f, err := at.Open("moved"); err != nil {
		t.Error(err)
	} else if fi, err := f.Stat(); err != nil || fi.Size() != 5 || f.Close() != nil {
		t.Errorf("open: %v %v", fi, err)
	}
	missing := func(what string, err error) {
		t.Helper()
		var path *fs.PathError
		if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &path) {
			t.Errorf("%s of what is missing: %v", what, err)
		}
	}
	_, err = fs.ReadFile(at, "none")
	missing("read", err)
	_, err = fs.Stat(at, "none")
	missing("stat", err)
	_, err = fs.ReadDir(at, "none/below")
	missing("list", err)
	missing("remove", at.Remove("none"))
	missing("rename", at.Rename("none", "x"))
	missing("chmod", at.Chmod("none", 0o600))
	_, err = fs.ReadFile(m.client.Sprite("none").Filesystem(), "/etc/passwd")
	missing("a sprite", err)
	if err := errors.Join(at.Remove("moved"), at.RemoveAll("deep")); err != nil {
		t.Error(err)
	}
}

// What goes wrong has the code of the system.
func TestFileErrorsHaveCodes(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "codes")
	m.sh(t, "codes", "cd /workspace && mkdir -p dir/full && touch file && ln -s loop loop && mkfifo pipe")
	for _, c := range []struct {
		method, op, query, body string
		status                  int
		code                    string
	}{
		{"GET", "read", "path=/workspace/none", "", 404, "ENOENT"},
		{"GET", "read", "path=dir&workingDir=/workspace", "", 400, "EISDIR"},
		{"GET", "read", "path=file/x&workingDir=/workspace", "", 400, "ENOTDIR"},
		{"GET", "read", "path=loop&workingDir=/workspace", "", 400, "ELOOP"},
		{"GET", "read", "path=pipe&workingDir=/workspace", "", 400, "EINVAL"},
		{"GET", "read", "path=" + strings.Repeat("x", 300), "", 400, "ENAMETOOLONG"},
		{"GET", "list", "path=none&workingDir=/workspace", "", 404, "ENOENT"},
		{"PUT", "write", "path=none/x&workingDir=/workspace", "x", 404, "ENOENT"},
		{"PUT", "write", "path=dir&workingDir=/workspace", "x", 400, "EISDIR"},
		{"PUT", "write", "path=file/x&mkdirParents=true&workingDir=/workspace", "x", 400, "ENOTDIR"},
		{"DELETE", "delete", "path=dir&workingDir=/workspace", "", 409, "ENOTEMPTY"},
		{"DELETE", "delete", "path=none&workingDir=/workspace", "", 404, "ENOENT"},
		{"POST", "rename", "", `{"source":"none","dest":"x","workingDir":"/workspace"}`, 404, "ENOENT"},
		{"POST", "chmod", "", `{"path":"none","mode":"0600","workingDir":"/workspace"}`, 404, "ENOENT"},
		{"POST", "copy", "", `{"source":"none","dest":"x","workingDir":"/workspace"}`, 404, "ENOENT"},
	} {
		status, text := m.request(t, c.method, "/v1/sprites/codes/fs/"+c.op+"?"+c.query, c.body, token)
		if status != c.status || !strings.Contains(text, `"code":"`+c.code+`"`) || !strings.Contains(text, `"error":"`) || !strings.Contains(text, `"path":"/`) || len(text) > 2048 {
			t.Errorf("%s %.60s: %d %s", c.op, c.query+c.body, status, text)
		}
	}
	for _, query := range []string{"", "path=", "path=x&mode=9", "path=x&mkdirParents=perhaps", "path=" + url.QueryEscape("a\x00b")} {
		if status, text := m.request(t, http.MethodPut, "/v1/sprites/codes/fs/write?"+query, "x", token); status != 400 {
			t.Errorf("write %q: %d %s", query, status, text)
		}
	}
}

// A policy is an object with a list of rules, through the SDK and past it.
func TestPolicyThroughTheSDK(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "policy")
	if p, err := m.client.GetNetworkPolicy(t.Context(), "policy"); err != nil || p.Rules == nil || len(p.Rules) != 0 {
		t.Errorf("at first: %+v %v", p, err)
	}
	want := []sprites.NetworkPolicyRule{{Domain: "a.test", Action: "allow"}, {Domain: "*.b.test", Action: "deny"}, {Include: "defaults"}}
	if err := m.client.UpdateNetworkPolicy(t.Context(), "policy", &sprites.NetworkPolicy{Rules: want}); err != nil {
		t.Error(err)
	}
	// No list is not an empty one: a client that has forgotten its rules must not open the network.
	if err := m.client.UpdateNetworkPolicy(t.Context(), "policy", &sprites.NetworkPolicy{}); err == nil || !strings.Contains(err.Error(), "invalid policy") {
		t.Errorf("null: %v", err)
	}
	for _, body := range []string{"", "null", "[]", "{}", `{"rules":{}}`, `{"rules":[null]}`, `{"rules":[{}]}`, `{"rules":[{"include":"all"}]}`, `{"rules":[{"domain":"a.test","include":"defaults"}]}`, `{"rules":[{"domain":"a.test","action":"ask"}]}`} {
		if status, text := m.request(t, http.MethodPost, "/v1/sprites/policy/policy/network", body, token); status != 400 {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	p, err := m.client.GetNetworkPolicy(t.Context(), "policy")
	if err != nil || fmt.Sprint(p.Rules) != fmt.Sprint(want) {
		t.Errorf("at last: %+v %v", p, err)
	}
}
