package tests

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// stamp matches a timestamp.
const stamp = `"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"`

// fits fails the test unless the whole body fits the pattern.
func (r reply) fits(pattern string) {
	r.t.Helper()
	if !regexp.MustCompile(`\A` + pattern + `\n\z`).MatchString(r.body) {
		r.t.Errorf("got %s\nwant %s", r.body, pattern)
	}
}

// has fails the test unless the field has that value, as JSON.
func (r reply) has(field, value string) {
	r.t.Helper()
	if got := r.field(field); got != value {
		r.t.Errorf("%s is %s, want %s", field, got, value)
	}
}

// data returns the entries of a list.
func (r reply) data() []json.RawMessage {
	r.t.Helper()
	var list struct{ Data []json.RawMessage }
	r.want(200).into(&list)
	return list.Data
}

// agent creates an agent of runtime shell with further fields and returns its id.
func (a *api) agent(fields string) string {
	a.t.Helper()
	return a.post("/agents", `{"name":"x","runtime":"shell"`+fields+`}`).want(201).text("id")
}

// environment creates an environment with further fields and returns its id.
func (a *api) environment(name, fields string) string {
	a.t.Helper()
	return a.post("/environments", `{"name":`+quoted(name)+fields+`}`).want(201).text("id")
}

func TestCreateAgent(t *testing.T) {
	t.Parallel()
	a := start(t)
	create := func(a *api, fields string) reply { return a.post("/agents", "{"+fields+"}") }
	a.promise("5.1 name has at most 200 characters, may be empty and need not be unique", func(a *api) {
		for _, name := range []string{strings.Repeat("é", 200), "", "same", "same"} {
			create(a, `"name":"`+name+`","runtime":"shell"`).want(201).has("name", quoted(name))
		}
		create(a, `"name":"`+strings.Repeat("é", 201)+`","runtime":"shell"`).problem("string_too_long", `["name"]`, "String should have at most 200 characters")
		create(a, `"runtime":"shell"`).problem("missing", `["name"]`, "Field required")
	})
	a.promise("5.1 model has at most 100 characters and runtime and provider at most 32", func(a *api) {
		create(a, `"name":"x","runtime":"claude","model":"anthropic/`+strings.Repeat("m", 90)+`"`).want(201)
		create(a, `"name":"x","runtime":"claude","model":"anthropic/`+strings.Repeat("m", 91)+`"`).problem("string_too_long", `["model"]`, "String should have at most 100 characters")
		create(a, `"name":"x","runtime":"`+strings.Repeat("r", 33)+`","model":"m"`).problem("string_too_long", `["runtime"]`, "String should have at most 32 characters")
		create(a, `"name":"x","provider":"`+strings.Repeat("p", 33)+`","model":"m"`).problem("string_too_long", `["provider"]`, "String should have at most 32 characters")
	})
	a.promise("5.1 no field but environment_id may be null", func(a *api) {
		for field, want := range map[string][2]string{
			"name": {"string_type", "string"}, "model": {"string_type", "string"}, "runtime": {"string_type", "string"}, "system": {"string_type", "string"},
			"description": {"string_type", "string"}, "skills": {"list_type", "list"}, "mcp_servers": {"list_type", "list"}, "metadata": {"dict_type", "dictionary"},
		} {
			fields := map[string]any{"name": "x", "runtime": "claude", "model": "m", field: nil}
			body, err := json.Marshal(fields)
			if err != nil {
				a.t.Fatal(err)
			}
			a.post("/agents", string(body)).problem(want[0], `["`+field+`"]`, "Input should be a valid "+want[1])
		}
	})
	a.promise("5.1 environment_id null, empty or absent means none", func(a *api) {
		for _, none := range []string{"", `,"environment_id":null`, `,"environment_id":""`} {
			create(a, `"name":"x","runtime":"shell"`+none).want(201).has("environment_id", "null")
		}
	})
	a.promise("5.1 environment_id is the caller's and not archived", func(a *api) {
		env := a.environment("good", "")
		create(a, `"name":"x","runtime":"shell","environment_id":"`+env+`"`).want(201).has("environment_id", quoted(env))
		foreign := a.anotherUser().environment("foreign", "")
		for _, id := range []string{foreign, nobodys, "not-a-uuid", strings.ToUpper(env), "é"} {
			create(a, `"name":"x","runtime":"shell","environment_id":"`+id+`"`).detail(404, "Environment not found")
		}
		a.post("/environments/"+env+"/archive", "").want(200)
		create(a, `"name":"x","runtime":"shell","environment_id":"`+env+`"`).detail(409, "Cannot assign an archived environment to an agent")
	})
	a.promise("5.1 metadata is stored as given, an empty string too", func(a *api) {
		const metadata = `{"":null,"a":"","b":[1,{"c":false}],"big":12345678901234567890.5,"n":1e2,"é\u2028":"\u0000\u003c"}`
		agent := create(a, `"name":"x","runtime":"shell","metadata":`+metadata).want(201)
		if got := agent.field("metadata"); !jsonEqual(a.t, got, metadata) || !strings.Contains(got, "12345678901234567890.5") {
			a.t.Errorf("got %s", got)
		}
	})
	a.promise("5.1 fields that the document lacks are ignored", func(a *api) {
		create(a, `"name":"x","runtime":"shell","tools":[1],"id":"mine","version":7`).want(201).has("version", "1")
	})
	a.promise("5.1 checks come in order: JSON, fields, runtime, pairing, environment", func(a *api) {
		const archived, bad = `"environment_id":"` + nobodys + `"`, `"skills":[1]`
		create(a, `"name":1,"runtime":"cobol",`).detail(400, "Invalid JSON")
		create(a, `"name":"x","runtime":"cobol","model":"m",`+bad).problem("value_error", `["skills"]`, "Value error, skills[0] must be an object")
		create(a, `"name":"x","runtime":"cobol","model":"openai/o3",`+archived).detail(400, "Unknown runtime: cobol. Must be one of: ['claude', 'codex', 'gemini', 'opencode', 'shell']")
		create(a, `"name":"x","runtime":"claude","model":"openai/o3",`+archived).detail(422, "Runtime claude cannot serve model openai/o3: provider openai not in ['anthropic']")
		create(a, `"name":"x","runtime":"claude","model":"m",`+archived).detail(404, "Environment not found")
	})
	a.promise("5.1 a new agent is version 1, with its snapshot", func(a *api) {
		agent := create(a, `"name":"x","runtime":"shell"`).want(201)
		agent.has("version", "1")
		agent.has("updated_at", agent.field("created_at"))
		if got := a.get("/agents/" + agent.text("id") + "/versions").data(); len(got) != 1 {
			a.t.Errorf("%d versions", len(got))
		}
	})
	a.promise("5.1 what is refused makes nothing", func(a *api) {
		before := a.get("/agents").body
		create(a, `"name":"x","runtime":"shell","skills":[1]`).want(422)
		create(a, `"name":"x","runtime":"shell","environment_id":"`+nobodys+`"`).want(404)
		if after := a.get("/agents").body; after != before {
			a.t.Errorf("now there is %s", after)
		}
	})
}

