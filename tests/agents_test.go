package tests

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var stamp = `"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"`

func TestAgentIsAnsweredAsInTheContract(t *testing.T) {
	t.Parallel()
	a := start(t)
	got := a.post("/agents", `{"name":"é","model":"claude-sonnet-4-6","runtime":"claude","description":"","stray":1,"metadata":{"n":12345678901234567890,"e":""},
		"mcp_servers":[{"name":"m","url":"https://x","extra":true}],"skills":[{"name":"s","description":"d","content":"c"}]}`).want(201)
	want := `\A{"id":"[0-9a-f-]{36}","type":"agent","name":"é","description":null,"system":null,"model":"anthropic/claude-sonnet-4-6","runtime":"claude","provider":"anthropic",` +
		`"environment_id":null,"skills":\[{"content":"c","description":"d","name":"s"}\],"mcp_servers":\[{"extra":true,"name":"m","type":"url","url":"https://x"}\],` +
		`"metadata":{"e":"","n":12345678901234567890},"version":1,"created_at":` + stamp + `,"updated_at":` + stamp + `,"archived_at":null}\n\z`
	if !regexp.MustCompile(want).MatchString(got.body) {
		t.Errorf("got %s", got.body)
	}
	if listed := a.get("/agents").want(200); listed.body != `{"data":[`+strings.TrimSpace(got.body)+"]}\n" {
		t.Errorf("list %s", listed.body)
	}
	versions := a.get("/agents/" + got.text("id") + "/versions").want(200)
	var list struct{ Data []fmtRaw }
	versions.into(&list)
	if want := "id type name description system model runtime provider environment_id skills mcp_servers metadata version created_at"; len(list.Data) != 1 || keys(t, string(list.Data[0])) != want {
		t.Errorf("versions %s", versions.body)
	}
}

// fmtRaw is JSON as it came.
type fmtRaw []byte

func (r *fmtRaw) UnmarshalJSON(text []byte) error {
	*r = append((*r)[:0], text...)
	return nil
}

func TestAgentUpdates(t *testing.T) {
	t.Parallel()
	a := start(t)
	id := a.post("/agents", `{"name":"A","model":"local/bash","runtime":"shell","system":"s","metadata":{"team":"platform","env":"prod"}}`).want(201).text("id")
	put := func(body string) reply { t.Helper(); return a.put("/agents/"+id, body) }
	if got := put(`{"version":1,"name":"A","metadata":{"absent":""}}`).want(200); got.field("version") != "1" {
		t.Errorf("a change of nothing: %s", got.body)
	}
	if got := put(`{"version":"1","metadata":{"env":"staging","team":""}}`).want(200); got.field("metadata") != `{"env":"staging"}` || got.field("version") != "2" {
		t.Errorf("metadata: %s", got.body)
	}
	put(`{"version":1,"system":"u"}`).detail(409, "Version mismatch: expected 2, got 1")
	if got := put(`{"version":2,"system":"","skills":null,"runtime":"claude","model":"claude-haiku-4-5"}`).want(200); got.field("system") != "null" || got.text("model") != "anthropic/claude-haiku-4-5" {
		t.Errorf("update: %s", got.body)
	}
	put(`{"version":3,"runtime":"codex"}`).detail(422, "Runtime codex cannot serve model anthropic/claude-haiku-4-5: provider anthropic not in ['openai']")
	put(`{"version":3,"runtime":"cobol"}`).detail(400, "Unknown runtime: cobol. Must be one of: ['claude', 'codex', 'gemini', 'opencode', 'shell']")
	env := a.post("/environments", `{"name":"e"}`).want(201).text("id")
	if got := put(`{"version":3,"environment_id":"` + env + `"}`).want(200); got.text("environment_id") != env {
		t.Errorf("attach: %s", got.body)
	}
	if got := put(`{"version":4,"name":"B"}`).want(200); got.text("environment_id") != env {
		t.Errorf("omitted: %s", got.body)
	}
	if got := put(`{"version":5,"environment_id":null}`).want(200); got.field("environment_id") != "null" {
		t.Errorf("detach: %s", got.body)
	}
	put(`{"version":6,"environment_id":"nothing"}`).detail(404, "Environment not found")
	a.post("/agents/"+id+"/archive", "ignored").want(200)
	a.post("/agents/"+id+"/archive", "").detail(409, "Agent is already archived")
	put(`{"version":6,"name":"C"}`).detail(409, "Cannot update an archived agent")
	a.post("/sessions", `{"agent_id":"`+id+`","prompt":"x"}`).detail(409, "Cannot create session with archived agent")
	if got := a.get("/agents").want(200).body; got != "{\"data\":[]}\n" {
		t.Errorf("archived agents are listed: %s", got)
	}
	a.get("/agents/" + id).want(200)
}

