package tests

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/creack/pty"

	"github.com/agent-on-demand/aod/server"
)

// person sits at a terminal in which a command runs.
type person struct {
	t      *testing.T
	cmd    *exec.Cmd
	screen *os.File
	mu     sync.Mutex
	seen   bytes.Buffer
	over   chan struct{} // closed when the command has closed the terminal
}

// sit starts a command of the client in a terminal.
func (a *api) sit(args ...string) *person {
	a.t.Helper()
	p := &person{t: a.t, cmd: a.command(args...), over: make(chan struct{})}
	var err error
	if p.screen, err = pty.Start(p.cmd); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { p.screen.Close() })
	go func() {
		defer close(p.over)
		for piece := make([]byte, 4096); ; {
			n, err := p.screen.Read(piece)
			p.mu.Lock()
			p.seen.Write(piece[:n])
			p.mu.Unlock()
			if err != nil { // the other end is closed
				return
			}
		}
	}()
	return p
}

// sees waits until the screen has shown the text after what was there before.
func (p *person) sees(text string) {
	p.t.Helper()
	waitFor(p.t, "the screen never shows "+text, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		_, after, found := strings.Cut(p.seen.String(), text)
		if found {
			p.seen.Reset()
			p.seen.WriteString(after)
		}
		return found
	})
	if p.t.Failed() {
		p.t.Fatalf("the screen is %q", p.seen.String())
	}
}

func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := p.screen.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// leaves waits for the command's end, and returns its exit code and the rest of the screen.
func (p *person) leaves() (code int, rest string) {
	p.t.Helper()
	p.cmd.Wait()
	<-p.over
	return p.cmd.ProcessState.ExitCode(), p.seen.String()
}

const ctrlC = "\x03"

func TestInterruptAsksWhetherToDetachOrTerminate(t *testing.T) {
	t.Parallel()
	a := start(t)
	for name, c := range map[string]struct {
		keys   []string
		code   int
		status string
		says   string
	}{
		"detach":       {[]string{"d\r"}, 0, "running", "which works on. To come back: aod sessions logs -f "},
		"terminate":    {[]string{"t\r"}, 130, "terminated", "was terminated"},
		"Ctrl-C again": {[]string{ctrlC}, 130, "terminated", "was terminated"},
		"what?":        {[]string{"what?\r", "detach\r"}, 0, "running", "which works on"},
	} {
		p := a.sit("run", "--runtime", "shell", "while echo tick; do sleep 0.1; done")
		p.sees("tick")
		id := a.newest()
		p.types(ctrlC)
		p.sees("Detach from session " + id + " and let it work, or terminate it?")
		for i, keys := range c.keys {
			p.types(keys)
			if i+1 < len(c.keys) {
				p.sees("d to detach, t to terminate, Enter to go on: ")
			}
		}
		if code, rest := p.leaves(); code != c.code || !strings.Contains(rest, c.says) {
			t.Errorf("%s: exit code %d, %q", name, code, rest)
		}
		if status := a.get("/sessions/" + id).text("status"); status != c.status {
			t.Errorf("%s: the session is %s", name, status)
		}
	}
}

// Enter goes on, the next interrupt asks anew, and the end is as if nothing had been.
func TestInterruptedRunGoesOn(t *testing.T) {
	t.Parallel()
	var enough atomic.Bool
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !enough.Load() {
			w.WriteHeader(http.StatusTooEarly)
		}
	}))
	t.Cleanup(gate.Close)
	a := start(t, func(c *server.Config) { c.AllowHosts = []string{strings.TrimPrefix(gate.URL, "http://")} })
	p := a.sit("run", "--runtime", "shell", "until curl -sfo /dev/null "+gate.URL+"; do echo tick; sleep 0.1; done; echo over")
	for range 2 {
		p.sees("tick")
		p.types(ctrlC)
		p.sees("Enter goes on] ")
		p.types("\r")
	}
	p.sees("tick")
	enough.Store(true)
	if code, rest := p.leaves(); code != 0 || !strings.HasSuffix(rest, "over\r\n") {
		t.Errorf("exit code %d, %q", code, rest)
	}
	if status := a.get("/sessions/" + a.newest()).text("status"); status != "terminated" {
		t.Errorf("the session that is done is %s", status)
	}
}

// A prompt's session was there before: where nobody is to be asked it works on.
func TestInterruptedPromptLeavesItsSession(t *testing.T) {
	t.Parallel()
	a := start(t)
	id, _ := a.run("true")
	cmd := a.command("sessions", "prompt", id, "echo working; sleep 1000")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code, status := cmd.ProcessState.ExitCode(), a.get("/sessions/"+id).text("status"); code != 130 || status != "running" {
		t.Errorf("exit code %d, the session is %s", code, status)
	}
}

// What an agent prints does not steer the terminal of whoever watches.
func TestTerminalIsNotSteeredByAgents(t *testing.T) {
	t.Parallel()
	a := start(t)
	p := a.sit("run", "--runtime", "shell", `printf '\033]0;owned\007\033[31mred\033[0m\n'; printf '\033[2Jwords\n' >&2; exit 3`)
	code, screen := p.leaves()
	if code != 3 || strings.Contains(screen, "\x1b[31m") || strings.Contains(screen, "\x1b]") || strings.Contains(screen, "\x1b[2J") || strings.Contains(screen, "\a") {
		t.Errorf("exit code %d, %q", code, screen)
	}
	for _, want := range []string{"red\r\n", "words\r\n", "create_sprite", "failed with exit code 3"} {
		if !strings.Contains(screen, want) {
			t.Errorf("no %q in %q", want, screen)
		}
	}
	p = a.sit("run", "--runtime", "shell")
	if code, screen := p.leaves(); code != 1 || !strings.Contains(screen, `say what to do, as in: "Say hello.", or - to read it from standard input`) {
		t.Errorf("exit code %d, %q", code, screen)
	}
}