func TestAgentObject(t *testing.T) {
	t.Parallel()
	a := start(t)
	const fields = `"name":"é","description":null,"system":null,"model":"anthropic/claude-sonnet-4-6","runtime":"claude","provider":"anthropic",` +
		`"environment_id":null,"skills":\[{"content":"c","description":"d","name":"s"}\],"mcp_servers":\[{"extra":true,"name":"m","type":"url","url":"https://x"}\],` +
		`"metadata":{"k":"v"},"version":1,"created_at":` + stamp
	agent := a.post("/agents", `{"name":"é","model":"claude-sonnet-4-6","runtime":"claude","description":"","metadata":{"k":"v"},
		"mcp_servers":[{"name":"m","url":"https://x","extra":true}],"skills":[{"name":"s","description":"d","content":"c"}]}`).want(201)
	id := `"id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}","type":"agent",`
	a.promise("5.2 an agent has these keys in this order, empty texts as null", func(a *api) {
		agent.fits(`{` + id + fields + `,"updated_at":` + stamp + `,"archived_at":null}`)
	})
	a.promise("5.2 it is the same in the list and by its id", func(a *api) {
		a.get("/agents").fits(`{"data":\[` + regexp.QuoteMeta(strings.TrimSpace(agent.body)) + `\]}`)
		if got := a.get("/agents/" + agent.text("id")); got.body != agent.body {
			a.t.Errorf("got %s", got.body)
		}
	})
	a.promise("5.2 a version has the agent's id and neither updated_at nor archived_at", func(a *api) {
		versions := a.get("/agents/" + agent.text("id") + "/versions").want(200)
		versions.fits(`{"data":\[{` + id + fields + `}\]}`)
		if !strings.Contains(versions.body, agent.text("id")) {
			a.t.Errorf("got %s", versions.body)
		}
	})
	a.promise("0.1 runtime and provider are in agents, versions, sessions and the stream's start", func(a *api) {
		id := a.session("true")
		stream := a.stream(id)
		stream.rest()
		session := a.get("/sessions/" + id)
		session.has("runtime", `"shell"`)
		session.has("provider", `"local"`)
		if start := strings.SplitN(stream.raw.String(), "\n", 2)[0]; start != `data: {"type": "start", "runtime": "shell", "provider": "local", "session_id": "`+id+`"}` {
			a.t.Errorf("start %s", start)
		}
	})
	a.promise("4 agents are listed newest first", func(a *api) {
		second := a.agent("")
		if got := a.list("/agents", "").ids(); len(got) != 3 || got[0] != second || got[2] != agent.text("id") {
			a.t.Errorf("got %v", got)
		}
	})
	a.promise("1 somebody else's agent is a missing one", func(a *api) {
		b, path := a.anotherUser(), "/agents/"+agent.text("id")
		for _, got := range []reply{
			b.get(path), b.put(path, `{"version":1,"name":"stolen"}`), b.post(path+"/archive", ""), b.get(path + "/versions"), b.post("/sessions", `{"agent_id":"`+agent.text("id")+`","prompt":"x"}`),
		} {
			got.detail(404, "Agent not found")
		}
		if got := b.get("/agents").data(); len(got) != 0 {
			a.t.Errorf("it is listed: %s", got)
		}
	})
}

