package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A snapshot is of one moment, also while rows are being written, and whole.
func TestSnapshotIsOfOneMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := withKeyFile(t, dir)
	user := testUser(t, s, "u")
	session := testSession(t, s, user)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.AppendRows(t.Context(), session.ID, 1, Progress{Stdout: 1}, Row{Turn: 1, Stream: Stdout, Data: fmt.Sprint(i)}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range 5 {
		path := filepath.Join(dir, fmt.Sprint("copy", i))
		if err := Snapshot(t.Context(), filepath.Join(dir, "aod.db"), path); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info, err)
		}
		d, err := Describe(t.Context(), path)
		if err != nil || d.Schema != SchemaVersion() || d.Deployment != s.Deployment() || d.Sessions != 1 {
			t.Errorf("%+v %v", d, err)
		}
		keys, err := KeyFile(filepath.Join(dir, "key"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := Open(t.Context(), Options{Path: path, Keys: keys, MaxSessions: 5})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		brief, err := c.Brief(t.Context(), session.ID, 1)
		if err != nil || brief.Session.LastRow != int64(d.Rows) || brief.Turn.StdoutOffset != int64(d.Rows) {
			t.Errorf("%d rows, %+v, %v", d.Rows, brief, err)
		}
	}
	close(stop)
	<-stopped
}

func TestSnapshotTakesNoFileThatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	withKeyFile(t, dir)
	path := filepath.Join(dir, "copy")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Snapshot(t.Context(), filepath.Join(dir, "aod.db"), path)
	if text, _ := os.ReadFile(path); err == nil || string(text) != "mine" {
		t.Errorf("%v, %q", err, text)
	}
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := withKeyFile(t, dir)
	testSecrets(t, s)
	path := filepath.Join(dir, "copy")
	if err := Snapshot(t.Context(), filepath.Join(dir, "aod.db"), path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text[8<<10:] {
		text[8<<10+i] ^= 0x55
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Describe(t.Context(), path); err == nil {
		t.Error("a damaged database is said to be whole")
	}
	if err := os.WriteFile(path, []byte("not a database, but long enough to be taken for one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Describe(t.Context(), path); err == nil || !strings.Contains(err.Error(), "database") {
		t.Error(err)
	}
}

// A database of an older version can be saved as it is, before the upgrade.
func TestOlderDatabaseIsSaved(t *testing.T) {
	t.Parallel()
	keys := testKeys(t, 'k')
	path := oldDatabase(t, 1, fmt.Sprintf(`PRAGMA user_version = 1;
		INSERT INTO settings (name, value) VALUES ('deployment', CAST('0123abcd' AS BLOB)), ('canary', x'%x')`, keys.seal([]byte(canary), settingCanary)))
	to := filepath.Join(t.TempDir(), "copy")
	if err := Snapshot(t.Context(), path, to); err != nil {
		t.Fatal(err)
	}
	if d, err := Describe(t.Context(), to); err != nil || d != (Description{Schema: 1, Deployment: "0123abcd"}) {
		t.Errorf("%+v %v", d, err)
	}
	if err := CheckSealed(t.Context(), to, keys); err != nil {
		t.Error(err)
	}
	if err := CheckSealed(t.Context(), to, testKeys(t, 'x')); !errors.Is(err, errSealed) {
		t.Error(err)
	}
	if d, err := Describe(t.Context(), path); err != nil || d.Schema != 1 {
		t.Errorf("it has been changed: %+v %v", d, err)
	}
	if s := reopen(t, to); s.Deployment() != "0123abcd" {
		t.Error(s.Deployment())
	}
}

// A copy is of use only with every key that its values need.
func TestMissingKeysAreFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := withKeyFile(t, dir)
	testSecrets(t, s)
	path := filepath.Join(dir, "copy")
	old, err := KeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	old.file.path = filepath.Join(dir, "nowhere") // so it stays what it was
	if err := s.AddKey(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateAgent(t.Context(), testUser(t, s, "u"), someSpec, nil); err != nil {
		t.Fatal(err)
	}
	if err := Snapshot(t.Context(), filepath.Join(dir, "aod.db"), path); err != nil {
		t.Fatal(err)
	}
	if err := CheckSealed(t.Context(), path, s.keys); err != nil {
		t.Error(err)
	}
	for _, keys := range []*Keyring{old, testKeys(t, 'x')} {
		if err := CheckSealed(t.Context(), path, keys); !errors.Is(err, errSealed) {
			t.Error(err)
		}
	}
}

// A restored database is a deployment of its own: nothing that it does can reach a Sprite
// of the one that it is a copy of.
func TestRestoredDatabaseHasNoSprites(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	user := testUser(t, s, "u")
	agent := testAgent(t, s, user).ID
	completed := testCompleted(t, s, user, agent)
	pending, running := testSession(t, s, user), testSession(t, s, user)
	if err := s.AssignSprite(t.Context(), running.ID, "sprite"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.StartTurn(t.Context(), running.ID, 1, Row{Stage: StageRuntimeStart, State: StageStarted}); err != nil {
		t.Fatal(err)
	}
	terminated := testCompleted(t, s, user, agent)
	if err := s.TerminateSession(t.Context(), user, terminated); err != nil {
		t.Fatal(err)
	}
	name := s.Deployment()
	if err := s.Depart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Deployment() == name || len(s.Deployment()) != 8 {
		t.Errorf("it is still %s", s.Deployment())
	}
	for id, want := range map[string]Status{completed: StatusCompleted, pending.ID: StatusFailed, running.ID: StatusFailed, terminated: StatusTerminated} {
		if row, err := s.Session(t.Context(), user, id); err != nil || row.Status != want || row.Sprite != "" {
			t.Errorf("%+v %v, want %s", row, err, want)
		}
	}
	for _, id := range []string{pending.ID, running.ID} {
		frames, err := s.FramesAfter(t.Context(), id, 0, 10)
		if err != nil || len(frames) == 0 || !strings.Contains(string(frames[len(frames)-1].Data), "restored from a backup") {
			t.Errorf("%v %v", frames, err)
		}
	}
	if doomed, err := s.Doomed(t.Context()); err != nil || len(doomed) > 0 {
		t.Errorf("%v are to be destroyed, %v", doomed, err)
	}
	if released, err := s.ReleaseIdle(t.Context(), -time.Hour); err != nil || len(released) > 0 {
		t.Errorf("%v %v", released, err)
	}
}
