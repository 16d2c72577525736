package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

func wantCounts(t *testing.T, s *Store, pending, running, completed, failed, terminated int64) {
	t.Helper()
	got, err := s.CountSessions(t.Context())
	want := map[Status]int64{StatusPending: pending, StatusRunning: running, StatusCompleted: completed, StatusFailed: failed, StatusTerminated: terminated}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v %v, want %v", got, err, want)
	}
}

func TestSessionsAreCountedThroughTheirLives(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	user := testUser(t, s, "u")
	agent := testAgent(t, s, user)
	wantCounts(t, s, 0, 0, 0, 0, 0)
	create := func() *Session {
		session, err := s.CreateSession(t.Context(), user, SessionSpec{AgentID: agent.ID, Prompt: "p", Timeout: 60}, func(*Agent) error { return nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		return session
	}
	run := func(session *Session, status Status) {
		if err := s.AssignSprite(t.Context(), session.ID, "s-"+session.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.StartTurn(t.Context(), session.ID, 1, Row{Stage: StageRuntimeStart, State: StageStarted}); err != nil {
			t.Fatal(err)
		}
		if status == StatusRunning {
			return
		}
		if _, err := s.EndTurn(t.Context(), session.ID, 1, Outcome{Status: status, Rows: []Row{{Turn: 1, Stream: Stdout, Data: "x"}}}); err != nil {
			t.Fatal(err)
		}
	}
	create()
	run(create(), StatusRunning)
	good, bad, ended := create(), create(), create()
	wantCounts(t, s, 4, 1, 0, 0, 0)
	run(good, StatusCompleted)
	run(bad, StatusFailed)
	if err := s.TerminateSession(t.Context(), user, ended.ID); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s, 1, 1, 1, 1, 1)
	if owned, doomed, err := s.CountSprites(t.Context()); owned != 2 || doomed != 1 || err != nil {
		t.Errorf("sprites: %d owned, %d doomed, %v", owned, doomed, err)
	}
	if _, err := s.AddTurn(t.Context(), user, good.ID, "again", 60, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteSession(t.Context(), user, bad.ID); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s, 2, 1, 0, 0, 1)

	rows, bytes := s.Stored()
	var stored, size uint64
	if err := s.readers.Raw("SELECT count(*), sum(length(frame)) FROM rows").Row().Scan(&stored, &size); err != nil {
		t.Fatal(err)
	}
	if lost := uint64(len(Row{Stage: StageRuntimeStart, State: StageStarted}.render(1)) + len(Row{Turn: 1, Stream: Stdout, Data: "x"}.render(2))); rows != stored+2 || bytes != size+lost {
		t.Errorf("%d rows of %d bytes were counted, %d of %d are there besides two that were deleted", rows, bytes, stored, size)
	}
	if database, log, err := s.Size(); database == 0 || log == 0 || err != nil {
		t.Errorf("%d %d %v", database, log, err)
	}
}

func TestSessionsOfOlderVersionsAreCounted(t *testing.T) {
	t.Parallel()
	s := reopen(t, oldDatabase(t, 7, `
		PRAGMA user_version = 7;
		INSERT INTO users (id, name, created_at) VALUES ('u', 'u', 1);
		INSERT INTO sessions (id, user_id, agent_version, environment_version, runtime, model, status, resources, runtime_session_id, turn_count, created_at, updated_at)
			VALUES ('a', 'u', 1, 0, 'shell', 'm', 'failed', '[]', 'r', 1, 1, 1), ('b', 'u', 1, 0, 'shell', 'm', 'failed', '[]', 'r', 1, 1, 1), ('c', 'u', 1, 0, 'shell', 'm', 'completed', '[]', 'r', 1, 1, 1);`))
	wantCounts(t, s, 0, 0, 1, 2, 0)
}

func TestEveryCommitIsTold(t *testing.T) {
	t.Parallel()
	var commits, callers, took atomic.Int64
	s, err := Open(t.Context(), Options{Path: t.TempDir() + "/aod.db", Keys: testKeys(t, 'k'), MaxSessions: 5, Committed: func(n int, d time.Duration) {
		commits.Add(1)
		callers.Add(int64(n))
		took.Add(int64(d))
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		testUser(t, s, fmt.Sprint("u", i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if commits.Load() != 4 || callers.Load() != 4 || took.Load() <= 0 { // the first is that of the settings
		t.Errorf("%d commits of %d callers in %v", commits.Load(), callers.Load(), time.Duration(took.Load()))
	}
}

// What a scrape asks of a store with 100000 sessions.
func BenchmarkCounts(b *testing.B) {
	s := testStore(b)
	user := testUser(b, s, "u")
	err := s.writers.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
		INSERT INTO sessions (id, user_id, agent_version, environment_version, runtime, model, status, resources, runtime_session_id, sprite, turn_count, created_at, updated_at)
		SELECT i, ?, 1, 0, 'shell', 'local/bash', iif(i % 50 = 0, 'completed', 'terminated'), '[]', i, iif(i % 50 = 0, 'aod-12345678-' || i, ''), 1, i, i FROM n`, user).Error
	if err != nil {
		b.Fatal(err)
	}
	for name, count := range map[string]func(ctx context.Context) error{
		"sessions": func(ctx context.Context) error { _, err := s.CountSessions(ctx); return err },
		"sprites":  func(ctx context.Context) error { _, _, err := s.CountSprites(ctx); return err },
		"by a scan": func(ctx context.Context) error {
			rows, err := s.query(ctx, "SELECT status, count(*) FROM sessions GROUP BY status")
			if err != nil {
				return err
			}
			_, err = collect(rows, 0, func(c *counted) []any { return []any{&c.Status, &c.N} })
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := count(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What counting adds to the life of a session.
func BenchmarkSessionLife(b *testing.B) {
	for _, counting := range []bool{false, true} {
		b.Run(fmt.Sprint("counted=", counting), func(b *testing.B) {
			s := testStore(b)
			if !counting {
				if err := s.writers.Exec("DROP TRIGGER sessions_counted_in; DROP TRIGGER sessions_counted_out; DROP TRIGGER sessions_counted_over").Error; err != nil {
					b.Fatal(err)
				}
			}
			user := testUser(b, s, "u")
			agent := testAgent(b, s, user)
			for b.Loop() {
				session, err := s.CreateSession(b.Context(), user, SessionSpec{AgentID: agent.ID, Prompt: "p", Timeout: 60}, func(*Agent) error { return nil }, nil)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.StartTurn(b.Context(), session.ID, 1, Row{Stage: StageRuntimeStart, State: StageStarted}); err != nil {
					b.Fatal(err)
				}
				if _, err := s.EndTurn(b.Context(), session.ID, 1, Outcome{Status: StatusCompleted}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
