package tests

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/agent-on-demand/aod/server"
)

// pythonTool runs a command with the tools of the Python SDK, in its folder.
func pythonTool(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../sdk/python/tool", command...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return string(out)
}

func TestPythonSDKKeepsItsOwnPromises(t *testing.T) {
	t.Parallel()
	t.Log(pythonTool(t, "python3", "-m", "pytest"))
}

// ownPython is the Python of a clean virtual environment with nothing but our package, from its wheel.
var ownPython = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(binary), "python")
	for _, command := range [][]string{
		{"../sdk/python/tool", "python3", "-m", "build", "--no-isolation", "--outdir", dir, "."},
		{"python3", "-m", "venv", filepath.Join(dir, "env")},
		{filepath.Join(dir, "env", "bin", "python3"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", filepath.Join(dir, "aod_sdk-0.2.0-py3-none-any.whl")},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w: %s", command, err, out)
		}
	}
	return filepath.Join(dir, "env", "bin", "python3"), nil
})

// The package that is built is whole: it says what types it has, and a stranger's program
// that uses it is checked.
func TestPythonPackageIsWhole(t *testing.T) {
	t.Parallel()
	python, err := ownPython()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "program.py")
	for text, wrong := range map[string]string{
		"from aod import Client\nwith Client() as c:\n    agent = c.agents.create(name='x')\n    print(agent.version + 1, c.sessions.run(agent_id=agent.id, prompt='p').session.status)\n": "",
		"from aod import Client\nClient().agents.create(nam='x')\n":                                                        `Unexpected keyword argument "nam"`,
		"from aod import AsyncClient\nasync def f(c: AsyncClient) -> str:\n    return (await c.agents.get('x')).version\n": `expected "str"`,
	} {
		if err := os.WriteFile(program, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		// Without the source folder on the path, so that what is checked is what is installed.
		out, err := exec.CommandContext(t.Context(), "../sdk/python/tool", "env", "-C", filepath.Dir(program), "MYPYPATH=",
			"python3", "-m", "mypy", "--strict", "--python-executable", python, program).CombinedOutput()
		if (err == nil) != (wrong == "") || !strings.Contains(string(out), wrong) {
			t.Errorf("%v\n%s\nof\n%s", err, out, text)
		}
	}
	sdist := filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(python))), "aod_sdk-0.2.0.tar.gz")
	list, err := exec.CommandContext(t.Context(), "tar", "tf", sdist).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"src/aod/py.typed", "src/aod/_sync/client.py", "src/aod/models.py", "README.md", "pyproject.toml"} {
		if !strings.Contains(string(list), "aod_sdk-0.2.0/"+file+"\n") {
			t.Errorf("no %s in\n%s", file, list)
		}
	}
}

// The program of the README runs as it is written, but for the server's place and the token.
func TestPythonSampleRunsAsWritten(t *testing.T) {
	t.Parallel()
	python, err := ownPython()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../sdk/python/README.md")
	if err != nil {
		t.Fatal(err)
	}
	a := start(t)
	sample := strings.NewReplacer("http://localhost:8777", a.url, "aod_...", a.token).Replace(blocks(string(text))[0].text)
	cmd := exec.CommandContext(t.Context(), python, "-c", sample)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	// Claude Code itself says what it lacks: a key.
	if err != nil || !strings.Contains(string(out), `"subtype":"init"`) || !strings.Contains(string(out), "claude-sonnet-4-6") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A program that was written for the published package makes every call that it has, with
// that package as it is, and then with ours.
func TestProgramsOfThePublishedPythonPackageWork(t *testing.T) {
	t.Parallel()
	published, err := pythonPackages()
	if err != nil {
		t.Fatal(err)
	}
	own, err := ownPython()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	printed := map[string]string{}
	t.Run("with", func(t *testing.T) {
		for name, python := range map[string]struct{ program, packages string }{"aod-sdk 0.1.0": {"python3", published}, "ours": {own, ""}} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				made, out := runPublished(t, python.program, python.packages)
				for _, call := range slices.Sorted(maps.Keys(made)) {
					t.Logf("%3d × %s", made[call], call)
				}
				for _, operation := range operations(t) {
					if made[operation] == 0 {
						t.Errorf("%s was not called", operation)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				printed[name] = out
			})
		}
	})
	if printed["ours"] == "" || printed["ours"] != printed["aod-sdk 0.1.0"] {
		t.Errorf("transcripts look different: %q", printed)
	}
}

var anyParameter = regexp.MustCompile(`/\{[a-z_]+\}`)

// operations are those of the older generation of clients, by method and path.
func operations(t *testing.T) []string {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.OperationID == "getHealth" || !slices.Contains(operation.Tags, "System") {
				all = append(all, method+" "+anyParameter.ReplaceAllString(path, "/*"))
			}
		}
	}
	if len(all) < 22 {
		t.Fatal(all)
	}
	return all
}

// runPublished runs the program against a server of its own, and returns which calls it made and what it printed.
func runPublished(t *testing.T, python, packages string) (made map[string]int, printed string) {
	t.Helper()
	a := start(t, func(c *server.Config) { c.MaxSessions = 2 })
	var mu sync.Mutex
	made = map[string]int{}
	front := a.before(func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		mu.Lock()
		made[r.Method+" "+anyID.ReplaceAllString(r.URL.Path, "/*")]++
		mu.Unlock()
		server.ServeHTTP(w, r)
	})
	cmd := exec.CommandContext(t.Context(), python, "sdk/published.py", "../sdk/go/pretty/testdata/claude")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PYTHONPATH=" + packages, "PYTHONDONTWRITEBYTECODE=1", "AOD_API_URL=" + front, "AOD_API_TOKEN=" + a.token}
	var words strings.Builder
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, words.String())
	}
	return made, string(out)
}
