package store

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// testCompleted makes a session with a Sprite named after it whose only turn is over.
func testCompleted(t *testing.T, s *Store, user, agent string) string {
	t.Helper()
	spec := SessionSpec{AgentID: agent, Prompt: "p", Timeout: 60, Variables: map[string]Secret{"KEY": NewSecret("hush")}}
	session, err := s.CreateSession(t.Context(), user, spec, func(*Agent) error { return nil }, nil)
	if err == nil {
		err = s.AssignSprite(t.Context(), session.ID, "sprite-"+session.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	testEnd(t, s, session.ID, 1)
	return session.ID
}

func testEnd(t *testing.T, s *Store, session string, turn int) {
	t.Helper()
	if _, err := s.StartTurn(t.Context(), session, turn, Row{Stage: StageRuntimeStart, State: StageStarted}); err != nil {
		t.Fatal(err)
	}
	code := 0
	if _, err := s.EndTurn(t.Context(), session, turn, Outcome{Status: StatusCompleted, ExitCode: &code}); err != nil {
		t.Fatal(err)
	}
}

// A completed session keeps its Sprite until it has been idle for long enough, counted
// from its last turn; then it gives up all that only a next turn would need.
func TestIdleSessionGivesUpItsSprite(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "aod.db"), Keys: testKeys(t, 'k'), MaxSessions: 500, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	user := testUser(t, s, "u")
	agent := testAgent(t, s, user).ID
	release := func(want ...string) {
		t.Helper()
		got, err := s.ReleaseIdle(t.Context(), time.Hour)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("released %v, want %v, %v", got, want, err)
		}
	}
	idle, again := testCompleted(t, s, user, agent), testCompleted(t, s, user, agent)
	pending, err := s.CreateSession(t.Context(), user, SessionSpec{AgentID: agent, Timeout: 60}, func(*Agent) error { return nil }, nil)
	if err == nil {
		err = s.AssignSprite(t.Context(), pending.ID, "sprite-"+pending.ID)
	}
	running, runningErr := s.AddTurn(t.Context(), user, testCompleted(t, s, user, agent), "p", 60, nil)
	if err := errors.Join(err, runningErr); err != nil {
		t.Fatal(running, err)
	}
	now = now.Add(time.Hour - time.Microsecond)
	release()
	if _, err := s.AddTurn(t.Context(), user, again, "p", 60, nil); err != nil {
		t.Fatal(err)
	}
	testEnd(t, s, again, 2)
	before, err := s.Session(t.Context(), user, idle)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Microsecond)
	release(idle)
	release()
	after, err := s.Session(t.Context(), user, idle)
	if err != nil || after.Status != StatusCompleted || after.UpdatedAt != before.UpdatedAt || after.Sprite != "" {
		t.Errorf("%+v %v", after, err)
	}
	doomed, err := s.Doomed(t.Context())
	if err != nil || !slices.Equal(doomed, []string{"sprite-" + idle}) {
		t.Errorf("%v %v", doomed, err)
	}
	var secrets int64
	if err := s.read(t.Context()).Table("session_secrets").Where("session_id = ?", idle).Count(&secrets).Error; err != nil || secrets != 0 {
		t.Errorf("%d secrets, %v", secrets, err)
	}
	if _, err := s.AddTurn(t.Context(), user, idle, "p", 60, nil); err == nil || err.Error() != "Session backend is no longer available; start a new session." {
		t.Error(err)
	}
	now = now.Add(time.Hour)
	release(again)
}

// More sessions than fit into one transaction.
func TestManyIdleSessionsAtOnce(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	user := testUser(t, s, "u")
	agent := testAgent(t, s, user).ID
	want := make([]string, idleBatch+10)
	for i := range want {
		want[i] = testCompleted(t, s, user, agent)
	}
	got, err := s.ReleaseIdle(t.Context(), 0)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d of %d, %v", len(got), len(want), err)
	}
}

// Of a prompt and a release at the same moment exactly one wins.
func TestPromptRacesRelease(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	user := testUser(t, s, "u")
	agent := testAgent(t, s, user).ID
	for range 50 {
		id := testCompleted(t, s, user, agent)
		var released []string
		var prompted, failed error
		var both sync.WaitGroup
		both.Go(func() { released, failed = s.ReleaseIdle(t.Context(), 0) })
		both.Go(func() { _, prompted = s.AddTurn(t.Context(), user, id, "p", 60, nil) })
		both.Wait()
		session, err := s.Session(t.Context(), user, id)
		if err := errors.Join(failed, err); err != nil {
			t.Fatal(err)
		}
		switch won := slices.Contains(released, id); {
		case won == (prompted == nil):
			t.Fatalf("released: %v, prompt: %v", won, prompted)
		case won && (session.Sprite != "" || !strings.Contains(prompted.Error(), "no longer available")):
			t.Fatalf("%+v, prompt: %v", session, prompted)
		case !won && (session.Sprite == "" || session.Status != StatusPending):
			t.Fatalf("%+v", session)
		case !won:
			testEnd(t, s, id, 2)
		}
	}
}

// Only a Sprite that no session owns or is about to own can be doomed, and once.
func TestOnlyOrphansAreDoomed(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	user := testUser(t, s, "u")
	agent := testAgent(t, s, user).ID
	completed := testCompleted(t, s, user, agent)
	pending, err := s.CreateSession(t.Context(), user, SessionSpec{AgentID: agent, Timeout: 60}, func(*Agent) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	doom := func(session string, want error) {
		t.Helper()
		if err := s.Doom(t.Context(), "sprite-"+session, session); err != want {
			t.Errorf("%s: %v, want %v", session, err, want)
		}
	}
	doom(completed, ErrTooLate)
	doom(pending.ID, ErrTooLate)
	doom("nobody", nil)
	doom("nobody", ErrTooLate)
	if owned, err := s.OwnedSprites(t.Context()); err != nil || len(owned) != 1 || !owned["sprite-"+completed] {
		t.Errorf("%v %v", owned, err)
	}
	if err := s.TerminateSession(t.Context(), user, pending.ID); err != nil {
		t.Fatal(err)
	}
	doom(pending.ID, nil)
	if doomed, err := s.Doomed(t.Context()); err != nil || !slices.Equal(doomed, []string{"sprite-nobody", "sprite-" + pending.ID}) {
		t.Errorf("%v %v", doomed, err)
	}
}
