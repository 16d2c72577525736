package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// The rows of a session that has ended for long enough go, all of them, and nothing else.
func TestOldRowsArePurged(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "aod.db"), Keys: testKeys(t, 'k'), MaxSessions: 500, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	user := testUser(t, s, "u")
	agent := testAgent(t, s, user).ID
	fill := func(session string, rows int) {
		for i := range rows {
			if _, err := s.AppendRows(t.Context(), session, 1, Progress{}, Row{Turn: 1, Stream: Stdout, Data: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	active, err := s.CreateSession(t.Context(), user, SessionSpec{AgentID: agent, Timeout: 60}, anyAgent, nil)
	if err != nil {
		t.Fatal(err)
	}
	fill(active.ID, 3)
	old, again := testCompleted(t, s, user, agent), testCompleted(t, s, user, agent)
	fill(old, 2*purgeBatch)
	fill(again, 4)
	now = now.Add(time.Hour)
	if _, err := s.AddTurn(t.Context(), user, again, "p", 60, nil); err != nil {
		t.Fatal(err)
	}
	testEnd(t, s, again, 2)
	young := testCompleted(t, s, user, agent)
	purge := func(unchanged time.Duration, want int64) {
		t.Helper()
		if got, err := s.PurgeRows(t.Context(), unchanged); err != nil || got != want {
			t.Errorf("purged %d rows, want %d: %v", got, want, err)
		}
	}
	left := func(session string, want int) {
		t.Helper()
		if frames, err := s.FramesAfter(t.Context(), session, 0, 10_000); err != nil || len(frames) != want {
			t.Errorf("%d rows are left, want %d: %v", len(frames), want, err)
		}
	}
	purge(time.Hour+time.Microsecond, 0)
	purge(time.Hour, 2*purgeBatch+1)
	left(old, 0)
	left(active.ID, 3)
	left(again, 6)
	left(young, 1)
	purge(time.Hour, 0)

	// Later rows are numbered on, and a reader of any of those that are gone continues with them.
	if _, err := s.AddTurn(t.Context(), user, old, "p", 60, nil); err != nil {
		t.Fatal(err)
	}
	testEnd(t, s, old, 2)
	for _, cursor := range []int64{0, 7, 2*purgeBatch + 1} {
		if frames, err := s.FramesAfter(t.Context(), old, cursor, 10); err != nil || len(frames) != 1 || frames[0].ID != 2*purgeBatch+2 {
			t.Errorf("after %d: %+v %v", cursor, frames, err)
		}
	}
	if session, err := s.Session(t.Context(), user, old); err != nil || session.TurnCount != 2 {
		t.Errorf("%+v %v", session, err)
	}
	purge(0, 1+6+1)
	left(active.ID, 3)

	// A session that was prompted after it was found keeps what it has.
	if _, err := s.AppendRows(t.Context(), old, 2, Progress{}, Row{Turn: 2, Stream: Stdout, Data: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddTurn(t.Context(), user, old, "p", 60, nil); err != nil {
		t.Fatal(err)
	}
	row, err := s.Session(t.Context(), user, old)
	if err != nil {
		t.Fatal(err)
	}
	if deleted, err := s.purge(t.Context(), row.Seq, micros(now)); err != nil || deleted != 0 {
		t.Errorf("%d rows of an active session are deleted, %v", deleted, err)
	}
}
