package tests

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/server"
)

// secretive makes environments and agents with secrets, and returns how to see that all
// of them can be read.
func (a *api) secretive(n int) (readable func(a *api)) {
	a.t.Helper()
	for i := range n {
		a.post("/environments", fmt.Sprintf(`{"name":"e%d","env_vars":{"A":"value %d"}}`, i, i)).want(201)
		a.post("/agents", fmt.Sprintf(`{"name":"a%d","model":"local/bash","runtime":"shell","mcp_servers":[{"name":"n","type":"url","url":"https://x.test","headers":{"Authorization":"secret %d"}}]}`, i, i)).want(201)
	}
	environments, agents := a.get("/environments").want(200).body, a.get("/agents").want(200).body
	return func(a *api) {
		a.t.Helper()
		if got := a.get("/environments").want(200).body; got != environments {
			a.t.Errorf("environments have changed: %.300s", got)
		}
		if got := a.get("/agents").want(200).body; got != agents {
			a.t.Errorf("agents have changed: %.300s", got)
		}
	}
}

// A rotation that is killed at any instant, again and again, while the server runs and
// writes, loses nothing, and is brought to its end by the next.
func TestRotationUnderKills(t *testing.T) {
	t.Parallel()
	a := spawnIn(t, dataDir(t), os.Getuid())
	readable := a.secretive(150)
	kills := 0
	for kills < 12 {
		cmd := exec.Command(binary, "key", "rotate", "--data-dir", a.dir)
		cmd.Env = []string{"HOME=" + t.TempDir()}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			kills++
		}
		timer.Stop()
		readable(a)
		a.get("/health").want(200)
	}
	said, words, err := aod(t, nil, "key", "rotate", "--data-dir", a.dir)
	if err != nil || !regexp.MustCompile(`\A\d+ values were encrypted with the (new )?key [0-9a-f]{8}\n\z`).MatchString(said) {
		t.Fatalf("%q %q %v", said, words, err)
	}
	readable(a)
	if said, words, err := aod(t, nil, "key", "drop", "--data-dir", a.dir); err != nil || !strings.HasPrefix(said, "dropped ") {
		t.Errorf("%q %q %v", said, words, err)
	}
	readable(a)
	a.post("/environments", `{"name":"later","env_vars":{"A":"B"}}`).want(201)
	listed, _, err := aod(t, nil, "key", "list", "--data-dir", a.dir)
	if err != nil || strings.Count(listed, "\n") != 2 || !strings.Contains(listed, "encrypts") {
		t.Errorf("%q %v", listed, err)
	}
	if said, _, err := aod(t, nil, "key", "drop", "--data-dir", a.dir); err != nil || said != "there is no older key\n" {
		t.Errorf("%q %v", said, err)
	}
	a.post("/environments/"+a.idOf("later")+"/archive", "").want(200)
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	readable(spawnIn(t, a.dir, os.Getuid()))
	if info, err := os.Stat(filepath.Join(a.dir, "key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

// idOf returns the id of the environment of that name.
func (a *api) idOf(name string) string {
	a.t.Helper()
	var list struct{ Data []struct{ ID, Name string } }
	a.get("/environments").want(200).into(&list)
	for _, e := range list.Data {
		if e.Name == name {
			return e.ID
		}
	}
	a.t.Fatal("there is no environment", name)
	return ""
}

// Keys that the operator gives are changed by the operator, in three steps.
func TestGivenKeysAreRotated(t *testing.T) {
	t.Parallel()
	made := func() string {
		key, _, err := aod(t, nil, "key", "generate")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(key)
	}
	old, young := made(), made()
	a := spawnIn(t, dataDir(t), os.Getuid(), "AOD_ENCRYPTION_KEY="+old)
	readable := a.secretive(3)
	both := "AOD_ENCRYPTION_KEY=" + young + "," + old
	if _, words, err := aod(t, []string{both}, "key", "rotate", "--data-dir", a.dir); err == nil || !strings.Contains(words, "stop it, then rotate") {
		t.Errorf("%q %v", words, err)
	}
	readable(a)
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, words, err := aod(t, []string{"AOD_ENCRYPTION_KEY=" + young}, "key", "rotate", "--data-dir", a.dir); err == nil || !strings.Contains(words, "does not open what the database holds") {
		t.Errorf("%q %v", words, err)
	}
	if said, words, err := aod(t, []string{both}, "key", "rotate", "--data-dir", a.dir); err != nil || !strings.HasPrefix(said, "13 values were encrypted with the key ") {
		t.Errorf("%q %q %v", said, words, err)
	}
	if _, words, err := aod(t, []string{both}, "key", "drop", "--data-dir", a.dir); err == nil || !strings.Contains(words, "take out of it what aod key list shows without values") {
		t.Errorf("%q %v", words, err)
	}
	listed, _, err := aod(t, []string{both}, "key", "list", "-o", "json", "--data-dir", a.dir)
	if err != nil || !strings.Contains(listed, `"values": 13`) || !strings.Contains(listed, `"values": 0`) || strings.Contains(listed, young) {
		t.Errorf("%s %v", listed, err)
	}
	if _, words, err := aod(t, []string{"AOD_ENCRYPTION_KEY=" + old}, "serve", "--addr", "127.0.0.1:0", "--data-dir", a.dir); err == nil || !strings.Contains(words, "does not open what the database holds") {
		t.Errorf("%q %v", words, err)
	}
	readable(spawnIn(t, a.dir, os.Getuid(), "AOD_ENCRYPTION_KEY="+young))
	if _, err := os.Stat(filepath.Join(a.dir, "key")); err == nil {
		t.Error("a key file was made beside the keys that are given")
	}
}

// What a rotation leaves in the files of the database cannot be read without the new key.
func TestDroppedKeyOpensNothing(t *testing.T) {
	t.Parallel()
	a := spawnIn(t, dataDir(t), os.Getuid())
	a.secretive(2)
	old, err := os.ReadFile(filepath.Join(a.dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := server.OpenStore(t.Context(), server.Config{DataDir: a.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.AddKey(); err != nil { // as a rotation does that is killed then
		t.Fatal(err)
	}
	if said, words, err := aod(t, nil, "key", "rotate", "--data-dir", a.dir); err != nil || !strings.HasPrefix(said, "9 values were encrypted with the key "+st.Keys()[0]) {
		t.Errorf("another key was made for the one that was cut: %q %q %v", said, words, err)
	}
	for _, step := range []string{"rotate", "drop"} {
		if _, words, err := aod(t, nil, "key", step, "--data-dir", a.dir); err != nil {
			t.Fatal(words, err)
		}
	}
	now, err := os.ReadFile(filepath.Join(a.dir, "key"))
	if err != nil || bytes.Contains(now, bytes.TrimSpace(old)) {
		t.Errorf("the old key is still there: %v", err)
	}
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	variable := "AOD_ENCRYPTION_KEY=" + string(bytes.TrimSpace(old))
	if _, words, err := aod(t, []string{variable}, "token", "list", "--data-dir", a.dir); err == nil || !strings.Contains(words, "does not open what the database holds") {
		t.Errorf("%q %v", words, err)
	}
}

// What root does for a server that is an ordinary user's leaves nothing that the server
// cannot read or a later command of the user's cannot change.
func TestRootLooksAfterAnOrdinaryUsersServer(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return
	}
	a := spawn(t, ordinaryUser)
	readable := a.secretive(2)
	file := filepath.Join(t.TempDir(), "aod.tar")
	for _, args := range [][]string{{"key", "rotate"}, {"key", "drop"}, {"backup", file}} {
		if _, words, err := aod(t, nil, append(args, "--data-dir", a.dir)...); err != nil {
			t.Fatal(words, err)
		}
		readable(a)
	}
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, words, err := aod(t, nil, "restore", file, "--force", "--data-dir", a.dir); err != nil {
		t.Fatal(words, err)
	}
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != ordinaryUser {
			t.Errorf("%s belongs to %d", entry.Name(), owner)
		}
	}
	readable(spawnIn(t, a.dir, ordinaryUser))
}
