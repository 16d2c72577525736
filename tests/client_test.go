package tests

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-on-demand/aod/server"
)

// ran is how a command of the client ended.
type ran struct {
	t              *testing.T
	stdout, stderr string
	code           int
}

// command is the client's, for the user of the server.
func (a *api) command(args ...string) *exec.Cmd {
	a.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.t.TempDir(), "AOD_API_URL=" + a.url, "AOD_API_TOKEN=" + a.token}
	return cmd
}

// aod runs a command of the client.
func (a *api) aod(args ...string) ran { a.t.Helper(); return a.finish(a.command(args...)) }

func (a *api) finish(cmd *exec.Cmd) ran {
	a.t.Helper()
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		a.t.Fatal(err)
	}
	return ran{a.t, out.String(), words.String(), cmd.ProcessState.ExitCode()}
}

// ok fails the test unless the command succeeded; it returns what that printed.
func (r ran) ok() string {
	r.t.Helper()
	if r.code != 0 {
		r.t.Fatalf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// refused fails the test unless the command said just that, in one line, and failed.
func (r ran) refused(want string) {
	r.t.Helper()
	if r.code == 0 || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "aod: "+want) {
		r.t.Errorf("exit code %d, %q %q, want %q", r.code, r.stdout, r.stderr, want)
	}
}

// newest is the id of the newest session.
func (a *api) newest() string {
	a.t.Helper()
	var list struct{ Data []struct{ ID string } }
	a.get("/sessions").want(200).into(&list)
	return list.Data[0].ID
}

func TestRunShowsOutputAndHasTheAgentsExitCode(t *testing.T) {
	t.Parallel()
	a := start(t)
	r := a.aod("run", "--runtime", "shell", `printf '\033[1mbold\033[0m\n'; echo wrong >&2; exit 7`)
	id := a.newest()
	if r.code != 7 || r.stdout != "\x1b[1mbold\x1b[0m\n" {
		t.Errorf("exit code %d, %q", r.code, r.stdout)
	}
	for _, want := range []string{"session " + id + "\n", "create_sprite done in ", "the agent starts\nwrong\n", "aod: session " + id + " failed with exit code 7\n"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("no %q in %q", want, r.stderr)
		}
	}
	quiet := a.aod("run", "-q", "--runtime", "shell", "echo hello")
	if quiet.ok() != "hello\n" || quiet.stderr != "" {
		t.Errorf("%q %q", quiet.stdout, quiet.stderr)
	}
	if status := a.get("/sessions/" + a.newest()).text("status"); status != "terminated" {
		t.Errorf("the session that is done is %s and keeps its Sprite", status)
	}
	var agents struct{ Data []struct{ Name string } }
	if a.get("/agents").into(&agents); len(agents.Data) != 1 {
		t.Errorf("two runs of the same have made %v", agents.Data)
	}
	if a.aod("run", "-q", "--runtime", "shell", "--system", "other", "true").ok(); true {
		if a.get("/agents").into(&agents); len(agents.Data) != 2 {
			t.Errorf("another agent is taken for the same: %v", agents.Data)
		}
	}
}

