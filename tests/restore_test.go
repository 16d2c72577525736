package tests

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What cannot be restored, for whatever reason, changes nothing.
func TestRestoreRefusesWhatIsNotWhole(t *testing.T) {
	t.Parallel()
	_, _, file := saved(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(good)/2] ^= 1
	for name, c := range map[string]struct {
		backup []byte
		want   string
	}{
		"nothing":         {nil, "it is no backup that aod backup has made"},
		"nonsense":        {bytes.Repeat([]byte("nonsense"), 1000), "it is no backup that aod backup has made"},
		"a flipped bit":   {flipped, "the backup is damaged: its aod.db is not the one that was saved"},
		"half of it":      {good[:len(good)/2], "the backup's aod.db cannot be copied: unexpected EOF"},
		"no key":          {lacking(t, good, "key"), "the backup is not whole: it lacks key"},
		"another file":    {adding(t, good, "sprites/evil"), "the backup has been changed: it has a \"sprites/evil\" that is not in its manifest"},
		"a newer schema":  {remade(t, good, `"schema": `, `"schema": 9`), "and this binary knows up to "},
		"a newer format":  {remade(t, good, `"format": 1`, `"format": 2`), "the backup has format 2"},
		"a path":          {remade(t, good, `"name": "aod.db"`, `"name": "../aod.db"`), "the backup's manifest does not have the files [aod.db key]"},
		"another version": {remade(t, good, `"deployment": "`, `"deployment": "x`), "the backup has been changed: its database is not the one of its manifest"},
	} {
		bad := filepath.Join(t.TempDir(), "bad.tar")
		if err := os.WriteFile(bad, c.backup, 0o600); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(dataDir(t), "new")
		_, words, err := aod(t, nil, "restore", bad, "--data-dir", dir)
		if err == nil || !strings.Contains(words, c.want) || strings.Count(words, "\n") != 1 {
			t.Errorf("%s: %q %v", name, words, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if !slices.Contains([]string{"lock", "key.lock", "runtimes"}, entry.Name()) {
				t.Errorf("%s has left %s", name, entry.Name())
			}
		}
	}
}

// repack copies a backup, and lets change see each of its files.
func repack(t *testing.T, backup []byte, change func(name string, text []byte) ([]byte, bool), more ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	add := func(name string, text []byte) {
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text))}), second(w.Write(text))); err != nil {
			t.Fatal(err)
		}
	}
	r := tar.NewReader(bytes.NewReader(backup))
	for header, err := r.Next(); err == nil; header, err = r.Next() {
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if text, keep := change(header.Name, text); keep {
			add(header.Name, text)
		}
	}
	for _, name := range more {
		add(name, []byte("x"))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func second(_ int, err error) error { return err }

func lacking(t *testing.T, backup []byte, file string) []byte {
	return repack(t, backup, func(name string, text []byte) ([]byte, bool) { return text, name != file })
}

func adding(t *testing.T, backup []byte, file string) []byte {
	return repack(t, backup, func(_ string, text []byte) ([]byte, bool) { return text, true }, file)
}

// remade changes the manifest.
func remade(t *testing.T, backup []byte, old, new string) []byte {
	return repack(t, backup, func(name string, text []byte) ([]byte, bool) {
		if name == "manifest.json" {
			if text = bytes.Replace(text, []byte(old), []byte(new), 1); !json.Valid(text) {
				t.Fatalf("%s", text)
			}
		}
		return text, true
	})
}

// A data directory that is in use is not restored into; with --force, what it had is moved
// aside and nothing is lost.
func TestRestoreKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	_, session, file := saved(t)
	b := spawnIn(t, dataDir(t), os.Getuid())
	later, _ := b.run("echo another deployment")
	for _, args := range [][]string{nil, {"--force"}} {
		if _, words, err := aod(t, nil, append([]string{"restore", file, "--data-dir", b.dir}, args...)...); err == nil || !strings.Contains(words, "a server is using "+b.dir+": stop it") {
			t.Errorf("%q %v", words, err)
		}
	}
	b.get("/sessions/" + later).want(200)
	if err := b.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, words, err := aod(t, nil, "restore", file, "--data-dir", b.dir)
	if err == nil || !strings.Contains(words, "is not empty, it has aod.db, ") || !strings.Contains(words, "--force") {
		t.Errorf("%q %v", words, err)
	}
	said, words, err := aod(t, nil, "restore", file, "--force", "--data-dir", b.dir)
	if err != nil {
		t.Fatal(words, err)
	}
	_, aside, found := strings.Cut(strings.TrimSpace(said), "What was there before is in ")
	if !found || !strings.HasPrefix(aside, b.dir+"/before-restore-") {
		t.Fatalf("%q", said)
	}
	left := b.sprites()
	if !strings.Contains(left, later) {
		t.Errorf("Sprites: %q", left)
	}
	c := spawnIn(t, b.dir, os.Getuid())
	if got := output(c.stream(session).rest(), "stdout", 1); got != "kept\n" {
		t.Errorf("%q", got)
	}
	c.get("/sessions/" + later).want(404)
	if got := c.sprites(); got != left {
		t.Errorf("Sprites were %q and are %q", left, got)
	}
	name := strings.TrimPrefix(left, "aod-")[:8]
	listed, words, err := aod(t, nil, "sprites", "list", "--deployment", name, "--data-dir", b.dir)
	if err != nil || !strings.Contains(listed, later) {
		t.Errorf("%q %q %v", listed, words, err)
	}
	if _, words, err := aod(t, nil, "sprites", "destroy", later, "--data-dir", b.dir); err == nil {
		t.Errorf("%q %v", words, err)
	}
	if _, words, err := aod(t, nil, "sprites", "destroy", "--deployment", name, later, "--data-dir", b.dir); err != nil || c.sprites() != "" {
		t.Errorf("%q %v", words, err)
	}
	for _, file := range []string{"aod.db", "key"} {
		if _, err := os.Stat(filepath.Join(aside, file)); err != nil {
			t.Error(err)
		}
	}
	old := spawnIn(t, aside, os.Getuid())
	if got := output(old.stream(later).rest(), "stdout", 1); got != "another deployment\n" {
		t.Errorf("%q", got)
	}
}

