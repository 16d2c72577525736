package tests

import (
	"fmt"
	"strings"
	"testing"
)

func TestUpdateAgent(t *testing.T) {
	t.Parallel()
	a := start(t)
	env := a.environment("e", "")
	full := `{"name":"A","model":"claude-a","runtime":"claude","system":"s","description":"d","environment_id":"` + env + `","skills":[{"name":"s","description":"d","content":"c"}],` +
		`"mcp_servers":[{"name":"m","url":"u"}],"metadata":{"team":"platform","env":"prod"}}`
	// fresh makes an agent with everything, and returns a function that updates it.
	fresh := func(a *api) func(version int, fields string) reply {
		id := a.post("/agents", full).want(201).text("id")
		return func(version int, fields string) reply {
			return a.put("/agents/"+id, fmt.Sprintf(`{"version":%d,%s}`, version, fields))
		}
	}
	a.promise("5.3 null leaves every field but environment_id", func(a *api) {
		put := fresh(a)
		put(1, `"name":null,"model":null,"runtime":null,"provider":null,"system":null,"description":null,"skills":null,"mcp_servers":null,"metadata":null`).want(200).has("version", "1")
		detached := put(1, `"environment_id":null`).want(200)
		detached.has("environment_id", "null")
		detached.has("version", "2")
	})
	a.promise("5.3 a value replaces wholly, and an empty one empties", func(a *api) {
		put := fresh(a)
		for i, c := range [][3]string{
			{"name", `"B"`, `"B"`}, {"name", `""`, `""`}, {"system", `"t"`, `"t"`}, {"system", `""`, "null"}, {"description", `"e"`, `"e"`}, {"description", `""`, "null"}, {"model", `"claude-b"`, `"anthropic/claude-b"`},
			{"skills", `[{"name":"t","description":"d","content":"c"}]`, `[{"content":"c","description":"d","name":"t"}]`}, {"skills", `[]`, `[]`},
			{"mcp_servers", `[{"name":"n","type":"stdio","command":"c"}]`, `[{"command":"c","name":"n","type":"stdio"}]`}, {"mcp_servers", `[]`, `[]`},
		} {
			got := put(i+1, `"`+c[0]+`":`+c[1]).want(200)
			got.has(c[0], c[2])
			got.has("version", fmt.Sprint(i+2))
		}
	})
	a.promise("5.3 environment_id is left, detached or attached", func(a *api) {
		put := fresh(a)
		put(1, `"name":"B"`).want(200).has("environment_id", quoted(env))
		put(2, `"environment_id":""`).want(200).has("environment_id", "null")
		put(3, `"environment_id":"`+env+`"`).want(200).has("environment_id", quoted(env))
		put(4, `"environment_id":"`+nobodys+`"`).detail(404, "Environment not found")
		archived := a.environment("archived", "")
		a.post("/environments/"+archived+"/archive", "").want(200)
		put(4, `"environment_id":"`+archived+`"`).detail(409, "Cannot assign an archived environment to an agent")
	})
	a.promise("5.3 metadata is merged key by key, and only the empty string deletes", func(a *api) {
		put := fresh(a)
		put(1, `"metadata":{"env":"staging","team":""}`).want(200).has("metadata", `{"env":"staging"}`)
		put(2, `"metadata":{"new_key":"v"}`).want(200).has("metadata", `{"env":"staging","new_key":"v"}`)
		put(3, `"metadata":{}`).want(200).has("version", "3")
		put(3, `"metadata":{"absent":""}`).want(200).has("version", "3")
		put(3, `"metadata":{"a":null,"b":0,"c":false,"d":[],"e":{}}`).want(200).has("metadata", `{"a":null,"b":0,"c":false,"d":[],"e":{},"env":"staging","new_key":"v"}`)
	})
	a.promise("5.3 the limits of create hold", func(a *api) {
		put := fresh(a)
		put(1, `"name":"`+strings.Repeat("n", 201)+`"`).problem("string_too_long", `["name"]`, "String should have at most 200 characters")
		put(1, `"model":"`+strings.Repeat("n", 101)+`"`).problem("string_too_long", `["model"]`, "String should have at most 100 characters")
		put(1, `"runtime":"`+strings.Repeat("n", 33)+`"`).problem("string_too_long", `["runtime"]`, "String should have at most 32 characters")
		put(1, `"model":" "`).problem("value_error", `["model"]`, "Value error, Model must be a non-empty string")
		put(1, `"skills":[1]`).problem("value_error", `["skills"]`, "Value error, skills[0] must be an object")
		put(1, `"mcp_servers":[1]`).problem("value_error", `["mcp_servers"]`, "Value error, mcp_servers[0] must be an object")
	})
	a.promise("5.3 version is required and an integer, which may be written in other ways", func(a *api) {
		path := "/agents/" + a.agent("")
		a.put(path, `{}`).problem("missing", `["version"]`, "Field required")
		a.put(path, `{"version":null}`).problem("int_type", `["version"]`, "Input should be a valid integer")
		a.put(path, `{"version":[1]}`).problem("int_type", `["version"]`, "Input should be a valid integer")
		a.put(path, `{"version":"x"}`).problem("int_parsing", `["version"]`, "Input should be a valid integer, unable to parse string as an integer")
		a.put(path, `{"version":1.5}`).problem("int_from_float", `["version"]`, "Input should be a valid integer, got a number with a fractional part")
		for _, one := range []string{`"1"`, "1.0", "true", "10e-1"} {
			a.put(path, `{"version":`+one+`}`).want(200)
		}
		a.put(path, `{"version":0}`).detail(409, "Version mismatch: expected 1, got 0")
		a.put(path, `{"version":-7}`).detail(409, "Version mismatch: expected 1, got -7")
	})
	a.promise("5.3 checks come in order: fields, runtime, environment, agent, archived, version, pairing", func(a *api) {
		const noEnv = `"environment_id":"` + nobodys + `"`
		put := fresh(a)
		a.put("/agents/"+nobodys, `{"version":1,"runtime":"cobol","name":1,`+noEnv+`}`).problem("string_type", `["name"]`, "Input should be a valid string")
		a.put("/agents/"+nobodys, `{"version":1,"runtime":"cobol",`+noEnv+`}`).detail(400, "Unknown runtime: cobol. Must be one of: ['claude', 'codex', 'gemini', 'opencode', 'shell']")
		a.put("/agents/"+nobodys, `{"version":1,`+noEnv+`}`).detail(404, "Environment not found")
		a.put("/agents/"+nobodys, `{"version":1}`).detail(404, "Agent not found")
		put(9, `"runtime":"codex"`).detail(409, "Version mismatch: expected 1, got 9")
		put(1, `"runtime":"codex"`).detail(422, "Runtime codex cannot serve model anthropic/claude-a: provider anthropic not in ['openai']")
		put(1, `"model":"openai/o3"`).detail(422, "Runtime claude cannot serve model openai/o3: provider openai not in ['anthropic']")
		put(1, `"runtime":"codex","model":"o3"`).want(200).has("model", `"openai/o3"`)
		archived := a.agent("")
		a.post("/agents/"+archived+"/archive", "").want(200)
		a.put("/agents/"+archived, `{"version":9,"runtime":"codex"}`).detail(409, "Cannot update an archived agent")
	})
	a.promise("5.3 a real change makes the next version, its snapshot, and moves updated_at", func(a *api) {
		agent := a.post("/agents", full).want(201)
		changed := a.put("/agents/"+agent.text("id"), `{"version":1,"system":"t"}`).want(200)
		changed.has("version", "2")
		changed.has("created_at", agent.field("created_at"))
		if changed.text("updated_at") <= agent.text("updated_at") {
			a.t.Errorf("updated_at %s, was %s", changed.text("updated_at"), agent.text("updated_at"))
		}
		versions := a.get("/agents/" + agent.text("id") + "/versions").data()
		if len(versions) != 2 || !strings.Contains(string(versions[0]), `"system":"t"`) || !strings.Contains(string(versions[1]), `"system":"s"`) || !strings.Contains(string(versions[0]), changed.text("updated_at")) {
			a.t.Errorf("versions %s", versions)
		}
	})
	a.promise("5.3 what changes nothing does nothing, unless its version is stale", func(a *api) {
		agent := a.post("/agents", full).want(201)
		path := "/agents/" + agent.text("id")
		same := strings.Replace(full, "{", `{"version":1,`, 1)
		if got := a.put(path, same).want(200); got.body != agent.body {
			a.t.Errorf("got %s, want %s", got.body, agent.body)
		}
		if got := a.get(path + "/versions").data(); len(got) != 1 {
			a.t.Errorf("%d versions", len(got))
		}
		a.put(path, `{"version":2,"name":"A"}`).detail(409, "Version mismatch: expected 1, got 2")
	})
	a.promise("5.3 what is refused changes nothing", func(a *api) {
		agent := a.post("/agents", full).want(201)
		path := "/agents/" + agent.text("id")
		for _, fields := range []string{`"name":"B","skills":[1]`, `"name":"B","runtime":"codex"`, `"name":"B","environment_id":"x"`} {
			if got := a.put(path, `{"version":1,`+fields+`}`); got.status < 400 {
				a.t.Errorf("%s: %d", fields, got.status)
			}
		}
		if got := a.get(path); got.body != agent.body {
			a.t.Errorf("got %s, want %s", got.body, agent.body)
		}
	})
	a.promise("5.3 of 16 concurrent updates of one version one wins", func(a *api) {
		path := "/agents/" + a.agent("")
		a.oneWinner(16, func(i int) reply { return a.put(path, fmt.Sprintf(`{"version":1,"name":"client %d"}`, i)) }, "Version mismatch: expected 2, got 1")
	})
}
