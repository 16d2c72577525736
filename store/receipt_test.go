package store

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"
)

func testReceipt(user, body string) *Receipt[*Agent] {
	return &Receipt[*Agent]{
		Keyed:  Keyed{User: user, Path: "/agents", Key: "k", Request: sha256.Sum256([]byte(body))},
		Answer: func(made *Agent) (Answer, error) { return Answer{Status: 201, Body: []byte("made " + made.ID)}, nil },
	}
}

func countAgents(t *testing.T, s *Store, user string) int {
	t.Helper()
	list, err := s.Agents(t.Context(), user, nil, Page{})
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Rows)
}

// What is made and its answer are stored together or not at all, and the database
// itself refuses a second of the same key.
func TestReceiptComesWithWhatIsMade(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	user := testUser(t, s, "u")
	failing := testReceipt(user, "x")
	failing.Answer = func(*Agent) (Answer, error) { return Answer{}, errors.New("no answer") }
	if _, err := s.CreateAgent(t.Context(), user, AgentSpec{Name: "a"}, failing); err == nil || countAgents(t, s, user) != 0 {
		t.Errorf("%v, %d agents", err, countAgents(t, s, user))
	}
	agent, err := s.CreateAgent(t.Context(), user, AgentSpec{Name: "a"}, testReceipt(user, "x"))
	if err != nil {
		t.Fatal(err)
	}
	given, err := s.Answered(t.Context(), testReceipt(user, "x").Keyed)
	if err != nil || given == nil || given.Status != 201 || string(given.Body) != "made "+agent.ID {
		t.Errorf("%+v %v", given, err)
	}
	if _, err := s.Answered(t.Context(), testReceipt(user, "y").Keyed); err != errKeyReused {
		t.Errorf("another body: %v", err)
	}
	if _, err := s.CreateAgent(t.Context(), user, AgentSpec{Name: "a"}, testReceipt(user, "x")); err == nil || countAgents(t, s, user) != 1 {
		t.Errorf("a second: %v, %d agents", err, countAgents(t, s, user))
	}
	if other, err := s.Answered(t.Context(), testReceipt(testUser(t, s, "v"), "x").Keyed); other != nil || err != nil {
		t.Errorf("somebody else's: %v %v", other, err)
	}
}

// A key is free again after 24 hours, and what is too old is removed.
func TestReceiptLivesForADay(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := testStore(t)
	s.now = func() time.Time { return now }
	user := testUser(t, s, "u")
	if _, err := s.CreateAgent(t.Context(), user, AgentSpec{Name: "a"}, testReceipt(user, "x")); err != nil {
		t.Fatal(err)
	}
	now = now.Add(24*time.Hour - time.Microsecond)
	if given, err := s.Answered(t.Context(), testReceipt(user, "x").Keyed); given == nil || err != nil {
		t.Errorf("just before: %v %v", given, err)
	}
	now = now.Add(time.Microsecond)
	if given, err := s.Answered(t.Context(), testReceipt(user, "y").Keyed); given != nil || err != nil {
		t.Errorf("after a day: %v %v", given, err)
	}
	if _, err := s.CreateAgent(t.Context(), user, AgentSpec{Name: "b"}, testReceipt(user, "y")); err != nil {
		t.Error(err)
	}
	var kept int
	if err := s.read(t.Context()).Raw("SELECT count(*) FROM receipts").Scan(&kept).Error; err != nil || kept != 1 {
		t.Errorf("%d receipts are kept: %v", kept, err)
	}
}

// Noting the use of a token costs a write a minute at most.
func TestTokenUseIsNotedOnceAMinute(t *testing.T) {
	t.Parallel()
	now := time.UnixMicro(1_000_000_000_000_000)
	s := testStore(t)
	s.now = func() time.Time { return now }
	secret, _, err := s.CreateToken(t.Context(), "u", "laptop", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		want  time.Duration // since the beginning
	}{{0, 0}, {59 * time.Second, 0}, {time.Second, time.Minute}, {time.Hour, time.Hour + time.Minute}} {
		now = now.Add(step.after)
		token, err := s.Authenticate(t.Context(), secret.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Used(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		tokens, err := s.Tokens(t.Context())
		if err != nil || tokens[0].LastUsedAt == nil || tokens[0].LastUsedAt.Time().Sub(time.UnixMicro(1_000_000_000_000_000)) != step.want {
			t.Errorf("after %v: %v, want %v: %v", step.after, tokens[0].LastUsedAt, step.want, err)
		}
	}
}

// A page is found by an index: it costs the same at the end of a long list.
func TestPagesUseAnIndex(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	for table, index := range map[string]string{"agents": "agents_listed", "environments": "environments_listed", "sessions": "sessions_listed"} {
		where := "archived_at IS NULL AND "
		if table == "sessions" {
			where = ""
		}
		var plan []struct{ Detail string }
		err := s.read(t.Context()).Raw("EXPLAIN QUERY PLAN SELECT * FROM " + table + " WHERE " + where + "user_id = 'u' AND (created_at, seq) < (5, 5) ORDER BY created_at DESC, seq DESC LIMIT 3").Scan(&plan).Error
		if want := "SEARCH " + table + " USING INDEX " + index + " (user_id=? AND created_at<?)"; err != nil || len(plan) != 1 || plan[0].Detail != want {
			t.Errorf("%v %v, want %s", plan, err, want)
		}
	}
}
