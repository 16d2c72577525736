package turn

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
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
	return ledgerAt(t, filepath.Join(t.TempDir(), "aod.db"))
}

func ledgerAt(t *testing.T, path string) (*store.Store, *store.Session) {
	t.Helper()
	s := opened(t, path)
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

// opened is the store at path, until it is closed or the test ends.
func opened(t *testing.T, path string) *store.Store {
	t.Helper()
	keys, err := store.ParseKeys(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{Path: path, Keys: keys, MaxSessions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
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
		if len(strings.ReplaceAll(row.Data, "\ufffd", "?")) > rowSize { // one byte each, as it was written
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

// journals make up what a turn writes to each stream: secrets whole, in part, in one
// another and in characters that are broken.
func journals(random *rand.Rand, secrets []string, size int) map[store.Stream]string {
	parts := append([]string{"token=", "\n", "é", "\U0001f600", "\xf0\x9f", "\xe2\x82", "\xff", "plain words of the turn ", strings.Repeat("-", 3000)}, secrets...)
	text := map[store.Stream]string{}
	for _, stream := range []store.Stream{store.Stdout, store.Stderr} {
		var b strings.Builder
		for b.Len() < size {
			part := parts[random.IntN(len(parts))]
			if random.IntN(4) == 0 {
				part = part[:random.IntN(len(part))]
			}
			b.WriteString(part)
		}
		text[stream] = b.String()
	}
	return text
}

// Recorders that lose their store at any instant, or are detached, and are followed
// by others that read on from the stored offsets, store together what one would have.
func TestRecorderGoesOnWhereTheLastOneStopped(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	secrets := []string{"hunter2hunter2", "hunter2hunter2hunter3", "r3cret-of-hunter2hunt", strings.Repeat("----", 30) + ">", "pässwörd", strings.Repeat("long secret of a session ", 900)}
	journal := journals(random, secrets, 400<<10)
	path := filepath.Join(t.TempDir(), "aod.db")
	s, session := ledgerAt(t, path)
	for life, last := 0, false; !last; life++ {
		last = life == 12
		brief, err := s.Brief(t.Context(), session.ID, 1)
		if err != nil {
			t.Fatal(err)
		}
		rest := map[store.Stream]string{
			store.Stdout: journal[store.Stdout][brief.Turn.StdoutOffset:],
			store.Stderr: journal[store.Stderr][brief.Turn.StderrOffset:],
		}
		r := newRecorder(s, hub.New(s), session.ID, 1, secrets, func(error) {}, never)
		budget := 1 + random.IntN(150<<10)
		crash := random.IntN(2) == 0
		for (last || budget > 0) && (rest[store.Stdout] != "" || rest[store.Stderr] != "") {
			stream := []store.Stream{store.Stdout, store.Stderr}[random.IntN(2)]
			n := min(len(rest[stream]), 1+random.IntN(1+random.IntN(30<<10)))
			before := r.accepted(stream)
			if _, err := r.stream(stream).Write([]byte(rest[stream][:n])); err != nil {
				t.Fatal(err)
			}
			if got := r.accepted(stream); got != before+int64(n) {
				t.Fatalf("accepted %d bytes after %d and %d", got, before, n)
			}
			rest[stream], budget = rest[stream][n:], budget-n
		}
		switch {
		case last:
			err = r.close()
		case crash: // whatever is not committed yet is lost
			s.Close()
			r.detach()
			s = opened(t, path)
		default:
			err = r.detach()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got := recorded(t, s, session.ID)
	for stream, text := range journal {
		want := string([]rune(plainly(secrets, text)))
		if got[string(stream)] != want {
			at := 0
			for at < min(len(got[string(stream)]), len(want)) && got[string(stream)][at] == want[at] {
				at++
			}
			t.Errorf("seed %d: %s differs at %d of %d: %.80q, want %.80q", seed, stream, at, len(want), got[string(stream)][at:], want[at:])
		}
	}
	brief, err := s.Brief(t.Context(), session.ID, 1)
	if err != nil || brief.Turn.StdoutOffset != int64(len(journal[store.Stdout])) || brief.Turn.StderrOffset != int64(len(journal[store.Stderr])) {
		t.Errorf("the offsets are %d and %d, %v", brief.Turn.StdoutOffset, brief.Turn.StderrOffset, err)
	}
}

// The end of the streams shows what was held back; a detached recorder leaves it to
// the next one.
func TestRecorderHoldsBackUntilTheEnd(t *testing.T) {
	t.Parallel()
	secrets := []string{"hunter2-password"}
	for _, c := range []struct {
		written, atClose string
		stored           int64 // when detached
	}{
		{"token=", "token=", 6},
		{"token=hunter", "token=hunter", 6},
		{"token=hunter2-password", "token=[redacted]", 22},
		{"é hunter2\xe2\x82", "é hunter2\ufffd\ufffd", 10},
		{"é \xe2\x82", "é \ufffd\ufffd", 3},
		{"\xe2\x82hunter2-password", "\ufffd\ufffd[redacted]", 18},
	} {
		for _, detach := range []bool{false, true} {
			s, session := ledger(t)
			r := newRecorder(s, hub.New(s), session.ID, 1, secrets, func(err error) { t.Error(err) }, never)
			if _, err := r.stream(store.Stdout).Write([]byte(c.written)); err != nil {
				t.Fatal(err)
			}
			end, want, offset := r.close, c.atClose, int64(len(c.written))
			if detach {
				end, want, offset = r.detach, string([]rune(plainly(secrets, c.written[:c.stored]))), c.stored
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if got := recorded(t, s, session.ID)["stdout"]; got != want {
				t.Errorf("%q, detached %v: %q, want %q", c.written, detach, got, want)
			}
			if brief, err := s.Brief(t.Context(), session.ID, 1); err != nil || brief.Turn.StdoutOffset != offset {
				t.Errorf("%q, detached %v: offset %d, want %d, %v", c.written, detach, brief.Turn.StdoutOffset, offset, err)
			}
			if _, err := r.stream(store.Stdout).Write([]byte("more")); err == nil {
				t.Error("a recorder that has ended takes output")
			}
		}
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

// What a Sprite's host says is shown among the error output, secrets hidden, and moves no offset: it is not in the journal.
func TestWordsOfTheHostDoNotCount(t *testing.T) {
	t.Parallel()
	s, session := ledger(t)
	r := newRecorder(s, hub.New(s), session.ID, 1, []string{"hunter2hunter2"}, func(err error) { t.Error(err) }, never)
	for _, w := range []struct {
		to   io.Writer
		text string
	}{{r.stream(store.Stderr), "one\n"}, {r.aside(), "aod: hunter2hunter2.test is refused\n"}, {r.stream(store.Stderr), "two\n"}} {
		if _, err := io.WriteString(w.to, w.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	if got := recorded(t, s, session.ID)["stderr"]; got != "one\naod: [redacted].test is refused\ntwo\n" {
		t.Errorf("got %q", got)
	}
	brief, err := s.Brief(t.Context(), session.ID, 1)
	if err != nil || brief.Turn.StderrOffset != int64(len("one\ntwo\n")) || r.accepted(store.Stderr) != brief.Turn.StderrOffset {
		t.Errorf("offset %d, %v", brief.Turn.StderrOffset, err)
	}
}