func TestArchiveAgent(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent := a.post("/agents", `{"name":"x","runtime":"shell"}`).want(201)
	id := agent.text("id")
	session := a.post("/sessions", `{"agent_id":"`+id+`","prompt":"true"}`).want(202).text("id")
	a.stream(session).rest()
	archived := a.post("/agents/"+id+"/archive", "").want(200)
	a.promise("5.4 archiving sets archived_at and makes no version", func(a *api) {
		archived.has("version", "1")
		if m := archived.field("archived_at"); !regexp.MustCompile(`\A` + stamp + `\z`).MatchString(m) {
			a.t.Errorf("archived_at %s", m)
		}
		if got := a.get("/agents/" + id + "/versions").data(); len(got) != 1 {
			a.t.Errorf("%d versions", len(got))
		}
	})
	a.promise("5.4 a second time is a 409, and an unknown agent a 404", func(a *api) {
		a.post("/agents/"+id+"/archive", "").detail(409, "Agent is already archived")
		a.post("/agents/"+nobodys+"/archive", "").detail(404, "Agent not found")
	})
	a.promise("5.4 an archived agent is not listed, and is readable by its id", func(a *api) {
		if got := a.get("/agents").data(); len(got) != 0 {
			a.t.Errorf("it is listed: %s", got)
		}
		if got := a.get("/agents/" + id).want(200); got.body != archived.body {
			a.t.Errorf("got %s, want %s", got.body, archived.body)
		}
	})
	a.promise("5.4 an archived agent takes neither updates nor new sessions", func(a *api) {
		a.put("/agents/"+id, `{"version":1,"name":"x"}`).detail(409, "Cannot update an archived agent")
		a.post("/sessions", `{"agent_id":"`+id+`","prompt":"x"}`).detail(409, "Cannot create session with archived agent")
	})
	a.promise("5.4 sessions of an archived agent keep taking prompts", func(a *api) {
		a.post("/sessions/"+session+"/prompt", `{"prompt":"echo still"}`).want(202)
		if got := output(a.stream(session).rest(), "stdout", 2); got != "still\n" {
			a.t.Errorf("got %q", got)
		}
	})
	a.promise("5.4 versions are listed highest first", func(a *api) {
		id := a.agent("")
		for _, body := range []string{`{"version":1,"name":"two"}`, `{"version":2,"name":"three"}`} {
			a.put("/agents/"+id, body).want(200)
		}
		var versions struct {
			Data []struct {
				Version int
				Name    string
			}
		}
		a.get("/agents/" + id + "/versions").into(&versions)
		if len(versions.Data) != 3 || versions.Data[0].Version != 3 || versions.Data[0].Name != "three" || versions.Data[2].Version != 1 || versions.Data[2].Name != "x" {
			a.t.Errorf("got %+v", versions)
		}
		a.get("/agents/"+nobodys+"/versions").detail(404, "Agent not found")
	})
}
