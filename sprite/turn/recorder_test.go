package turn

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/server/hub"
	"github.com/agent-on-demand/aod/store"
)

// ledger is a real store with one session whose first turn is recorded.
func ledger(t *testing.T) (*store.Store, *store.Session) {
	t.Helper()
	keys, err := store.ParseKeys(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "aod.db"), Keys: keys, MaxSessions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	user, err := s.EnsureUser(t.Context(), "u")
	if err != nil {
		t.Fatal(err)
	}
	agent, err := s.CreateAgent(t.Context(), user.ID, store.AgentSpec{Name: "a", Model: "local/bash", Runtime: "shell"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := s.CreateSession(t.Context(), user.ID, store.SessionSpec{AgentID: agent.ID, Timeout: 60}, func(*store.Agent) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, session
}

// never asks again.
func never(time.Duration) bool { return false }

// recorded returns what the rows of a session say was written to each stream.
func recorded(t *testing.T, s *store.Store, session string) map[string]string {
	t.Helper()
	frames, err := s.FramesAfter(t.Context(), session, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	text := map[string]string{}
	for i, f := range frames {
		var row struct {
			ID           int64
			Stream, Data string
		}
		_, data, _ := strings.Cut(string(f.Data), "data: ")
		if err := json.Unmarshal([]byte(data), &row); err != nil || row.ID != int64(i)+1 || f.ID != row.ID {
			t.Fatalf("row %d: %s %v", i+1, data, err)
		}
		if len(row.Data) > rowSize {
			t.Errorf("row %d has %d bytes", row.ID, len(row.Data))
		}
		text[row.Stream] += row.Data
	}
	return text
}

// However output is cut into writes, its rows say the same, characters whole, and
// the offsets count its bytes.
func TestRecorderKeepsEveryByteAndCharacter(t *testing.T) {
	t.Parallel()
	s, session := ledger(t)
	r := newRecorder(s, hub.New(s), session.ID, 1, nil, func(err error) { t.Error(err) }, never)
	var source strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&source, "%d é € \U0001f600\n", i)
	}
	want := source.String()
	for rest := want; rest != ""; {
		n := min(len(rest), 1+rand.IntN(5000))
		if _, err := r.stream(store.Stdout).Write([]byte(rest[:n])); err != nil {
			t.Fatal(err)
		}
		if _, err := r.stream(store.Stderr).Write([]byte{rest[0]}); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if _, err := r.stream(store.Stdout).Write([]byte("end \xf0\x9f")); err != nil {
		t.Fatal(err)
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	if got := recorded(t, s, session.ID)["stdout"]; got != want+"end \ufffd\ufffd" {
		t.Errorf("got %d bytes, want %d; it ends with %q", len(got), len(want)+len("end \ufffd\ufffd"), got[max(0, len(got)-20):])
	}
	brief, err := s.Brief(t.Context(), session.ID, 1)
	if err != nil || brief.Turn.StdoutOffset != int64(len(want)+len("end \xf0\x9f")) {
		t.Errorf("offset %d, %v", brief.Turn.StdoutOffset, err)
	}
}

// A store that takes no more ends the turn instead of losing its output in silence.
func TestRecorderGivesUpWithTheStore(t *testing.T) {
	t.Parallel()
	s, session := ledger(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	r := newRecorder(s, hub.New(s), session.ID, 1, nil, cancel, never)
	if _, err := r.stream(store.Stdout).Write([]byte("lost")); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if err := r.close(); err == nil || context.Cause(ctx) != err {
		t.Errorf("close says %v, the cause is %v", err, context.Cause(ctx))
	}
}

// Whatever comes after it, output cut where incomplete says reads the same as
// output that was not cut.
func FuzzIncomplete(f *testing.F) {
	f.Add([]byte("a\xf0\x9f\x98"), []byte("\x80b"))
	f.Add([]byte("\xe2\x82"), []byte("\xff"))
	f.Fuzz(func(t *testing.T, b, after []byte) {
		cut := len(b) - incomplete(b)
		parts := append([]rune(string(b[:cut])), []rune(string(append(b[cut:len(b):len(b)], after...)))...)
		if whole := []rune(string(b) + string(after)); string(parts) != string(whole) {
			t.Fatalf("%q and %q: cut at %d gives %q, want %q", b, after, cut, string(parts), string(whole))
		}
	})
}
