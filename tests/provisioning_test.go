package tests

import (
	"encoding/base64"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/store"
)

// stages are the stages of a stream and their states, in order.
func stages(all []event) string {
	var b []string
	for _, ev := range all {
		if ev.Type == "stage" {
			b = append(b, ev.Stage+" "+ev.State)
		}
	}
	return strings.Join(b, ", ")
}

func TestStages(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.promise("8.3 a plain session has five stages, each started and done, and its start", func(a *api) {
		_, all := a.run("true")
		want := "create_sprite started, create_sprite done, install_runtime started, install_runtime done, env_file started, env_file done, " +
			"provision_setup started, provision_setup done, runtime_config started, runtime_config done, runtime_start started"
		if got := stages(all); got != want {
			a.t.Errorf("got %s", got)
		}
	})
	a.promise("8.3 credentials and skills are stages of the sessions that have some", func(a *api) {
		agent := a.agent(`,"skills":[{"name":"s","description":"d","content":"c"}]`)
		id := a.in(agent, "true", "").want(202).text("id")
		if got := stages(a.stream(id).rest()); !strings.Contains(got, "runtime_config done, skills started, skills done, runtime_start started") {
			a.t.Errorf("got %s", got)
		}
		id = a.in(agent, "true", `,"resources":[{"type":"github_repository","url":"https://github.com/o/r","authorization_token":"hush-hush"}]`).want(202).text("id")
		stream := a.stream(id)
		if got := stages(stream.rest()); !strings.Contains(got, "env_file done, git_credentials started, git_credentials done, provision_setup started") {
			a.t.Errorf("got %s", got)
		}
		if strings.Contains(stream.raw.String(), "hush-hush") {
			a.t.Errorf("the token is in the stream: %s", stream.raw.String())
		}
	})
	a.promise("8.3 a failed stage says why, in full, and so does the turn", func(a *api) {
		env := a.environment("failing", `,"setup_script":"echo going >&2; no-such-command; echo never"`)
		id := a.in(a.shell(), "echo never", `,"environment_id":"`+env+`"`).want(202).text("id")
		all := a.stream(id).rest()
		var failed event
		for _, ev := range all {
			if ev.State == "failed" {
				failed = ev
			}
		}
		if failed.Stage != "provision_setup" || !strings.HasPrefix(failed.Message, "Provisioning script failed: exit code 127\nstderr:\ngoing\n") {
			a.t.Errorf("stage %+v", failed)
		}
		if got := output(all, "stderr", 1); got != "provision failed: "+failed.Message+"\n" {
			a.t.Errorf("stderr %q", got)
		}
		if end := all[len(all)-1]; end.Type != "error" || end.Message != "Session failed" {
			a.t.Errorf("ended with %+v", end)
		}
		row := a.get("/sessions/" + id)
		row.has("status", `"failed"`)
		row.has("exit_code", "null")
		if turn := a.turns(id)[0]; turn.Status != "failed" || turn.StartedAt != nil || turn.EndedAt == nil {
			a.t.Errorf("turn %+v", turn)
		}
		a.post("/sessions/"+id+"/prompt", `{"prompt":"x"}`).detail(409, hasFailed)
	})
	a.promise("8.3 an installation that fails quotes npm's last words", func(a *api) {
		a = start(a.t, func(c *server.Config) {
			c.RuntimesDir, c.Versions = a.t.TempDir(), map[string]string{"gemini": "0.0.0-none"}
		})
		agent := a.post("/agents", `{"name":"g","model":"google/gemini-2.5-pro","runtime":"gemini"}`).want(201).text("id")
		all := a.stream(a.in(agent, "hello", "").want(202).text("id")).rest()
		said := output(all, "stderr", 1)
		if !strings.HasPrefix(said, "install_runtime: npm install @google/gemini-cli@0.0.0-none, once for all sessions\nprovision failed: Failed to install runtime: npm install @google/gemini-cli@0.0.0-none: exit status 1\n") || !strings.Contains(said, "No matching version") {
			a.t.Errorf("stderr %q", said)
		}
	})
	a.promise("8.3 of a script's words the last 2000 characters are quoted", func(a *api) {
		env := a.environment("talkative", `,"setup_script":"for i in $(seq 3000); do printf é >&2; done; false"`)
		id := a.in(a.shell(), "echo never", `,"environment_id":"`+env+`"`).want(202).text("id")
		want := "provision failed: Provisioning script failed: exit code 1\nstderr:\n" + strings.Repeat("é", 2000) + "\n"
		if got := output(a.stream(id).rest(), "stderr", 1); got != want {
			a.t.Errorf("got %q", got)
		}
	})
	a.promise("8.3 a limited network is closed before the setup, and says what it refuses", func(a *api) {
		env := a.environment("limited", `,"networking":{"type":"limited","allowed_hosts":["example.com"]},"setup_script":"curl -s http://denied.test/ > /tmp/answer"`)
		id := a.in(a.shell(), "cat /tmp/answer; for i in $(seq 30); do curl -s http://denied.test:80/ > /dev/null; sleep 0.1; done" /* what is refused is told to those who are connected by then */, `,"environment_id":"`+env+`"`).want(202).text("id")
		all := a.stream(id).rest()
		const refusal = "denied.test:80 is not on this sprite's network allow-list\n"
		if text := output(all, "stdout", 1); text != "sprite network policy: "+refusal {
			a.t.Errorf("stdout %q", text)
		}
		if text := output(all, "stderr", 1); text != "aod: "+refusal {
			a.t.Errorf("stderr %q", text)
		}
		if got := stages(all); !strings.Contains(got, "install_runtime done, network_policy started, network_policy done, env_file started") {
			a.t.Errorf("got %s", got)
		}
	})
	a.promise("8.3 any failure destroys the Sprite", func(a *api) {
		a.endSessions()
	})
}

