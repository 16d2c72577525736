package store

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gorm.io/gorm"
)

// withKeyFile opens the database and the key file of a folder, as one process does.
func withKeyFile(t *testing.T, dir string) *Store {
	t.Helper()
	keys, err := KeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Path: filepath.Join(dir, "aod.db"), Keys: keys, MaxSessions: 500})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var (
	someServer = json.RawMessage(`{"name":"n","type":"url","url":"u","headers":{"Authorization":"hush"}}`)
	someSpec   = AgentSpec{Name: "a", Model: "local/bash", Runtime: "shell", MCPServers: []json.RawMessage{someServer}}
)

func testKeyed(user string) Keyed {
	return Keyed{User: user, Path: "/agents", Key: "k", Request: sha256.Sum256([]byte("body"))}
}

// testSecrets makes a value in every place that has encrypted ones, and returns how to
// see that all of them can be read.
func testSecrets(t *testing.T, s *Store) (readable func(s *Store)) {
	t.Helper()
	user := testUser(t, s, "u")
	agent, err := s.CreateAgent(t.Context(), user, someSpec, nil)
	if err != nil {
		t.Fatal(err)
	}
	env, err := s.CreateEnvironment(t.Context(), user, EnvironmentSpec{Name: "e", EnvVars: map[string]Secret{"A": NewSecret("one")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := s.CreateSession(t.Context(), user, SessionSpec{AgentID: agent.ID, EnvironmentID: &env.ID, Timeout: 60, Variables: map[string]Secret{"B": NewSecret("two")}, Repositories: map[string]Secret{"/w": NewSecret("three")}}, anyAgent, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.KeepAnswer(t.Context(), testKeyed(user), Answer{Status: 201, Body: []byte("four")}); err != nil {
		t.Fatal(err)
	}
	return func(s *Store) {
		t.Helper()
		brief, err := s.Brief(t.Context(), session.ID, 1)
		if err != nil {
			t.Error(err)
			return
		}
		got := []string{string(brief.Agent.MCPServers[0]), brief.Environment.EnvVars["A"].Reveal(), brief.Variables["B"].Reveal(), brief.Repositories["/w"].Reveal()}
		if want := []string{string(someServer), "one", "two", "three"}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		if answer, err := s.Answered(t.Context(), testKeyed(user)); err != nil || answer == nil || string(answer.Body) != "four" {
			t.Errorf("%+v %v", answer, err)
		}
		if a, err := s.Agent(t.Context(), user, agent.ID); err != nil || len(a.MCPServers) != 1 {
			t.Errorf("%+v %v", a, err)
		}
		if err := s.CheckKeys(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A key is rotated by one process while another one goes on to read and to write: at every
// step both read everything, and at the end nothing needs the old key.
func TestKeysAreRotatedUnderARunningServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := withKeyFile(t, dir)
	readable := testSecrets(t, server)
	operator := withKeyFile(t, dir)
	old := server.Keys()

	if err := operator.AddKey(); err != nil {
		t.Fatal(err)
	}
	added := operator.Keys()
	if len(added) != 2 || added[1] != old[0] || !slices.Equal(server.Keys(), added) {
		t.Fatalf("%v, %v after %v", added, server.Keys(), old)
	}
	readable(server)
	if _, err := server.CreateAgent(t.Context(), testUser(t, server, "u"), someSpec, nil); err != nil {
		t.Fatal(err)
	}
	use, err := operator.KeyUse(t.Context())
	if err != nil || use[added[0]] != 2 || use[old[0]] != 8 {
		t.Fatalf("%v %v: what the server writes now is not encrypted with the new key", use, err)
	}
	if dropped, err := operator.DropKeys(t.Context()); err == nil || !strings.Contains(err.Error(), "are still encrypted with an older key") || len(dropped) > 0 || len(server.Keys()) != 2 {
		t.Errorf("a key that is needed was dropped: %v, %v", dropped, err)
	}
	if count, err := operator.Reseal(t.Context()); err != nil || count != 8 {
		t.Errorf("%d values were encrypted anew, %v", count, err)
	}
	readable(server)
	if count, err := operator.Reseal(t.Context()); err != nil || count != 0 {
		t.Errorf("%d values were encrypted once more, %v", count, err)
	}
	if dropped, err := operator.DropKeys(t.Context()); err != nil || !slices.Equal(dropped, old) {
		t.Errorf("dropped %v, %v", dropped, err)
	}
	readable(server)
	readable(withKeyFile(t, dir))
	if use, err := server.KeyUse(t.Context()); err != nil || len(use) != 1 || use[added[0]] != 10 {
		t.Errorf("%v %v", use, err)
	}
	if dropped, err := operator.DropKeys(t.Context()); err != nil || len(dropped) != 0 {
		t.Errorf("dropped %v, %v", dropped, err)
	}
}

// Whoever writes while keys are rotated and dropped again and again writes nothing that
// cannot be read.
func TestNothingIsWrittenWithADroppedKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, operator := withKeyFile(t, dir), withKeyFile(t, dir)
	user := testUser(t, server, "u")
	var writers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		writers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := server.CreateAgent(t.Context(), user, someSpec, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 10 {
		if err := operator.AddKey(); err != nil {
			t.Error(err)
		}
		if _, err := operator.Reseal(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := operator.DropKeys(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(done)
	writers.Wait()
	list, err := withKeyFile(t, dir).Agents(t.Context(), user, nil, Page{})
	if err != nil || len(list.Rows) == 0 {
		t.Errorf("%d agents, %v", len(list.Rows), err)
	}
}

func TestGivenKeysAreNotChanged(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	if err := s.AddKey(); !errors.Is(err, errGivenKeys) {
		t.Error(err)
	}
	if _, err := s.DropKeys(t.Context()); !errors.Is(err, errGivenKeys) {
		t.Error(err)
	}
}

// A key file that is replaced by nonsense, or removed, changes nothing for who has read it.
func TestBadKeyFileIsNotTakenOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := withKeyFile(t, dir)
	before := s.Keys()
	path := filepath.Join(dir, "key")
	for _, spoil := range []func() error{func() error { return os.WriteFile(path, []byte("nonsense"), 0o600) }, func() error { return os.Remove(path) }} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if err := s.CheckKeys(t.Context()); err != nil || !slices.Equal(s.Keys(), before) {
			t.Errorf("%v: %v", s.Keys(), err)
		}
	}
}

// The rotation knows every column that has encrypted values: their names begin so.
func TestVaultIsComplete(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	var found []string
	err := s.read(t.Context()).Raw(`SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name LIKE 'sealed%' ORDER BY 1`).Scan(&found).Error
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, c := range vault[1:] { // the first one is a setting
		known = append(known, c.table+"."+c.column)
	}
	if slices.Sort(known); !slices.Equal(found, known) {
		t.Errorf("the database has %v, the rotation knows %v", found, known)
	}
}

// A value that cannot be read is no reason to lose it: the rotation stops, and says where.
func TestRotationStopsAtWhatItCannotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := withKeyFile(t, dir)
	testSecrets(t, s)
	err := s.write(t.Context(), func(tx *gorm.DB, _ Micros) error {
		return tx.Exec("UPDATE session_secrets SET sealed = CAST(x'00112233' || randomblob(40) AS BLOB)").Error
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddKey(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reseal(t.Context()); err == nil || !strings.Contains(err.Error(), "session_secrets") {
		t.Error(err)
	}
	if _, err := s.DropKeys(t.Context()); err == nil {
		t.Error("the old key was dropped")
	}
}