func TestAgentRulesHaveTheirTexts(t *testing.T) {
	t.Parallel()
	a := start(t)
	create := func(fields string) reply {
		t.Helper()
		return a.post("/agents", `{"name":"x","runtime":"claude","model":"claude-x",`+fields+`}`)
	}
	skill := func(fields string) string { return `"skills":[{` + fields + `}]` }
	ok := `"name":"a","description":"d","content":"c"`
	for fields, want := range map[string]string{
		skill(`"name":"a","description":"d","content":"c","x":1`):              "skills[0]: unknown keys ['x']. Allowed for inline skills: ['content', 'description', 'name']",
		skill(`"name":"a","description":"d"`):                                  "skills[0] missing required field: content",
		skill(`"name":"a\n","description":"d","content":"c"`):                  "skills[0].name 'a\n' must match [a-z0-9][a-z0-9-]{0,63}",
		skill(`"name":"a","description":"d","content":"SKILL_EOF"`):            "skills[0].content must not contain 'SKILL_EOF'",
		skill(`"type":null,"description":"d","source":"a/b"`):                  "skills[0].type must be a string",
		skill(`"type":"git","description":"d","source":"a/b"`):                 "skills[0].type 'git' unsupported (only 'github')",
		skill(`"type":"github","description":"d","source":"a"`):                "skills[0].source 'a' must be 'owner/repo'",
		`"skills":[{` + ok + `},{` + ok + `}]`:                                 "skills[1]: duplicate name 'a'",
		`"skills":[null]`:                                                      "skills[0] must be an object",
		`"skills":["x"]`:                                                       "skills[0] must be an object",
		`"skills":[` + strings.TrimSuffix(strings.Repeat(`1,`, 21), ",") + `]`: "Maximum 20 skills per agent",
		`"skills":[{"type":"github","description":"d","source":"a/b"},{"type":"github","description":"d","source":"a/b"}]`: "skills[1]: duplicate source '@github:a/b'",
	} {
		create(fields).problem("value_error", `["skills"]`, "Value error, "+want)
	}
	for fields, want := range map[string]string{
		`"mcp_servers":[1]`:  "mcp_servers[0] must be an object",
		`"mcp_servers":[{}]`: "mcp_servers[0] missing required field: name",
		`"mcp_servers":[{"name":"n","type":null,"url":"u"}]`:                   "mcp_servers[0]: unknown type 'null'. Must be one of: ['stdio', 'url']",
		`"mcp_servers":[{"name":"n","type":["url"],"url":"u"}]`:                "mcp_servers[0]: unknown type '[\"url\"]'. Must be one of: ['stdio', 'url']",
		`"mcp_servers":[{"name":"n","type":"sse"}]`:                            "mcp_servers[0]: unknown type 'sse'. Must be one of: ['stdio', 'url']",
		`"mcp_servers":[{"name":"n"}]`:                                         "mcp_servers[0] (url): missing required field: url",
		`"mcp_servers":[{"name":"n","type":"stdio"}]`:                          "mcp_servers[0] (stdio): missing required field: command",
		`"mcp_servers":[{"name":"n","url":"u"},{"name":"n","url":"u"}]`:        "mcp_servers[1]: duplicate name 'n'",
		`"mcp_servers":[{"name":"n","url":"u","headers":{"Authorization":1}}]`: "mcp_servers[0].headers must be an object of strings",
	} {
		create(fields).problem("value_error", `["mcp_servers"]`, "Value error, "+want)
	}
	if got := create(`"mcp_servers":[{"name":"n","url":"u","URL":5,"ARGS":5}]`).want(201); got.field("mcp_servers") != `[{"name":"n","type":"url","url":"u"}]` {
		t.Errorf("keys in other letters: %s", got.body)
	}
	a.post("/agents", `{"name":"x","model":"m"}`).problem("missing", `["runtime"]`, "Field required")
	a.post("/agents", `{"name":"x","runtime":"claude"}`).problem("missing", `["model"]`, "Field required")
	a.post("/agents", `{"name":"x","runtime":"claude","model":" "}`).problem("value_error", `["model"]`, "Value error, Model must be a non-empty string")
	a.post("/agents", `{"name":"x","runtime":"opencode","model":"m"}`).problem("value_error", `["model"]`, "Value error, Model must be 'provider/model_id' for runtime opencode")
	a.post("/agents", `{"name":"x","provider":"acme","model":"m"}`).detail(422, "Unknown provider: acme. Must be one of: ['anthropic', 'google', 'openai']")
	a.post("/agents", `{"name":"x","provider":"anthropic","model":"openai/o3"}`).detail(422, "Model provider prefix 'openai' does not match provider 'anthropic'")
	a.post("/agents", `{"name":"x","runtime":"claude","model":"openai/o3"}`).detail(422, "Runtime claude cannot serve model openai/o3: provider openai not in ['anthropic']")
	if got := a.post("/agents", `{"name":"x","provider":"google","model":"gemini-2.5-pro"}`).want(201); got.text("runtime") != "gemini" || got.text("model") != "google/gemini-2.5-pro" {
		t.Errorf("by provider: %s", got.body)
	}
	if got := a.post("/agents", `{"name":"x","runtime":"shell"}`).want(201); got.text("model") != "local/bash" {
		t.Errorf("shell: %s", got.body)
	}
}

func TestAllWrongFieldsAreReportedInOrder(t *testing.T) {
	t.Parallel()
	a := start(t)
	got := a.post("/sessions", `{"resources":[{"type":"x","url":"https://github.com/a/b","authorization_token":"hush"},{"type":"github_repository","url":"http://github.com/a/b"}],"timeout":5,"prompt":1,"secret_env_vars":{"1":"hush"}}`).want(422)
	var body struct {
		Detail []struct {
			Type, Msg  string
			Loc, Input fmtRaw
		}
	}
	got.into(&body)
	var told []string
	for _, p := range body.Detail {
		told = append(told, fmt.Sprintf("%s %s %s", p.Type, p.Loc, p.Msg))
	}
	want := `missing ["agent_id"] Field required
string_type ["prompt"] Input should be a valid string
greater_than_equal ["timeout"] Input should be greater than or equal to 10
literal_error ["resources",0,"type"] Input should be 'github_repository'
value_error ["resources",1,"url"] Value error, Must be a valid https://github.com/<owner>/<repo> URL
value_error ["secret_env_vars"] Value error, Invalid env_var key '1': must match [A-Za-z_][A-Za-z0-9_]*`
	if strings.Join(told, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(told, "\n"), want)
	}
	if strings.Contains(got.body, "hush") {
		t.Errorf("a secret comes back: %s", got.body)
	}
}
