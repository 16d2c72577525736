package tests

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

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
