package tests

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// counting prints numbered lines for as long as its session lives.
const counting = `mkfifo gate; exec 9<>gate; i=0; until read -t 0.2 -u 9; do echo line $((++i)); done`

// A backup that is made while 50 sessions write is of one moment, and what is restored
// from it is whole: every row up to that moment, byte for byte, and no Sprite of anybody.
func TestBackupUnderFiftyRunningSessions(t *testing.T) {
	t.Parallel()
	a := spawnIn(t, dataDir(t), os.Getuid())
	agent := a.shell()
	secret := a.post("/environments", `{"name":"e","env_vars":{"PLAIN":"kept-in-the-backup"}}`).want(201)
	_, ended := a.run("echo over")
	ids := make([]string, 50)
	for i := range ids {
		ids[i] = a.in(agent, counting, "").want(202).text("id")
	}
	for _, id := range ids {
		a.stream(id).until(func(ev event) bool { return strings.Contains(ev.Data, "line 2\n") })
	}
	file := filepath.Join(t.TempDir(), "aod.tar")
	said, words, err := aod(t, nil, "backup", file, "--data-dir", a.dir)
	if err != nil || !strings.Contains(said, "with 51 sessions and ") || !strings.Contains(said, "Not in it: the disks of Sprites.") {
		t.Fatalf("%q %q %v", said, words, err)
	}
	dir := filepath.Join(dataDir(t), "new")
	said, words, err = aod(t, nil, "restore", file, "--data-dir", dir)
	if err != nil || !strings.Contains(said, "has 51 sessions and ") {
		t.Fatalf("%q %q %v", said, words, err)
	}
	checkDatabase(t, filepath.Join(dir, "aod.db"))
	b := spawnIn(t, dir, os.Getuid())
	for _, id := range ids {
		checkRestored(a, b, id)
	}
	if got := b.get("/environments/" + secret.text("id")).want(200).body; got != secret.body {
		t.Errorf("the environment is %s, was %s", got, secret.body)
	}
	b.get("/health").want(200)
	if said, words, err := aod(t, nil, "doctor", "--data-dir", dir); err != nil {
		t.Errorf("%s%s %v", said, words, err)
	}
	session := b.session("echo goes on")
	if got := output(b.stream(session).rest(), "stdout", 1); got != "goes on\n" {
		t.Errorf("a new session says %q", got)
	}
	for _, id := range ids { // those of the server that was saved have noticed nothing
		a.get("/sessions/"+id).has("status", `"running"`)
	}
	if end := ended[len(ended)-1]; end.Type != "exit" {
		t.Errorf("%+v", end)
	}
}