// Where a restore was cut while it put its files in place, nothing is opened until it is
// given again.
func TestHalfRestoredIsNotServed(t *testing.T) {
	t.Parallel()
	a, session, file := saved(t)
	if err := os.WriteFile(filepath.Join(a.dir, "restoring"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--addr", "127.0.0.1:0"}, {"token", "list"}, {"key", "rotate"}} {
		if _, words, err := aod(t, nil, append(args, "--data-dir", a.dir)...); err == nil || !strings.Contains(words, "a restore into "+a.dir+" was cut before its end: give it again, with --force") {
			t.Errorf("%q %v", words, err)
		}
	}
	if _, words, err := aod(t, nil, "restore", file, "--force", "--data-dir", a.dir); err != nil {
		t.Fatal(words, err)
	}
	b := spawnIn(t, a.dir, os.Getuid())
	b.get("/sessions/" + session).want(200)
}

// A restore that is killed at any instant leaves a data directory that is the old one, the
// new one, or one that nobody opens until the restore is given again; nothing is lost.
func TestRestoreUnderKills(t *testing.T) {
	t.Parallel()
	a, session, file := saved(t)
	kills := 0
	for kills < 15 {
		cmd := exec.Command(binary, "restore", file, "--force", "--data-dir", a.dir)
		cmd.Env = []string{"HOME=" + t.TempDir()}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(rand.IntN(25_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			kills++
		}
		timer.Stop()
		if listed, words, err := aod(t, nil, "token", "list", "--data-dir", a.dir); err != nil && !strings.Contains(words, "was cut before its end: give it again, with --force") {
			t.Fatalf("%q %v", words, err)
		} else if err == nil && !strings.Contains(listed, "bootstrap") {
			t.Fatalf("another database has been made: %s", listed)
		}
	}
	if _, words, err := aod(t, nil, "restore", file, "--force", "--data-dir", a.dir); err != nil {
		t.Fatal(words, err)
	}
	if left, err := filepath.Glob(filepath.Join(a.dir, ".staging*")); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
	b := spawnIn(t, a.dir, os.Getuid())
	if got := output(b.stream(session).rest(), "stdout", 1); got != "kept\n" {
		t.Errorf("%q", got)
	}
	aside, err := filepath.Glob(filepath.Join(a.dir, "before-restore-*", "aod.db"))
	if err != nil || len(aside) == 0 {
		t.Errorf("%v %v", aside, err)
	}
}
