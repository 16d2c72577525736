package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"
)

func testKeys(t testing.TB, fill byte) *Keyring {
	t.Helper()
	keys, err := ParseKeys(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(fill), keySize))))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func testStore(t testing.TB) *Store {
	t.Helper()
	return reopen(t, filepath.Join(t.TempDir(), "aod.db"))
}

func reopen(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: path, Keys: testKeys(t, 'k'), MaxSessions: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func testUser(t testing.TB, s *Store, name string) string {
	t.Helper()
	user, err := s.EnsureUser(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return user.ID
}

func testAgent(t testing.TB, s *Store, user string) *Agent {
	t.Helper()
	agent, err := s.CreateAgent(t.Context(), user, AgentSpec{Name: "a", Model: "local/bash", Runtime: "shell"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return agent
}

func anyAgent(*Agent) error { return nil }

func testSession(t testing.TB, s *Store, user string) *Session {
	t.Helper()
	session, err := s.CreateSession(t.Context(), user, SessionSpec{
		AgentID: testAgent(t, s, user).ID, Prompt: "p", Timeout: 60, Resources: []Resource{},
		Variables: map[string]Secret{"TOKEN": NewSecret("xyzzy")},
	}, anyAgent, nil)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, filepath.Join(dir, "aod.db"))
	testUser(t, s, "u")
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aod.db")
	if err := reopen(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Path: path, Keys: testKeys(t, 'x')})
	if !errors.Is(err, errSealed) {
		t.Fatalf("got %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aod.db")
	s := reopen(t, path)
	if err := s.writers.Exec("PRAGMA user_version = 999").Error; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Path: path, Keys: testKeys(t, 'k')}); err == nil || !strings.Contains(err.Error(), "newer aod") {
		t.Fatalf("got %v", err)
	}
}

// A caller whose change fails undoes nobody else's, however they were batched.
func TestOneFailureLeavesTheRestOfTheBatch(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	var group sync.WaitGroup
	var good atomic.Int64
	for i := range 200 {
		group.Go(func() {
			err := s.write(context.Background(), func(tx *gorm.DB, now Micros) error {
				if err := tx.Exec("INSERT INTO users (id, name, created_at) VALUES (?, ?, ?)", fmt.Sprint(i), fmt.Sprint(i), now).Error; err != nil {
					return err
				}
				if i%4 == 0 {
					return Conflict("no")
				}
				if i%4 == 1 {
					panic("worse")
				}
				return nil
			})
			if err == nil {
				good.Add(1)
			}
		})
	}
	group.Wait()
	var stored int64
	if err := s.read(t.Context()).Table("users").Count(&stored).Error; err != nil || stored != 100 || good.Load() != 100 {
		t.Fatalf("%d stored, %d told so, want 100: %v", stored, good.Load(), err)
	}
}

// When SQLite itself ends the transaction, nobody in the batch is told of success,
// and nothing of it is stored, also not by the jobs behind the one that broke it.
func TestFullDiskStoresNothingOfTheBatch(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	insert := func(name string) func(tx *gorm.DB) error {
		return func(tx *gorm.DB) error {
			return tx.Exec("INSERT INTO users (id, name, created_at) VALUES (?, ?, 0)", name, name).Error
		}
	}
	batch := []*write{
		{do: insert("before")},
		{do: func(tx *gorm.DB) error {
			if err := tx.Exec("PRAGMA max_page_count = 1").Error; err != nil {
				return err
			}
			full := tx.Exec("INSERT INTO settings (name, value) VALUES ('big', zeroblob(50000000))").Error
			return errors.Join(full, tx.Exec("PRAGMA max_page_count = 1073741823").Error)
		}},
		{do: insert("after")},
	}
	for _, job := range batch {
		job.ctx, job.done = t.Context(), make(chan struct{})
	}
	s.writer.close() // the test takes its place
	s.writer.commit(batch)
	for i, job := range batch {
		if job.err == nil {
			t.Errorf("job %d is told that it is stored", i)
		}
	}
	var stored int64
	if err := s.read(t.Context()).Table("users").Count(&stored).Error; err != nil || stored != 0 {
		t.Errorf("%d users stored: %v", stored, err)
	}
}

func TestConcurrentUpdatesHaveOneWinner(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	user := testUser(t, s, "u")
	agent := testAgent(t, s, user)
	var group sync.WaitGroup
	var won, lost atomic.Int64
	for i := range 16 {
		group.Go(func() {
			_, err := s.UpdateAgent(context.Background(), user, agent.ID, 1, nil, func(spec *AgentSpec) error {
				spec.Name = fmt.Sprint("name ", i)
				return nil
			})
			switch refusal := (*Error)(nil); {
			case err == nil:
				won.Add(1)
			case errors.As(err, &refusal) && refusal.Text == "Version mismatch: expected 2, got 1":
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 || lost.Load() != 15 {
		t.Fatalf("%d won, %d lost", won.Load(), lost.Load())
	}
	versions, err := s.AgentVersions(t.Context(), user, agent.ID)
	if err != nil || len(versions) != 2 || versions[0].Version != 2 || versions[1].Name != "a" {
		t.Fatal(versions, err)
	}
}

func TestUpdateThatChangesNothingWritesNothing(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	user := testUser(t, s, "u")
	env, err := s.CreateEnvironment(t.Context(), user, EnvironmentSpec{
		Name: "e", Packages: map[string][]string{"pip": {"x"}}, EnvVars: map[string]Secret{"A": NewSecret("1")}, Networking: []byte(`{"type":"unrestricted"}`),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	same, err := s.UpdateEnvironment(t.Context(), user, env.ID, 1, func(spec *EnvironmentSpec) {
		spec.EnvVars = map[string]Secret{"A": NewSecret("1")}
	})
	if err != nil || same.Version != 1 || same.UpdatedAt != env.UpdatedAt {
		t.Fatalf("%+v, %v", same, err)
	}
	changed, err := s.UpdateEnvironment(t.Context(), user, env.ID, 1, func(spec *EnvironmentSpec) {
		spec.EnvVars = map[string]Secret{"A": NewSecret("2")}
	})
	if err != nil || changed.Version != 2 {
		t.Fatalf("%+v, %v", changed, err)
	}
}

func TestDeletedEnvironmentIsDetachedWithoutNewVersion(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	user := testUser(t, s, "u")
	env, err := s.CreateEnvironment(t.Context(), user, EnvironmentSpec{Name: "it's", Networking: []byte(`{}`)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	agent, err := s.CreateAgent(t.Context(), user, AgentSpec{Name: "a", EnvironmentID: &env.ID}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateEnvironment(t.Context(), user, EnvironmentSpec{Name: "it's", Networking: []byte(`{}`)}, nil)
	if err == nil || err.Error() != `An active environment named "it's" already exists` {
		t.Fatal(err)
	}
	if err := s.DeleteEnvironment(t.Context(), user, env.ID); err != nil {
		t.Fatal(err)
	}
	agent, err = s.Agent(t.Context(), user, agent.ID)
	if err != nil || agent.EnvironmentID != nil || agent.Version != 1 {
		t.Fatal(agent, err)
	}
}

func TestSomebodyElsesRowIsMissing(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	owner, other := testUser(t, s, "owner"), testUser(t, s, "other")
	session := testSession(t, s, owner)
	_, agentErr := s.Agent(t.Context(), other, *session.AgentID)
	_, sessionErr := s.Session(t.Context(), other, session.ID)
	_, turnsErr := s.Turns(t.Context(), other, session.ID)
	for _, err := range []error{agentErr, sessionErr, turnsErr, s.TerminateSession(t.Context(), other, session.ID), s.DeleteSession(t.Context(), other, session.ID)} {
		if refusal := (*Error)(nil); !errors.As(err, &refusal) || refusal.Kind != KindNotFound {
			t.Errorf("got %v", err)
		}
	}
}

func TestQuotaIsExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	s := testStore(t) // quota 5
	user := testUser(t, s, "u")
	agent := testAgent(t, s, user)
	var group sync.WaitGroup
	var created atomic.Int64
	for range 50 {
		group.Go(func() {
			_, err := s.CreateSession(context.Background(), user, SessionSpec{AgentID: agent.ID, Timeout: 60, Resources: []Resource{}}, anyAgent, nil)
			switch refusal := (*Error)(nil); {
			case err == nil:
				created.Add(1)
			case !errors.As(err, &refusal) || refusal.Kind != KindQuota || refusal.Limit != 5 || refusal.Active != 5:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if created.Load() != 5 {
		t.Fatalf("%d sessions, want 5", created.Load())
	}
}

func TestRowsAreNumberedWithoutGapsAndComeBackAsAppended(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aod.db")
	s := reopen(t, path)
	session := testSession(t, s, testUser(t, s, "u"))
	var want []Frame
	for range 3 {
		span, err := s.AppendRows(t.Context(), session.ID, 1, Progress{Stdout: 3},
			Row{Stage: StageEnvFile, State: StageDone, Took: 5 * time.Millisecond}, Row{Turn: 1, Stream: Stdout, Data: "é\x85\u2028\xff\U0001f600\""})
		if err != nil || span.After != int64(len(want)) {
			t.Fatal(span, err)
		}
		want = append(want, span.Frames...)
	}
	if text := string(want[0].Data); text != "id: 1\ndata: {\"type\": \"stage\", \"id\": 1, \"stage\": \"env_file\", \"state\": \"done\", \"duration_ms\": 5}\n\n" {
		t.Errorf("stage: %s", text)
	}
	if text := string(want[1].Data); text != "id: 2\ndata: {\"type\": \"output\", \"id\": 2, \"stream\": \"stdout\", \"data\": \"\\u00e9\\ufffd\\u2028\\ufffd\\ud83d\\ude00\\\"\", \"turn\": 1}\n\n" {
		t.Errorf("output: %s", text)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := reopen(t, path).FramesAfter(t.Context(), session.ID, 2, 100)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want[2:]) {
		t.Fatalf("got %v, want %v: %v", got, want[2:], err)
	}
}

// A turn is started once, and what ends afterwards does not move a terminated
// session.
func TestTerminatedSessionStaysTerminated(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	user := testUser(t, s, "u")
	session := testSession(t, s, user)
	start := Row{Stage: StageRuntimeStart, State: StageStarted}
	if err := s.AssignSprite(t.Context(), session.ID, "sprite"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.StartTurn(t.Context(), session.ID, 1, start); err != nil {
		t.Fatal(err)
	}
	if _, err := s.StartTurn(t.Context(), session.ID, 1, start); !errors.Is(err, ErrTooLate) {
		t.Fatalf("started twice: %v", err)
	}
	if err := s.TerminateSession(t.Context(), user, session.ID); err != nil {
		t.Fatal(err)
	}
	zero := 0
	if _, err := s.EndTurn(t.Context(), session.ID, 1, Outcome{Status: StatusCompleted, ExitCode: &zero}); err != nil {
		t.Fatal(err)
	}
	row, err := s.Session(t.Context(), user, session.ID)
	if err != nil || row.Status != StatusTerminated || row.ExitCode != nil || row.Sprite != "" {
		t.Fatalf("%+v, %v", row, err)
	}
	turns, err := s.Turns(t.Context(), user, session.ID)
	if err != nil || turns[0].Status != StatusCompleted || *turns[0].ExitCode != 0 {
		t.Fatal(turns, err)
	}
	if doomed, err := s.Doomed(t.Context()); err != nil || len(doomed) != 1 || doomed[0] != "sprite" {
		t.Fatal(doomed, err)
	}
	if err := s.TerminateSession(t.Context(), user, session.ID); err == nil || err.Error() != "Session is already terminated" {
		t.Fatal(err)
	}
}

func TestSecretsAreSealedAndEndWithTheSession(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aod.db")
	s := reopen(t, path)
	user := testUser(t, s, "u")
	session := testSession(t, s, user)
	brief, err := s.Brief(t.Context(), session.ID, 1)
	if err != nil || brief.Variables["TOKEN"].Reveal() != "xyzzy" {
		t.Fatal(brief, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", brief, brief, brief); strings.Contains(text, "xyzzy") {
		t.Error("printing a brief prints its secrets")
	}
	if err := s.TerminateSession(t.Context(), user, session.ID); err != nil {
		t.Fatal(err)
	}
	var left int64
	if err := s.read(t.Context()).Table("session_secrets").Count(&left).Error; err != nil || left != 0 {
		t.Fatalf("%d secrets left, %v", left, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + "-wal"} {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), "xyzzy") {
			t.Errorf("%s holds a secret in the clear", file)
		}
	}
}

func TestTokenChecksInOrder(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := testStore(t)
	s.now = func() time.Time { return now }
	secret, token, err := s.CreateToken(t.Context(), "u", "laptop", time.Hour)
	if err != nil || !strings.HasPrefix(secret.Reveal(), token.Prefix) || len(secret.Reveal()) != 47 {
		t.Fatal(token, err)
	}
	if _, err := s.Authenticate(t.Context(), secret.Reveal()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), "aod_x"); err == nil || err.Error() != "Invalid API key" {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if _, err := s.Authenticate(t.Context(), secret.Reveal()); err == nil || err.Error() != "API key has expired" {
		t.Fatal(err)
	}
	if err := s.RevokeToken(t.Context(), token.Prefix); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), secret.Reveal()); err == nil || err.Error() != "API key is inactive" {
		t.Fatal(err)
	}
}

func BenchmarkCreateAgent(b *testing.B) {
	s := testStore(b)
	user := testUser(b, s, "u")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.CreateAgent(context.Background(), user, AgentSpec{Name: "a", Model: "local/bash", Runtime: "shell"}, nil); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkAppendRows(b *testing.B) {
	s := testStore(b)
	session := testSession(b, s, testUser(b, s, "u"))
	rows := make([]Row, 64)
	for i := range rows {
		rows[i] = Row{Turn: 1, Stream: Stdout, Data: strings.Repeat("x", 200)}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.AppendRows(context.Background(), session.ID, 1, Progress{Stdout: 64 * 200}, rows...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(rows))/b.Elapsed().Seconds(), "rows/s")
}