func TestRunReadsThePromptAndSecretsFromWhereNobodySees(t *testing.T) {
	t.Parallel()
	a := start(t)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("of the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := a.environment("plain", `,"env_vars":{"PLAIN":"given"}`)
	for _, last := range [][]string{{"-"}, {}} {
		cmd := a.command(append([]string{"run", "-q", "--runtime", "shell", "--environment", "plain", "--secret", "ONE", "--secret", "TWO=@" + file}, last...)...)
		cmd.Env = append(cmd.Env, "ONE=of=the environment")
		cmd.Stdin = strings.NewReader(`echo "${#ONE} $(wc -c <<<"$TWO") $PLAIN"`)
		if got := a.finish(cmd).ok(); got != "18 12 given\n" {
			t.Errorf("%v: %q", last, got)
		}
		if used := a.get("/sessions/" + a.newest()).text("environment_id"); used != env {
			t.Errorf("environment %s", used)
		}
	}
}

// Events are shown as the stream has them, byte for byte.
func TestRunShowsEventsAsJSON(t *testing.T) {
	t.Parallel()
	a := start(t)
	r := a.aod("run", "--json", "--keep", "--runtime", "shell", `printf '\033[31mgrün\n'`)
	r.ok()
	var want strings.Builder
	for line := range strings.Lines(a.raw(a.newest())) {
		if event, ok := strings.CutPrefix(line, "data: "); ok {
			want.WriteString(event)
		}
	}
	if r.stdout != want.String() {
		t.Errorf("got\n%swant\n%s", r.stdout, want.String())
	}
	if strings.Contains(r.stderr, "create_sprite") {
		t.Errorf("stderr %q", r.stderr)
	}
	for _, flag := range []string{"--json", "-ojson"} {
		if got := a.aod("sessions", "logs", flag, a.newest()).ok(); got != r.stdout {
			t.Errorf("logs %s prints\n%s", flag, got)
		}
	}
}

func TestKeptSessionGoesOn(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.aod("run", "-q", "--keep", "--runtime", "shell", "echo kept > note").ok()
	id := a.newest()
	if got := a.aod("sessions", "prompt", "-q", id[:8], "cat note; exit 4"); got.code != 4 || got.stdout != "kept\n" {
		t.Errorf("exit code %d: %q %q", got.code, got.stdout, got.stderr)
	}
	if got := a.aod("sessions", "logs", id); got.ok() != "kept\n" || !strings.Contains(got.stderr, "turn 2\n") {
		t.Errorf("%q %q", got.stdout, got.stderr)
	}
	a.aod("sessions", "prompt", id, "true").refused("Session has failed and cannot be resumed. Start a new session.")
}

func TestDetachedSessionIsComeBackTo(t *testing.T) {
	t.Parallel()
	a := start(t)
	id := strings.TrimSuffix(a.aod("run", "--detach", "--runtime", "shell", "echo working; sleep 1000").ok(), "\n")
	if id != a.newest() {
		t.Fatalf("printed %q", id)
	}
	a.stream(id).until(func(e event) bool { return e.Data == "working\n" })
	if got := a.aod("sessions", "logs", id).ok(); got != "working\n" { // it is there, and the command ends though the session does not
		t.Errorf("%q", got)
	}
	following := a.command("sessions", "logs", "-q", "-f", id)
	out, err := following.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := following.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("working\n"))
	if _, err := out.Read(first); err != nil || string(first) != "working\n" {
		t.Errorf("%q %v", first, err)
	}
	if got := a.aod("sessions", "terminate", id).ok(); !strings.Contains(got, "terminated") {
		t.Errorf("%q", got)
	}
	if err := following.Wait(); err != nil {
		t.Errorf("logs -f: %v", err)
	}
	if got := a.aod("run", "-q", "--runtime", "shell", "true"); got.ok() != "" {
		t.Errorf("%q", got.stdout)
	}
}

// Where nobody can be asked, an interrupted run terminates its session.
func TestInterruptedRunTerminatesItsSession(t *testing.T) {
	t.Parallel()
	a := start(t)
	for sent, code := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		cmd := a.command("run", "--runtime", "shell", "echo working; sleep 1000")
		var words bytes.Buffer
		cmd.Stderr = &words
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 8)); err != nil {
			t.Fatal(err, words.String())
		}
		if err := cmd.Process.Signal(sent); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		id := a.newest()
		if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(words.String(), "aod: session "+id+" was terminated\n") {
			t.Errorf("%v: exit code %d, %s", sent, got, words.String())
		}
		if status := a.get("/sessions/" + id).text("status"); status != "terminated" {
			t.Errorf("%v: the session is %s", sent, status)
		}
	}
}

