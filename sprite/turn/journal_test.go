package turn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/store"
)

// Under nohup, what tests start would ignore SIGHUP for good, unlike in a Sprite.
func TestMain(m *testing.M) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(m.Run())
}

// testTurns is the home of a Sprite that is this machine.
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
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
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

// fifo is what tells processes and the test of each other: who reads it gets its
// end when the last process that has it open is gone.
func (s testTurns) fifo(name string) string {
	s.t.Helper()
	if err := syscall.Mkfifo(s.path(name), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

// said is what is written to a fifo until nobody has it open.
func (s testTurns) said(fifo string) string {
	s.t.Helper()
	data, err := os.ReadFile(fifo)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// say writes to a fifo once somebody reads it.
func (s testTurns) say(fifo, text string) {
	s.t.Helper()
	if err := os.WriteFile(fifo, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func TestTurnWritesBothJournalsAndItsEnd(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	j := s.turn(1, "the prompt")
	if st := s.state(j); st.kind != stateMissing {
		t.Errorf("before: %v", st)
	}
	s.launch(j, 120, "sh", "-c", "cat; echo oops >&2; exit 7")
	if st := s.end(j); st != (state{stateExited, 7}) {
		t.Errorf("after: %v", st)
	}
	if out, err := s.all(j, store.Stdout), s.all(j, store.Stderr); out != "the prompt" || err != "oops\n" {
		t.Errorf("stdout %q, stderr %q", out, err)
	}
}

func TestTurnIsStartedOnce(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	j, gate := s.turn(1, ""), s.fifo("gate")
	command := []string{"sh", "-c", "echo ran >>ran; cat gate"}
	failures := make(chan error)
	const launches = 20
	for range launches {
		go func() {
			out, err := s.command(j.launch(s.path("env"), 120, command)).CombinedOutput()
			if err != nil || len(out) > 0 {
				err = fmt.Errorf("%v: %s", err, out)
			}
			failures <- err
		}()
	}
	for range launches {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	if st := s.state(j); st.kind != stateRunning {
		t.Errorf("launched: %v", st)
	}
	s.turn(1, "a second prompt")
	s.launch(j, 120, command...)
	if _, err := os.Stat(j.dir + "/prompt"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the second prompt: %v", err)
	}
	s.say(gate, "")
	if st := s.end(j); st != (state{stateExited, 0}) {
		t.Errorf("after: %v", st)
	}
	s.turn(1, "a third prompt")
	s.launch(j, 120, command...)
	if st := s.state(j); st != (state{stateExited, 0}) {
		t.Errorf("launched after its end: %v", st)
	}
	if ran := s.read("ran"); ran != "ran\n" {
		t.Errorf("%q", ran)
	}
	if left, err := filepath.Glob(j.dir + "/*.*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestTurnIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	j, gate := s.turn(1, "secret"), s.fifo("gate")
	s.launch(j, 120, "sh", "-c", "cat; echo started >&2; cat gate")
	for name, mode := range map[string]os.FileMode{".": 0o700, "alive": 0o600, "stdout": 0o600, "stderr": 0o600} {
		if info, err := os.Stat(filepath.Join(j.dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if _, err := os.Stat(j.dir + "/prompt"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the prompt is there: %v", err)
	}
	s.say(gate, "")
	s.end(j)
	for _, name := range []string{"exit", "pid"} {
		if info, err := os.Stat(filepath.Join(j.dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if out := s.all(j, store.Stdout); out != "secret" {
		t.Errorf("the prompt came as %q", out)
	}
}

// What a command finds is as if the Sprite's exec had started it.
func TestCommandFindsWhatAnExecGives(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	const look = `umask; pwd; grep -E "^Sig(Ign|Blk)" /proc/self/status; ls /proc/self/fd; printf "[%s]" "$0" "$@"`
	command := []string{"bash", "-c", look, "two words", "", "it's $HOME"}
	want := s.run(command)
	j := s.turn(1, "")
	s.launch(j, 120, command...)
	s.end(j)
	if got := s.all(j, store.Stdout); got != want || !strings.Contains(got, s.home) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEnvironmentFileWinsOverTheLoginShell(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	s.write(".bash_profile", "cat; echo noise; echo noise >&2; export WHO=login LOGIN=yes\n")
	s.write("env", "WHO=file\nQUOTED='a b'\n")
	j := s.turn(1, "prompt")
	s.launch(j, 120, "sh", "-c", `echo "$WHO $LOGIN $QUOTED"; cat`)
	s.end(j)
	if out, err := s.all(j, store.Stdout), s.all(j, store.Stderr); out != "file yes a b\nprompt" || err != "" {
		t.Errorf("stdout %q, stderr %q", out, err)
	}
}

func TestExitCodeIsTheCommands(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	for number, end := range []struct {
		line string
		code int
	}{{"exit 0", 0}, {"exit 1", 1}, {"exit 124", 124}, {"exit 137", 137}, {"kill -9 $$", 137}, {"kill -15 $$", 143}, {"exit 255", 255}} {
		j := s.turn(100-number, "") // the higher one would remove the lower
		s.launch(j, 120, "bash", "-c", end.line)
		if st := s.end(j); st != (state{stateExited, end.code}) {
			t.Errorf("%s: %v", end.line, st)
		}
		if out, err := s.all(j, store.Stdout), s.all(j, store.Stderr); out != "" || err != "" {
			t.Errorf("%s: stdout %q, stderr %q", end.line, out, err)
		}
	}
	j := s.turn(1, "")
	s.launch(j, 120, "no such program")
	if st := s.end(j); st != (state{stateExited, 127}) || !strings.Contains(s.all(j, store.Stderr), "no such program") {
		t.Errorf("no such program: %v", st)
	}
}

// The fifo's end comes when nothing of the turn is left.
func TestLimitEndsAllThatTheTurnRuns(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"everything ignores TERM":      `trap "" TERM; exec 3>there; echo said >&3; (while :; do sleep 60; done) & while :; do sleep 60; done`,
		"a child ignores TERM":         `exec 3>there; (trap "" TERM; echo said >&3; while :; do sleep 60; done) & trap "exit 0" TERM; wait`,
		"the command says 124 to TERM": `exec 3>there; trap "exit 124" TERM; echo said >&3; sleep 60 & wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTurns(t)
			j, there := s.turn(1, ""), s.fifo("there")
			s.launch(j, 1, "bash", "-c", command)
			if said := s.said(there); said != "said\n" {
				t.Errorf("%q", said)
			}
			if st := s.end(j); st.kind != stateTimedOut {
				t.Errorf("%v", st)
			}
		})
	}
}

func TestTurnWithoutLimitExits(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	j := s.turn(1, "")
	s.launch(j, 0, "sh", "-c", "exit 124")
	if st := s.end(j); st != (state{stateExited, 124}) {
		t.Errorf("%v", st)
	}
}

func TestTurnIsLostWithItsRunner(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	j, ready, gate := s.turn(1, ""), s.fifo("ready"), s.fifo("gate")
	s.launch(j, 120, "sh", "-c", "echo partial; echo ready >ready; read -r line <gate; echo $line")
	s.said(ready)
	ended := make(chan error, 1)
	follow := s.command(j.follow(store.Stdout, 0))
	go func() { ended <- follow.Run() }()
	pid, err := strconv.Atoi(strings.TrimSpace(s.read("turns/1/pid")))
	if err != nil {
		t.Fatal(err)
	}
	if st := s.state(j); st.kind != stateRunning {
		t.Errorf("before: %v", st)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("follow: %v", err)
	}
	if st := s.state(j); st.kind != stateLost {
		t.Errorf("after: %v", st)
	}
	if out := s.all(j, store.Stdout); out != "partial\n" {
		t.Errorf("%q", out)
	}
	s.say(gate, "late\n") // the command outlives the runner, and the journal takes what it says
}

// A launch that ends between the claim and the runner must not leave a turn that
// seems to run.
func TestTurnIsLostWithItsLaunch(t *testing.T) {
	t.Parallel()
	for program, line := range map[string]string{
		"setsid": "kill -9 $$", // the launch has become it
		"rm":     "kill -9 $PPID",
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			s := newTurns(t)
			// the first rm is that of the claim, after the claim was made
			s.write("bin/"+program, "#!/bin/sh\n"+line+"\n")
			if err := os.Chmod(s.path("bin/"+program), 0o755); err != nil {
				t.Fatal(err)
			}
			j := s.turn(1, "")
			cmd := s.command(j.launch(s.path("env"), 120, []string{"true"}))
			cmd.Env = append(cmd.Env, "PATH="+s.path("bin")+":"+os.Getenv("PATH"))
			if err := cmd.Run(); err == nil {
				t.Error("the launch succeeded")
			}
			if st := s.state(j); st.kind != stateLost {
				t.Errorf("%v", st)
			}
			s.run(j.follow(store.Stdout, 0))
			s.turn(1, "again")
			s.launch(j, 120, "true")
			if st := s.state(j); st.kind != stateLost {
				t.Errorf("launched again: %v", st)
			}
		})
	}
}

func TestLaunchThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	fails := func(argv []string) {
		t.Helper()
		cmd := s.command(argv)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil || stderr.String() == "" {
			t.Errorf("error %v, stderr %q", err, &stderr)
		}
	}
	fails(journal{s.path("turns/1")}.launch(s.path("env"), 120, []string{"true"}))
	promptless := s.turn(2, "")
	if err := os.Remove(promptless.dir + "/prompt"); err != nil {
		t.Fatal(err)
	}
	fails(promptless.launch(s.path("env"), 120, []string{"true"}))
	if st := s.state(promptless); st.kind != stateMissing {
		t.Errorf("without a prompt: %v", st)
	}
	// dash is not killed by the limit on files if the signal is ignored, as on a full disk
	full := s.turn(3, "")
	fails(append([]string{"sh", "-c", `trap "" XFSZ; ulimit -f 0; exec "$@"`, "aod"}, full.launch(s.path("env"), 120, []string{"true"})...))
	if st := s.state(full); st.kind != stateLost {
		t.Errorf("on a full disk: %v", st)
	}
}

// A turn that has filled the disk says how it ended nevertheless: the runner needs
// no new space for it.
func TestEndNeedsNoSpace(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	j, gate := s.turn(1, ""), s.fifo("gate")
	s.launch(j, 120, "sh", "-c", "cat gate; exit 3")
	before, err := os.Stat(j.dir + "/ending")
	if err != nil {
		t.Fatal(err)
	}
	s.say(gate, "")
	if st := s.end(j); st != (state{stateExited, 3}) {
		t.Errorf("%v", st)
	}
	after, err := os.Stat(j.dir + "/exit")
	if err != nil || !os.SameFile(before, after) || after.Size() != before.Size() {
		t.Errorf("%v before, %v after, %v", before, after, err)
	}
}

func TestLaunchRemovesEarlierTurns(t *testing.T) {
	t.Parallel()
	s := newTurns(t)
	for _, kept := range []string{"11", "9x", "-3", "notes", "100"} {
		s.write("turns/"+kept+"/file", "")
	}
	s.write("turns/2/deep/file", "")
	s.write("turns/9/stdout", "")
	j := s.turn(10, "")
	s.launch(j, 120, "true")
	s.end(j)
	var left []string
	entries, err := os.ReadDir(s.path("turns"))
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if want := "-3 10 100 11 9x notes"; err != nil || strings.Join(left, " ") != want {
		t.Errorf("left are %v, want %s: %v", left, want, err)
	}
}

func TestScriptsAreForEveryShell(t *testing.T) {
	t.Parallel()
	for _, script := range []string{launchScript, runScript, followScript, restScript, stateScript} {
		for _, sh := range []string{"sh", "bash"} {
			for _, text := range []string{script, dense(script)} {
				if out, err := exec.Command(sh, "-n", "-c", text).CombinedOutput(); err != nil || len(out) > 0 {
					t.Errorf("%s: %v %s", sh, err, out)
				}
			}
		}
	}
}

func TestOnlyStatesAreParsed(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]state{
		"missing\n": {kind: stateMissing}, "running\n": {kind: stateRunning}, "lost": {kind: stateLost}, "timeout\n": {kind: stateTimedOut},
		"exit 0\n": {stateExited, 0}, "exit 255": {stateExited, 255},
	} {
		if got, err := parseState(line); err != nil || got != want {
			t.Errorf("%q: %v %v", line, got, err)
		}
	}
	for _, line := range []string{"", "\n", "exit", "exit ", "exit 256", "exit -1", "exit +1", "exit 01", "exit 1 ", "exit 1\n\n", "exit 1_0", " lost", "Lost", "timeout 1", "exit \u0661"} {
		if got, err := parseState(line); err == nil || got != (state{}) {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// What is read as a state is what a Sprite would print for it.
func FuzzParseState(f *testing.F) {
	for _, line := range []string{"missing\n", "running\n", "lost\n", "timeout\n", "exit 0\n", "exit 137", "exit 256", "exit 00", "x\x00"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		st, err := parseState(line)
		if err != nil {
			if len(err.Error()) > 300 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		text := string(st.kind)
		if st.kind == stateExited {
			text += " " + strconv.Itoa(st.code)
		}
		if text != strings.TrimSuffix(line, "\n") {
			t.Errorf("%q was read as %v", line, st)
		}
	})
}
