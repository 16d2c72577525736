package tests

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/store"
	"github.com/agent-on-demand/aod/tests/model"
)

// The real Claude Code CLI, installed from npm by the server itself, against a
// scripted model server: it answers, uses a tool, and carries its conversation
// into the next turn. Its key is the operator's and never shown.
func TestClaudeCodeTalksToTheModel(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"namespaces", "none"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			claudeTalks(t, isolation)
		})
	}
}

func claudeTalks(t *testing.T, isolation string) {
	const key = "sk-ant-operator-key-of-the-test"
	models := model.Start(t)
	a := start(t, func(c *server.Config) {
		c.Isolation = isolation
		c.Keys = map[string]store.Secret{"ANTHROPIC_API_KEY": store.NewSecret(key)}
		c.AllowHosts = []string{strings.TrimPrefix(models.URL(), "http://")}
	})
	agent := a.post("/agents", `{"name":"hello","model":"anthropic/claude-sonnet-4-6","runtime":"claude","system":"You are a test."}`).want(201)
	if agent.text("provider") != "anthropic" {
		t.Errorf("agent %s", agent.body)
	}
	env := a.post("/environments", `{"name":"models","env_vars":{"ANTHROPIC_BASE_URL":`+quoted(models.URL())+`}}`).want(201).text("id")
	session := a.post("/sessions", `{"agent_id":"`+agent.text("id")+`","environment_id":"`+env+`","prompt":"please [[write hello.txt hi from claude]]","timeout":120}`).want(202).text("id")
	all := a.stream(session).rest()
	if end := all[len(all)-1]; end.Type != "exit" || *end.Code != 0 {
		t.Fatalf("ended with %+v; stderr %s", end, output(all, "stderr", 1))
	}
	result := lastLine(t, output(all, "stdout", 1))
	if result["type"] != "result" || result["is_error"] != false {
		t.Errorf("result %v", result)
	}

	a.post("/sessions/"+session+"/prompt", `{"prompt":"/and again [[bash cat hello.txt]]"}`).want(202)
	all = a.stream(session).rest()
	if end := all[len(all)-1]; end.Type != "exit" || *end.Code != 0 {
		t.Fatalf("turn 2 ended with %+v; stderr %s", end, output(all, "stderr", 2))
	}
	if text := output(all, "stdout", 2); !strings.Contains(text, "hi from claude") {
		t.Errorf("the second turn does not see the first one's file: %s", text)
	}
	var last model.Request
	for _, r := range models.Requests() {
		if r.Main {
			last = r
		}
	}
	if prompts := strings.Join(last.Prompts, "|"); !strings.Contains(prompts, "please [[write") || !strings.Contains(prompts, "/and again") {
		t.Errorf("the model saw the prompts %q", last.Prompts)
	}
	if !strings.Contains(last.System, "You are a test.") || !strings.Contains(last.Model, "claude-sonnet-4-6") || last.Header.Get("X-Api-Key") != key {
		t.Errorf("model %q, key %v, system %q", last.Model, last.Header.Get("X-Api-Key") == key, last.System)
	}
	if strings.Contains(a.raw(session), key) {
		t.Error("the key is in the stream")
	}
}

// Claude Code ends with 0, without a word and without having asked the model, where it cannot write its temporary files.
func TestSilentSuccessHasFailed(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) {
		c.Keys = map[string]store.Secret{"ANTHROPIC_API_KEY": store.NewSecret("sk-ant-no-key")}
	})
	agent := a.post("/agents", `{"name":"silent","model":"anthropic/claude-sonnet-4-6","runtime":"claude"}`).want(201).text("id")
	env := a.environment("unwritable", `,"env_vars":{"TMPDIR":"/proc/none"}`)
	session := a.in(agent, "hello", `,"timeout":60,"environment_id":"`+env+`"`).want(202).text("id")
	all := a.stream(session).rest()
	if said := output(all, "stderr", 1); !strings.HasSuffix(said, "turn failed: claude ended without a result\n") {
		t.Errorf("stderr %q, stdout %q", said, output(all, "stdout", 1))
	}
	row := a.get("/sessions/" + session)
	row.has("status", `"failed"`)
	row.has("exit_code", "null")
}

// lastLine decodes the last line of JSON lines.
func lastLine(t *testing.T, text string) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var fields map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &fields); err != nil {
		t.Fatalf("%v: %s", err, lines[len(lines)-1])
	}
	return fields
}