// What -o json prints is the server's own answer.
func TestAnswersAreGivenExactly(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent, env := a.shell(), a.environment("go", `,"packages":{"apt":["tree","jq"]},"networking":{"type":"limited","allowed_hosts":["x.test"]}`)
	session := a.session("true")
	a.stream(session).rest()
	for path, args := range map[string][]string{
		"/agents":                            {"agents", "list"},
		"/agents?limit=1":                    {"agents", "list", "--limit", "1"},
		"/agents/" + agent:                   {"agents", "get", agent},
		"/agents/" + agent + "/versions":     {"agents", "versions", agent},
		"/environments":                      {"environments", "list"},
		"/environments/" + env:               {"environments", "get", "go"},
		"/environments/" + env + "/versions": {"environments", "versions", "go"},
		"/sessions?status=completed":         {"sessions", "list", "--status", "completed"},
		"/sessions?status=failed&limit=5":    {"sessions", "list", "--status", "failed", "--limit", "5"},
		"/sessions/" + session:               {"sessions", "get", session[:13]},
		"/sessions/" + session + "/turns":    {"sessions", "turns", session},
	} {
		want := a.get(path).want(200).body
		if got := a.aod(append(args, "-o", "json")...).ok(); got != want {
			if !strings.Contains(path, "limit") || !sameBut(t, got, want, "next_cursor") { // a cursor is sealed anew each time
				t.Errorf("%v prints\n%s, the server answers\n%s", args, got, want)
			}
		}
	}
	for text, args := range map[string][]string{
		`(?m)\AID +NAME +RUNTIME +MODEL +VERSION +AGE\n(.*\n)*` + agent + ` +hello +shell +local/bash +1 +\d`:                      {"agents", "list"},
		`(?m)\AID +NAME +NETWORK +PACKAGES +VERSION +AGE\n` + env + `  go    limited \(1\)  2         1        \d`:                 {"environments", "list"},
		`(?m)\AID +STATUS +EXIT +RUNTIME +TURNS +AGE +AGENT\n` + session + `  completed  0     shell    1      \d.* `:              {"sessions", "list"},
		`(?m)\ATURN +STATUS +EXIT +AGE +TOOK +PROMPT\n1     completed  0     \S+  \d\S+ +true\n\z`:                                 {"sessions", "turns", session},
		`(?m)\Aid +` + session + `\nagent_id +[0-9a-f-]{36}\nenvironment_id +-\nruntime +shell\n(.*\n)*resources +\[\]\n(.*\n)*\z`: {"sessions", "get", session},
	} {
		if got := a.aod(args...).ok(); !regexp.MustCompile(text).MatchString(got) {
			t.Errorf("%v prints\n%s", args, got)
		}
	}
}

// sameBut says whether two objects are the same but for one field.
func sameBut(t *testing.T, a, b, field string) bool {
	t.Helper()
	return jsonEqual(t, without(a, field), without(b, field))
}