func TestEnvironmentOfTurn(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) {
		c.Keys = map[string]store.Secret{"ANTHROPIC_API_KEY": store.NewSecret("operator"), "OPENAI_API_KEY": store.NewSecret("operator"), "GEMINI_API_KEY": store.NewSecret("operator")}
	})
	shown := func(a *api, fields, script string) string {
		a.t.Helper()
		id := a.in(a.shell(), script, fields).want(202).text("id")
		all := a.stream(id).rest()
		if text := output(all, "stderr", 1); text != "" {
			a.t.Errorf("stderr %q", text)
		}
		return output(all, "stdout", 1)
	}
	a.promise("8.5 secret wins over environment, which wins over what is built in", func(a *api) {
		env := a.environment("e", `,"env_vars":{"WHO":"environment","BOTH":"environment","EMPTY":"","AOD_MODEL":"mine"}`)
		got := shown(a, `,"environment_id":"`+env+`","secret_env_vars":{"BOTH":"session"}`, `printf '%s|' "$WHO" "$BOTH" "${EMPTY-unset}" "$AOD_MODEL" ${#AOD_SESSION_ID}`)
		if got != "environment|session||mine|36|" {
			a.t.Errorf("got %q", got)
		}
	})
	a.promise("8.5 values are quoted, whatever they hold", func(a *api) {
		const value = "it's a $ecret `id` \"x\" \\ \n2 é \u2028 #;&|"
		got := shown(a, `,"secret_env_vars":{"S":`+quoted(value)+`}`, `printf '%s' "$S" | base64 -w 0`) // as it is, it would be hidden
		if text, err := base64.StdEncoding.DecodeString(got); err != nil || string(text) != value {
			a.t.Errorf("got %q, %v", text, err)
		}
	})
	a.promise("8.5 the file is the Sprite's owner's only", func(a *api) {
		if got := shown(a, "", "stat -c %a .aod/env"); got != "600\n" {
			a.t.Errorf("got %q", got)
		}
	})
	a.promise("8.5 names that programs know reach the turn too", func(a *api) {
		if got := shown(a, `,"secret_env_vars":{"PATH":"/opt/mine:/usr/bin:/bin","HOME":"/tmp","LANG":"C"}`, `echo "$PATH $HOME $LANG" | tr : ' '`); got != "/opt/mine /usr/bin /bin /tmp C\n" {
			a.t.Errorf("got %q", got)
		}
	})
	a.promise("13.2 the operator's keys reach every session, and lose against everything else", func(a *api) {
		env := a.environment("keys", `,"env_vars":{"OPENAI_API_KEY":"environment"}`)
		got := shown(a, `,"environment_id":"`+env+`","secret_env_vars":{"GEMINI_API_KEY":"session"}`, `echo $ANTHROPIC_API_KEY $OPENAI_API_KEY $GEMINI_API_KEY | tr a-z A-Z`)
		if got != "OPERATOR ENVIRONMENT SESSION\n" {
			a.t.Errorf("got %q", got)
		}
		for _, path := range []string{"/agents", "/environments", "/sessions", "/health"} {
			if text := a.get(path).body; strings.Contains(text, "operator") {
				a.t.Errorf("%s: %s", path, text)
			}
		}
	})
	a.promise("8.4 the setup script runs once, before the first turn, without the variables", func(a *api) {
		env := a.environment("setup", `,"env_vars":{"WHO":"environment"},"setup_script":"  echo \"made by setup [$WHO]\" >> made\n"`)
		if got := shown(a, `,"environment_id":"`+env+`"`, "cat made"); got != "made by setup []\n" {
			a.t.Errorf("got %q", got)
		}
	})
	a.promise("8.4 packages are installed before the first turn, for all turns, and in the Sprite alone", func(a *api) {
		_, absent := exec.LookPath("hello")
		env := a.environment("packages", `,"packages":{"apt":["hello"],"npm":["is-odd"],"pip":["iniconfig"]}`)
		got := shown(a, `,"environment_id":"`+env+`"`, "hello; npm ls --global --parseable is-odd 2> /dev/null; python3 -c 'import iniconfig; print(iniconfig.__name__)'")
		if got != "Hello, world!\n/usr/lib/node_modules/is-odd\niniconfig\n" && got != "Hello, world!\n/usr/local/lib/node_modules/is-odd\niniconfig\n" {
			a.t.Errorf("got %q", got)
		}
		if _, err := exec.LookPath("hello"); (err == nil) != (absent == nil) {
			a.t.Error("it is on the host too")
		}
	})
	a.promise("8.4 the script stops at its first failure", func(a *api) {
		env := a.environment("stops", `,"setup_script":"false\necho never > /workspace/never"`)
		id := a.in(a.shell(), "true", `,"environment_id":"`+env+`"`).want(202).text("id")
		if end := a.stream(id).rest(); end[len(end)-1].Type != "error" {
			a.t.Errorf("ended with %+v", end[len(end)-1])
		}
	})
	a.promise("8.6 the prompt arrives whatever it holds, and in no argv", func(a *api) {
		script := "# é \u2028 \\ ' \" $(id)\n" + `tr '\0' ' ' < /proc/$$/cmdline; echo; printf '%s' 'é ` + "\u2028" + `'`
		if got := shown(a, "", script); got != "bash -l \né \u2028" && got != "bash \né \u2028" && !strings.HasSuffix(got, "\né \u2028") || strings.Contains(got, "cmdline") {
			a.t.Errorf("got %q", got)
		}
		large := strings.Repeat("# "+strings.Repeat("x", 998)+"\n", 2000) + "echo done"
		if got := shown(a, "", large); got != "done\n" {
			a.t.Errorf("a prompt of 2 MB: %q", got)
		}
	})
	a.promise("13.1 a shell turn runs in the home, and its system text is not sent", func(a *api) {
		id := a.in(a.agent(`,"system":"echo system"`), "pwd; shopt -q login_shell && echo login", "").want(202).text("id")
		if got := output(a.stream(id).rest(), "stdout", 1); got != "/home/sprite\nlogin\n" {
			a.t.Errorf("got %q", got)
		}
	})
	a.promise("13.1 each turn is a new shell", func(a *api) {
		session, _ := a.run("X=1; export Y=2; cd /tmp")
		a.post("/sessions/"+session+"/prompt", `{"prompt":"echo [$X$Y] $PWD"}`).want(202)
		if got := output(a.stream(session).rest(), "stdout", 2); got != "[] /home/sprite\n" {
			a.t.Errorf("got %q", got)
		}
	})
}

func TestSessionsSideBySide(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.promise("8.1 sessions do not see each other", func(a *api) {
		var ids []string
		agent := a.shell()
		for i := range 5 {
			ids = append(ids, a.in(agent, fmt.Sprintf("[ ! -e mine ] && echo %d > mine; sleep 0.1; cat mine", i), "").want(202).text("id"))
		}
		for i, id := range ids {
			if got := output(a.stream(id).rest(), "stdout", 1); got != fmt.Sprintln(i) {
				a.t.Errorf("session %d: %q", i, got)
			}
		}
	})
}
