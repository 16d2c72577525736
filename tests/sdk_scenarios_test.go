package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/agent-on-demand/aod/server"
)

// sdks are what each scenario is run with: a name, and what makes its runner.
var sdks = []struct {
	name   string
	runner func(t *testing.T) *exec.Cmd
}{
	{"Go", goRunner},
	{"Python", pythonRunner("sync")},
	{"Python async", pythonRunner("async")},
	{"TypeScript", typescriptRunner},
}

func pythonRunner(mode string) func(t *testing.T) *exec.Cmd {
	return func(*testing.T) *exec.Cmd {
		return exec.Command("../sdk/python/tool", "python3", "../../tests/sdk/runner.py", mode)
	}
}

func goRunner(t *testing.T) *exec.Cmd {
	t.Helper()
	program, err := goSDKRunner()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(program)
}

var goSDKRunner = sync.OnceValues(func() (string, error) {
	program := filepath.Join(filepath.Dir(binary), "sdk-runner")
	out, err := exec.Command("go", "build", "-o", program, "./sdk").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the runner: %w: %s", err, out)
	}
	return program, nil
})

// scenario is described in sdk/README.md.
type scenario struct {
	Name        string
	MaxSessions int `json:"max_sessions"`
	Client      json.RawMessage
	Faults      []*fault
	Steps       []step
	Made        map[string]struct {
		Requests *int
		Keys     *int
	}
}

// step is one call of a scenario and what it shall result in.
type step struct {
	Call   string          `json:"call"`
	With   json.RawMessage `json:"with,omitempty"`
	As     string          `json:"as,omitempty"`
	Want   json.RawMessage `json:"-"`
	Error  json.RawMessage `json:"-"`
	Events *wantedEvents   `json:"-"`
}

func (s *step) UnmarshalJSON(text []byte) error {
	type call step
	var wanted struct {
		Want, Error json.RawMessage
		Events      *wantedEvents
	}
	if err := json.Unmarshal(text, &wanted); err != nil {
		return err
	}
	err := json.Unmarshal(text, (*call)(s))
	s.Want, s.Error, s.Events = wanted.Want, wanted.Error, wanted.Events
	return err
}

// Whatever the SDK, a program does the same with it and gets the same, also when its
// connections break.
func TestSDKsBehaveAlike(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("sdk/scenarios.json")
	if err != nil {
		t.Fatal(err)
	}
	var scenarios []scenario
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&scenarios); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	outcomes := map[string]string{}
	t.Run("scenario", func(t *testing.T) {
		for _, sdk := range sdks {
			for i := range scenarios {
				name := scenarios[i].Name + "/" + sdk.name
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					defer func() {
						mu.Lock()
						defer mu.Unlock()
						outcomes[name] = map[bool]string{false: "ok", true: "FAILS"}[t.Failed()]
					}()
					perform(t, again(t, scenarios[i]), sdk.runner(t))
				})
			}
		}
	})
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "scenario")
	for _, sdk := range sdks {
		fmt.Fprint(w, "\t", sdk.name)
	}
	for _, s := range scenarios {
		fmt.Fprint(w, "\n", s.Name)
		for _, sdk := range sdks {
			fmt.Fprint(w, "\t", outcomes[s.Name+"/"+sdk.name])
		}
	}
	w.Flush()
	t.Log("\n" + table.String())
}

// again is a scenario whose faults have not been yet.
func again(t *testing.T, s scenario) scenario {
	t.Helper()
	fresh := make([]*fault, len(s.Faults))
	for i, f := range s.Faults {
		fresh[i] = new(*f)
	}
	s.Faults = fresh
	return s
}

// perform runs a scenario against a server of its own and compares what comes of each step.
func perform(t *testing.T, s scenario, runner *exec.Cmd) {
	t.Helper()
	a := start(t, func(c *server.Config) {
		if s.MaxSessions > 0 {
			c.MaxSessions = s.MaxSessions
		}
	})
	proxy := &meddler{faults: s.Faults, requests: map[string]int{}, keys: map[string]map[string]bool{}}
	front := a.before(proxy.meddle)
	input, err := json.Marshal(map[string]any{"client": s.Client, "steps": s.Steps})
	if err != nil {
		t.Fatal(err)
	}
	if runner.Env == nil {
		runner.Env = os.Environ()
	}
	runner.Env = append(runner.Env, "AOD_API_URL="+front, "AOD_API_TOKEN="+a.token)
	runner.Stdin = bytes.NewReader(input)
	var said, words bytes.Buffer
	runner.Stdout, runner.Stderr = &said, &words
	if err := runner.Start(); err != nil {
		t.Fatal(err)
	}
	impatience := time.AfterFunc(patience, func() { runner.Process.Kill() })
	defer impatience.Stop()
	if err := runner.Wait(); err != nil {
		t.Errorf("the runner ends with %v\n%s", err, words.String())
	}
	results := map[string]any{"url": front}
	lines := strings.Split(strings.TrimSuffix(said.String(), "\n"), "\n")
	for i, step := range s.Steps {
		if i >= len(lines) {
			t.Fatalf("step %d, %s, has no outcome", i+1, step.Call)
		}
		if err := a.compare(step, lines[i], results); err != nil {
			t.Errorf("step %d, %s: %v\n%.2000s", i+1, step.Call, err, lines[i])
		}
	}
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	for on, made := range s.Made {
		if n := proxy.requests[on]; made.Requests != nil && n != *made.Requests {
			t.Errorf("%s: %d requests, want %d", on, n, *made.Requests)
		}
		if n := len(proxy.keys[on]); made.Keys != nil && n != *made.Keys {
			t.Errorf("%s: %d keys, want %d", on, n, *made.Keys)
		}
	}
	for _, f := range s.Faults {
		if f.left() != 0 {
			t.Errorf("a fault on %s has not happened %d times", f.On, f.left())
		}
	}
}
