package turn

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/store"
)

// sprite is a folder of turns on this machine.
type testTurns struct {
	t    *testing.T
	home string
}

func newTurns(t *testing.T) testTurns {
	t.Helper()
	s := testTurns{t, t.TempDir()}
	s.write("env", "")
	return s
}

func (s testTurns) path(name string) string { return filepath.Join(s.home, name) }

func (s testTurns) write(name, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s testTurns) read(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// turn has its prompt in place.
func (s testTurns) turn(number int, prompt string) journal {
	s.t.Helper()
	dir := "turns/" + strconv.Itoa(number)
	s.write(dir+"/prompt", prompt)
	return journal{s.path(dir)}
}

// command runs argv as a Sprite's exec would.
func (s testTurns) command(argv []string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	s.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+s.home)
	cmd.Dir = s.home
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// run wants argv to succeed and returns what it prints.
func (s testTurns) run(argv []string) string {
	s.t.Helper()
	out, err := s.command(argv).Output()
	if err != nil {
		s.t.Fatalf("%q: %v%s", argv[4:], err, stderrOf(err))
	}
	return string(out)
}

func stderrOf(err error) string {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return ": " + string(exit.Stderr)
	}
	return ""
}

func (s testTurns) launch(j journal, limit int, command ...string) {
	s.t.Helper()
	if out := s.run(j.launch(s.path("env"), limit, command)); out != "" {
		s.t.Errorf("launch printed %q", out)
	}
}

func (s testTurns) state(j journal) state {
	s.t.Helper()
	st, err := parseState(s.run(j.state()))
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// end waits for the turn's end.
func (s testTurns) end(j journal) state {
	s.t.Helper()
	s.run(j.follow(store.Stdout, 0))
	return s.state(j)
}

func (s testTurns) all(j journal, stream store.Stream) string {
	s.t.Helper()
	return s.run(j.rest(stream, 0))
}

func TestTurnWritesBothJournalsAndItsEnd(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	j := s.turn(1, "the prompt")
	if st := s.state(j); st.kind != stateMissing {
		t.Errorf("before: %v", st)
	}
	s.launch(j, 60, "sh", "-c", "cat; echo oops >&2; exit 7")
	if st := s.end(j); st != (state{stateExited, 7}) {
		t.Errorf("after: %v", st)
	}
	if out, err := s.all(j, store.Stdout), s.all(j, store.Stderr); out != "the prompt" || err != "oops\n" {
		t.Errorf("stdout %q, stderr %q", out, err)
	}
}