func TestAgentsAreMadeAndChangedFromFlagsAndFiles(t *testing.T) {
	t.Parallel()
	a := start(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(file, []byte("name: from file # a comment\nruntime: claude\nmodel: claude-sonnet-4-6\nskills:\n  - {name: s, description: d, content: c}\nmetadata: {team: one, tier: 2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	get := func(name string) (agent struct {
		ID, Name, Model, Runtime string
		System                   *string
		Skills                   []json.RawMessage
		Metadata                 map[string]any
		Version                  int
	}) {
		t.Helper()
		if err := json.Unmarshal([]byte(a.aod("agents", "get", name, "-o", "json").ok()), &agent); err != nil {
			t.Fatal(err)
		}
		return agent
	}
	a.aod("agents", "create", "-f", file, "--name", "reviewer", "--metadata", "team=two", "--system", "Be brief.").ok()
	if got := get("reviewer"); got.Runtime != "claude" || len(got.Skills) != 1 || got.Metadata["team"] != "two" || got.Metadata["tier"] != 2.0 || *got.System != "Be brief." {
		t.Errorf("%+v", got)
	}
	a.aod("agents", "update", "reviewer", "--model", "anthropic/claude-haiku-4-5", "--system", "", "--metadata", "team=").ok()
	if got := get("reviewer"); got.Version != 2 || got.Model != "anthropic/claude-haiku-4-5" || got.System != nil || got.Metadata["team"] != nil {
		t.Errorf("%+v", got)
	}
	a.aod("agents", "update", "reviewer", "--version", "1", "--name", "x").refused("Version mismatch: expected 2, got 1")
	a.aod("agents", "create", "--name", "reviewer", "--runtime", "shell").ok()
	a.aod("agents", "get", "reviewer").refused(`2 agents are meant by "reviewer": say which, by its id: `)
	cmd := a.command("agents", "create", "-f", "-")
	cmd.Stdin = strings.NewReader(`{"name":"piped\u001b[31m","runtime":"shell"}`)
	if got := a.finish(cmd).ok(); strings.Contains(got, "\x1b") || !strings.Contains(got, "piped") {
		t.Errorf("%q", got)
	}
	if got := a.aod("agents", "list").ok(); strings.Contains(got, "\x1b") || strings.Count(got, "\n") != 4 {
		t.Errorf("%q", got)
	}
	if got := a.aod("agents", "list", "--metadata", "tier=2").ok(); strings.Count(got, "\n") != 2 {
		t.Errorf("%q", got)
	}
	a.aod("agents", "archive", "piped\x1b[31m").ok()
	a.aod("run", "--agent", "piped", "true").refused(`there is no agent "piped"; see: aod agents list`)
	for name, text := range map[string]string{"list.yaml": "- a\n", "empty.yaml": "# nothing\n", "bad.yaml": "a: [\n", "null.json": "null", "text.json": `"x"`} {
		bad := filepath.Join(dir, name)
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		a.aod("agents", "create", "-f", bad).refused("--file: ")
	}
}

func TestEnvironmentsAreMadeAndRemovedFromFlags(t *testing.T) {
	t.Parallel()
	a := start(t)
	setup := filepath.Join(t.TempDir(), "setup.sh")
	if err := os.WriteFile(setup, []byte("echo prepared > ~/prepared\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := a.command("environments", "create", "--name", "work", "--env", "COLOUR", "--setup-script", setup)
	cmd.Env = append(cmd.Env, "COLOUR=blue")
	a.finish(cmd).ok()
	if got := a.aod("run", "-q", "--runtime", "shell", "--environment", "work", "cat ~/prepared; echo $COLOUR").ok(); got != "prepared\nblue\n" {
		t.Errorf("%q", got)
	}
	a.aod("environments", "update", "work", "--name", "play", "--package", "apt:tree", "--package", "apt:jq", "--package", "pip:six", "--allow-host", "pypi.org").ok()
	got := a.aod("environments", "get", "play", "-o", "json").ok()
	for _, want := range []string{`"packages":{"apt":["tree","jq"],"pip":["six"]}`, `"allowed_hosts":["pypi.org"]`, `"type":"limited"`, `"version":2`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	a.aod("environments", "delete", "play").refused("Cannot delete environment with existing sessions")
	a.aod("sessions", "delete", a.newest()).ok()
	a.aod("environments", "archive", "play", "-o", "json").ok()
	a.aod("environments", "create", "--name", "other", "--package", "brew:x").refused(`--package: "brew:x" is not MANAGER:NAME with one of apt, cargo`)
	a.aod("environments", "create", "--name", "gone").ok()
	if got := a.aod("environments", "delete", "gone").ok(); !strings.Contains(got, "Environment deleted") {
		t.Errorf("%q", got)
	}
}

func TestCommandsSayWhatIsWrongAndWhatHelps(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.MaxSessions = 1 })
	id := a.blocked()
	for want, args := range map[string][]string{
		"say what is to do the work: --runtime with one of claude, codex, gemini, opencode, shell, or --agent": {"run", "hello"},
		`--runtime: "bash" is not one of claude,`:                                                              {"run", "--runtime", "bash", "hello"},
		"one prompt, not 2: put it into quotes":                                                                {"run", "--runtime", "shell", "say", "hello"},
		"the prompt on standard input is empty":                                                                {"run", "--runtime", "shell"},
		"--timeout: it is not a number of seconds from 10s to 1h":                                              {"run", "--runtime", "shell", "--timeout", "2h", "true"},
		"--secret: there is no variable NO_SUCH_VARIABLE in the environment":                                   {"run", "--runtime", "shell", "--secret", "NO_SUCH_VARIABLE", "true"},
		"--secret: give it as NAME, which takes the value of the variable NAME, or as NAME=@FILE":              {"run", "--runtime", "shell", "--secret", "KEY=hidden-value", "true"},
		"--secret KEY: open /nowhere: no such file or directory":                                               {"run", "--runtime", "shell", "--secret", "KEY=@/nowhere", "true"},
		"if any flags in the group [agent runtime] are set none of the others can be":                          {"run", "--runtime", "shell", "--agent", "x", "true"},
		"resources.0.url: Must be a valid https://github.com/<owner>/<repo> URL":                               {"run", "--runtime", "shell", "--repo", "https://example.com/a/b", "true"},
		"Concurrent session limit reached (1/1). Terminate an active session before starting a new one.":       {"run", "--runtime", "shell", "true"},
		"Runtime shell cannot serve model openai/o3: provider openai not in ['local']":                         {"run", "--runtime", "shell", "--model", "openai/o3", "true"},
		`there is no environment "none"; see: aod environments list`:                                           {"run", "--runtime", "shell", "--environment", "none", "true"},
		`there is no session "abcd"; see: aod sessions list`:                                                   {"sessions", "get", "abcd"},
		`"ab" is too little of a session's id; see: aod sessions list`:                                         {"sessions", "logs", "ab"},
		"name one session, not 0; see: aod sessions list":                                                      {"sessions", "terminate"},
		"Session not found":               {"sessions", "get", nobodys},
		"Session is already running":      {"sessions", "prompt", id, "true"},
		"Cannot delete an active session": {"sessions", "delete", id},
		`--status: "done" is not one of pending, running, completed, failed, terminated`: {"sessions", "list", "--status", "done"},
		"--limit: it is not a number from 1 to 1000; without it all are listed":          {"sessions", "list", "--limit", "0"},
		`invalid argument "yaml" for "-o, --output" flag: it is not one of json, table`:  {"sessions", "list", "-o", "yaml"},
		`unknown flag: --token`:                         {"sessions", "list", "--token", "x"},
		"the API's URL is not of the form https://host": {"sessions", "list", "--api-url", "localhost:8777"},
		"no server answers at http://127.0.0.1:1: connection refused. Start one there (aod serve) or set AOD_API_URL": {"sessions", "list", "--api-url", "http://127.0.0.1:1"},
	} {
		r := a.aod(args...)
		r.refused(want)
		if strings.Contains(r.stderr, "hidden-value") {
			t.Errorf("%q tells a secret", r.stderr)
		}
	}
	cmd := a.command("sessions", "list")
	cmd.Env = []string{"AOD_API_URL=" + a.url}
	a.finish(cmd).refused("no API token: set AOD_API_TOKEN, or AOD_API_TOKEN_FILE to the path of a file that holds it")
	cmd = a.command("run", "--runtime", "shell", "true")
	cmd.Env = []string{"AOD_API_URL=" + a.url, "AOD_API_TOKEN=aod_wrong"}
	a.finish(cmd).refused(a.url + " does not take the token: Invalid API key. Set AOD_API_TOKEN to one of its tokens")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(a.token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd = a.command("sessions", "get", id, "-o", "json")
	cmd.Env = []string{"AOD_API_URL=" + a.url, "AOD_API_TOKEN_FILE=" + file}
	if got := a.finish(cmd).ok(); !strings.Contains(got, id) {
		t.Errorf("%q", got)
	}
}

func TestShellsComplete(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent, session := a.shell(), a.session("true")
	for want, args := range map[string][]string{
		"claude\ncodex\ngemini\nopencode\nshell\n": {"run", "--runtime", ""},
		agent + "\thello\n":                        {"agents", "get", ""},
		session + "\t":                             {"sessions", "logs", ""},
		"json\ntable\n":                            {"sessions", "list", "-o", ""},
	} {
		if got := a.aod(append([]string{"__complete"}, args...)...).ok(); !strings.Contains(got, want) {
			t.Errorf("%v: %q", args, got)
		}
	}
	if got := a.aod("completion", "bash").ok(); !strings.Contains(got, "__start_aod") {
		t.Errorf("%.200q", got)
	}
}