// checkDatabase fails the test unless SQLite and the rows' own numbers agree that the
// database at path, which nobody has open, is whole.
func checkDatabase(t *testing.T, path string) {
	t.Helper()
	db, err := gorm.Open(sqlite.Open(path), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for query, want := range map[string]string{
		"PRAGMA integrity_check":                          "ok",
		"SELECT count(*) FROM pragma_foreign_key_check()": "0",
		// Of each session there are the rows 1, 2, 3 … up to its last.
		"SELECT count(*) FROM sessions s WHERE last_row <> (SELECT count(*) FROM rows WHERE session = s.seq) OR last_row <> (SELECT coalesce(max(id), 0) FROM rows WHERE session = s.seq)": "0",
		"SELECT count(*) FROM sessions WHERE status IN ('pending', 'running') OR sprite <> ''":                                                                                             "0",
		"SELECT count(*) FROM session_secrets": "0",
	} {
		var got string
		if err := db.Raw(query).Row().Scan(&got); err != nil || got != want {
			t.Errorf("%s: %s, want %s %v", query, got, want, err)
		}
	}
}

// checkRestored fails the test unless the session has, in the restored server, the first
// rows that it has in the one that was saved, then a note, and has failed.
func checkRestored(saved, restored *api, id string) {
	saved.t.Helper()
	all := restored.stream(id)
	events := all.rest()
	rows := events[1 : len(events)-1]
	rows = slices.DeleteFunc(slices.Clone(rows), func(ev event) bool { return ev.Type == "turn_start" })
	lines := 0
	for i, ev := range rows {
		if ev.Number != int64(i+1) {
			saved.t.Errorf("session %s: row %d has id %d", id, i+1, ev.Number)
			return
		}
		if ev.Stream == "stdout" {
			for line := range strings.Lines(ev.Data) {
				if lines++; line != fmt.Sprintf("line %d\n", lines) {
					saved.t.Errorf("session %s: line %d is %q", id, lines, line)
				}
			}
		}
	}
	last, end := rows[len(rows)-1], events[len(events)-1]
	if lines < 2 || !strings.Contains(last.Data, "turn failed: the server was restored from a backup") || end.Type != "error" {
		saved.t.Errorf("session %s: %d lines, then %+v and %+v", id, lines, last, end)
	}
	now := saved.stream(id)
	now.until(func(ev event) bool { return ev.Number >= last.Number-1 && ev.Type != "turn_start" })
	same, _, _ := strings.Cut(all.raw.String(), fmt.Sprintf("id: %d\n", last.Number))
	if !strings.HasPrefix(now.raw.String(), same) {
		saved.t.Errorf("session %s was\n%s\nand is\n%s", id, now.raw.String(), same)
	}
	now.close()
	restored.get("/sessions/"+id).has("status", `"failed"`)
	if turns := restored.turns(id); len(turns) != 1 || turns[0].Status != "failed" {
		saved.t.Errorf("session %s has %+v", id, turns)
	}
}

// saved makes a server with a completed session, stops it, and backs it up.
func saved(t *testing.T, env ...string) (a *api, session, file string) {
	t.Helper()
	a = spawnIn(t, dataDir(t), os.Getuid(), env...)
	session, _ = a.run("echo kept")
	a.endSessions()
	file = filepath.Join(t.TempDir(), "aod.tar")
	if _, words, err := aod(t, env, "backup", file, "--data-dir", a.dir); err != nil {
		t.Fatal(words, err)
	}
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return a, session, file
}

func TestBackupIsForItsOwnerAndReplacesNothing(t *testing.T) {
	t.Parallel()
	a, _, file := saved(t)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	before, err := os.ReadFile(file)
	if err == nil {
		err = os.Mkdir(filepath.Join(a.dir, ".staging-of-one-that-was-killed"), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, words, err := aod(t, nil, "backup", file, "--data-dir", a.dir); err == nil || !strings.Contains(words, "is there already: choose another name, or replace it with --force") {
		t.Errorf("%q %v", words, err)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("the file has changed")
	}
	if _, words, err := aod(t, nil, "backup", file, "--force", "--data-dir", a.dir); err != nil {
		t.Error(words, err)
	}
	printed, words, err := aod(t, nil, "backup", "-", "--data-dir", a.dir)
	if names := fmt.Sprint(namesIn(t, printed)); err != nil || names != "[manifest.json aod.db key]" || !strings.Contains(words, "standard output has deployment ") {
		t.Errorf("%s %q %v", names, words, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
	if left, err := filepath.Glob(filepath.Join(a.dir, ".staging*")); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
	empty := t.TempDir()
	if _, words, err := aod(t, nil, "backup", "-", "--data-dir", empty); err == nil || !strings.Contains(words, "there is no database in ") {
		t.Errorf("%q %v", words, err)
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}

// namesIn lists the files of a backup.
func namesIn(t *testing.T, backup string) (names []string) {
	t.Helper()
	for r := tar.NewReader(strings.NewReader(backup)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Mode != 0o600 {
			t.Errorf("%s has mode %o", header.Name, header.Mode)
		}
		names = append(names, header.Name)
	}
}

// A key that is the operator's own is not in a backup, and without it nothing is restored.
func TestBackupHasNoKeyOfTheOperators(t *testing.T) {
	t.Parallel()
	key, _, err := aod(t, nil, "key", "generate")
	if err != nil {
		t.Fatal(err)
	}
	variable := "AOD_ENCRYPTION_KEY=" + strings.TrimSpace(key)
	a, session, file := saved(t, variable)
	said, words, err := aod(t, []string{variable}, "backup", file, "--force", "--data-dir", a.dir)
	if err != nil || !strings.Contains(said, "Not in it: the encryption key") {
		t.Errorf("%q %q %v", said, words, err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), strings.TrimSpace(key)) || fmt.Sprint(namesIn(t, string(text))) != "[manifest.json aod.db]" {
		t.Errorf("%v %v", namesIn(t, string(text)), err)
	}
	other, _, err := aod(t, nil, "key", "generate")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(dataDir(t), "new")
	for want, env := range map[string][]string{
		"set AOD_ENCRYPTION_KEY to the one of the server that was saved":                                     nil,
		"the encryption key does not open what the database holds; set AOD_ENCRYPTION_KEY to the key it was": {"AOD_ENCRYPTION_KEY=" + strings.TrimSpace(other)},
	} {
		if _, words, err := aod(t, env, "restore", file, "--data-dir", dir); err == nil || !strings.Contains(words, want) {
			t.Errorf("%q %v", words, err)
		}
	}
	if _, words, err := aod(t, []string{variable}, "restore", file, "--data-dir", dir); err != nil {
		t.Fatal(words, err)
	}
	b := spawnIn(t, dir, os.Getuid(), variable)
	if got := output(b.stream(session).rest(), "stdout", 1); got != "kept\n" {
		t.Errorf("%q", got)
	}
}

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
