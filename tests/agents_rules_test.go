package tests

import (
	"fmt"
	"strings"
	"testing"
)

func TestRuntimesAndModels(t *testing.T) {
	t.Parallel()
	a := start(t)
	create := func(a *api, fields string) reply { return a.post("/agents", `{"name":"x",`+fields+`}`) }
	a.promise("5.5 each runtime serves its providers, and any model of theirs", func(a *api) {
		for _, c := range [][3]string{
			{"claude", "anthropic/claude-sonnet-4-6", "anthropic"}, {"codex", "openai/o4-mini", "openai"}, {"gemini", "google/gemini-2.5-flash", "google"},
			{"opencode", "anthropic/claude-haiku-4-5", "anthropic"}, {"opencode", "openai/gpt-4.1", "openai"}, {"opencode", "google/gemini-2.5-pro", "google"}, {"shell", "local/bash", "local"},
			{"claude", "anthropic/a.b_c-d:e/f@1", "anthropic"},
		} {
			agent := create(a, `"runtime":"`+c[0]+`","model":"`+c[1]+`"`).want(201)
			agent.has("model", quoted(c[1]))
			agent.has("provider", quoted(c[2]))
		}
	})
	a.promise("5.5 a bare model gets the only provider of its runtime, or the one that is named", func(a *api) {
		create(a, `"runtime":"claude","model":"claude-sonnet-4-6"`).want(201).has("model", `"anthropic/claude-sonnet-4-6"`)
		create(a, `"runtime":"opencode","provider":"google","model":"gemini-2.5-pro"`).want(201).has("model", `"google/gemini-2.5-pro"`)
		create(a, `"runtime":"opencode","model":"gemini-2.5-pro"`).problem("value_error", `["model"]`, "Value error, Model must be 'provider/model_id' for runtime opencode")
	})
	a.promise("5.5 a blank model is refused, a missing one too", func(a *api) {
		for _, blank := range []string{"", " ", "\\n\\t "} {
			create(a, `"runtime":"claude","model":"`+blank+`"`).problem("value_error", `["model"]`, "Value error, Model must be a non-empty string")
		}
		create(a, `"runtime":"claude"`).problem("missing", `["model"]`, "Field required")
		create(a, `"runtime":"claude","model":"claude\n"`).problem("value_error", `["model"]`, "Value error, Model must contain only letters, digits and '._-:/@'")
	})
	a.promise("5.5 an unknown runtime is a 400", func(a *api) {
		for _, unknown := range []string{"cobol", "", "Claude", "claude "} {
			create(a, `"runtime":"`+unknown+`","model":"m"`).detail(400, "Unknown runtime: "+unknown+". Must be one of: ['claude', 'codex', 'gemini', 'opencode', 'shell']")
		}
		create(a, `"model":"m"`).problem("missing", `["runtime"]`, "Field required")
	})
	a.promise("5.5 an unknown provider is a 422 text", func(a *api) {
		for _, unknown := range []string{"acme", ""} {
			create(a, `"provider":"`+unknown+`","model":"m"`).detail(422, "Unknown provider: "+unknown+". Must be one of: ['anthropic', 'google', 'openai']")
		}
	})
	a.promise("5.5 the model's prefix must be the provider that is named", func(a *api) {
		create(a, `"provider":"anthropic","model":"openai/o3"`).detail(422, "Model provider prefix 'openai' does not match provider 'anthropic'")
		create(a, `"provider":"anthropic","model":"anthropic/m"`).want(201).has("model", `"anthropic/m"`)
	})
	a.promise("5.5 the runtime must serve the model's provider", func(a *api) {
		create(a, `"runtime":"claude","model":"openai/o3"`).detail(422, "Runtime claude cannot serve model openai/o3: provider openai not in ['anthropic']")
		create(a, `"runtime":"opencode","model":"local/bash"`).detail(422, "Runtime opencode cannot serve model local/bash: provider local not in ['anthropic', 'google', 'openai']")
	})
	a.promise("0.1 a provider without a runtime names its runtime", func(a *api) {
		for provider, runtime := range map[string]string{"anthropic": "claude", "openai": "codex", "google": "gemini"} {
			agent := create(a, `"provider":"`+provider+`","model":"m"`).want(201)
			agent.has("runtime", quoted(runtime))
			agent.has("provider", quoted(provider))
			agent.has("model", quoted(provider+"/m"))
		}
		id := a.agent("")
		updated := a.put("/agents/"+id, `{"version":1,"provider":"openai","model":"o3"}`).want(200)
		updated.has("runtime", `"codex"`)
		updated.has("model", `"openai/o3"`)
	})
	a.promise("13.1 the model of runtime shell is local/bash, also if it is bare or missing", func(a *api) {
		for _, model := range []string{"", `,"model":"bash"`, `,"model":"local/bash"`} {
			create(a, `"runtime":"shell"`+model).want(201).has("model", `"local/bash"`)
		}
		create(a, `"runtime":"shell","model":"zsh"`).want(422)
	})
}

// list returns n entries, made by entry, as JSON.
func list(n int, entry func(i int) string) string {
	entries := make([]string, n)
	for i := range entries {
		entries[i] = entry(i)
	}
	return "[" + strings.Join(entries, ",") + "]"
}

func TestSkillRules(t *testing.T) {
	t.Parallel()
	a := start(t)
	const inline, github = `{"name":"a","description":"d","content":"c"}`, `{"type":"github","source":"o/r","description":"d"}`
	create := func(a *api, skills string) reply {
		return a.post("/agents", `{"name":"x","runtime":"shell","skills":`+skills+`}`)
	}
	refused := func(a *api, msg string, skills string) {
		a.t.Helper()
		create(a, skills).problem("value_error", `["skills"]`, "Value error, "+msg)
	}
	a.promise("5.6 at most 20, which is checked first", func(a *api) {
		numbered := func(i int) string { return fmt.Sprintf(`{"name":"s%d","description":"d","content":"c"}`, i) }
		create(a, list(20, numbered)).want(201)
		refused(a, "Maximum 20 skills per agent", list(21, func(int) string { return "1" }))
	})
	a.promise("5.6 each entry is an object", func(a *api) {
		for _, entry := range []string{"null", `"x"`, "1", "[]"} {
			refused(a, "skills[1] must be an object", "["+inline+","+entry+"]")
		}
	})
	a.promise("5.6 an inline skill has its three keys, all strings, and no others", func(a *api) {
		refused(a, "skills[0]: unknown keys ['x', 'y']. Allowed for inline skills: ['content', 'description', 'name']", `[{"y":1,"x":1}]`)
		refused(a, "skills[0]: unknown keys ['source']. Allowed for inline skills: ['content', 'description', 'name']", `[{"name":"a","description":"d","source":"o/r"}]`)
		for _, field := range []string{"name", "description", "content"} {
			refused(a, "skills[0] missing required field: "+field, "["+without(inline, field)+"]")
			refused(a, "skills[0]."+field+" must be a string", "["+with(inline, field, "1")+"]")
			refused(a, "skills[0]."+field+" must be a string", "["+with(inline, field, "null")+"]")
		}
	})
	a.promise("5.6 content has at most 65536 bytes and no SKILL_EOF", func(a *api) {
		create(a, "["+with(inline, "content", quoted(strings.Repeat("é", 32768)))+"]").want(201)
		refused(a, "skills[0].content exceeds 65536 bytes", "["+with(inline, "content", quoted(strings.Repeat("é", 32768)+"x"))+"]")
		refused(a, "skills[0].content must not contain 'SKILL_EOF'", "["+with(inline, "content", `"a SKILL_EOF b"`)+"]")
		create(a, "["+with(inline, "content", `""`)+"]").want(201)
	})
	a.promise("5.6 the key type makes it a github skill, even if it is null", func(a *api) {
		create(a, "["+github+"]").want(201)
		refused(a, "skills[0].type must be a string", "["+with(github, "type", "null")+"]")
		refused(a, "skills[0].type 'git' unsupported (only 'github')", "["+with(github, "type", `"git"`)+"]")
		refused(a, "skills[0]: unknown keys ['content']. Allowed for github skills: ['description', 'name', 'source', 'type']", "["+with(inline, "type", `"github"`)+"]")
		for _, field := range []string{"description", "source"} {
			refused(a, "skills[0] missing required field: "+field, "["+without(github, field)+"]")
		}
		refused(a, "skills[0].name must be a string", "["+with(github, "name", "null")+"]")
	})
	a.promise("5.6 source is owner/repo, without a line's end", func(a *api) {
		for _, source := range []string{"o", "o/r/s", "/r", "o/", "o r/x", "ö/r", "https://github.com/o/r"} {
			refused(a, "skills[0].source '"+source+"' must be 'owner/repo'", "["+with(github, "source", quoted(source))+"]")
		}
		refused(a, "skills[0].source 'o/r\n' must be 'owner/repo'", "["+with(github, "source", `"o/r\n"`)+"]")
	})
	a.promise("5.6 a name is lower-case, of at most 64 characters, without a line's end", func(a *api) {
		create(a, "["+with(inline, "name", quoted(strings.Repeat("n", 64)))+"]").want(201)
		for _, name := range []string{strings.Repeat("n", 65), "", "-a", "A", "a_b", "ä", "a\n"} {
			refused(a, "skills[0].name '"+name+"' must match [a-z0-9][a-z0-9-]{0,63}", "["+with(inline, "name", quoted(name))+"]")
		}
	})
	a.promise("5.6 names are different, and so are the sources of nameless skills", func(a *api) {
		refused(a, "skills[1]: duplicate name 'a'", "["+inline+","+inline+"]")
		refused(a, "skills[1]: duplicate name 'a'", "["+inline+","+with(github, "name", `"a"`)+"]")
		refused(a, "skills[1]: duplicate source '@github:o/r'", "["+github+","+github+"]")
		create(a, "["+github+","+with(github, "name", `"a"`)+"]").want(201)
	})
	a.promise("5.6 a description has at most 1024 characters", func(a *api) {
		create(a, "["+with(inline, "description", quoted(strings.Repeat("é", 1024)))+"]").want(201)
		refused(a, "skills[0].description exceeds 1024 chars", "["+with(inline, "description", quoted(strings.Repeat("é", 1025)))+"]")
	})
	a.promise("5.6 only the first violation is told", func(a *api) {
		refused(a, "skills[0]: unknown keys ['x']. Allowed for inline skills: ['content', 'description', 'name']", `[{"x":1},1]`)
	})
	a.promise("5.6 skills are returned as they were given", func(a *api) {
		if got := create(a, "["+inline+","+github+"]").want(201).field("skills"); !jsonEqual(a.t, got, "["+inline+","+github+"]") {
			a.t.Errorf("got %s", got)
		}
	})
}

func TestMCPServerRules(t *testing.T) {
	t.Parallel()
	a := start(t)
	const byURL, stdio = `{"name":"a","url":"u"}`, `{"name":"a","type":"stdio","command":"c"}`
	create := func(a *api, servers string) reply {
		return a.post("/agents", `{"name":"x","runtime":"shell","mcp_servers":`+servers+`}`)
	}
	refused := func(a *api, msg string, servers string) {
		a.t.Helper()
		create(a, servers).problem("value_error", `["mcp_servers"]`, "Value error, "+msg)
	}
	a.promise("5.7 each entry is an object with a name", func(a *api) {
		refused(a, "mcp_servers[1] must be an object", "["+byURL+",null]")
		refused(a, "mcp_servers[0] missing required field: name", `[{"type":"none"}]`)
		refused(a, "mcp_servers[0].name must be a string", "["+with(byURL, "name", "1")+"]")
	})
	a.promise("5.7 type is url or stdio, and url if it is absent", func(a *api) {
		if got := create(a, "["+byURL+"]").want(201).field("mcp_servers"); got != `[{"name":"a","type":"url","url":"u"}]` {
			a.t.Errorf("got %s", got)
		}
		for kind, shown := range map[string]string{`"sse"`: "sse", "null": "null", `["url"]`: `["url"]`, `""`: ""} {
			refused(a, "mcp_servers[0]: unknown type '"+shown+"'. Must be one of: ['stdio', 'url']", "["+with(byURL, "type", kind)+"]")
		}
	})
	a.promise("5.7 a url server has a url and a stdio server a command", func(a *api) {
		refused(a, "mcp_servers[0] (url): missing required field: url", `[{"name":"a","command":"c"}]`)
		refused(a, "mcp_servers[0] (stdio): missing required field: command", `[{"name":"a","type":"stdio","url":"u"}]`)
		refused(a, "mcp_servers[0].url must be a string", "["+with(byURL, "url", "null")+"]")
		refused(a, "mcp_servers[0].command must be a string", "["+with(stdio, "command", "[]")+"]")
	})
	a.promise("5.7 headers, env and args hold strings", func(a *api) {
		for _, bad := range []string{"1", `"x"`, "[]", "null", `{"a":1}`} {
			refused(a, "mcp_servers[0].headers must be an object of strings", "["+with(byURL, "headers", bad)+"]")
			refused(a, "mcp_servers[0].env must be an object of strings", "["+with(stdio, "env", bad)+"]")
		}
		for _, bad := range []string{"1", `"x"`, "{}", "null", `["a",1]`} {
			refused(a, "mcp_servers[0].args must be a list of strings", "["+with(stdio, "args", bad)+"]")
		}
	})
	a.promise("5.7 names are different", func(a *api) {
		refused(a, "mcp_servers[1]: duplicate name 'a'", "["+byURL+","+stdio+"]")
	})
	a.promise("5.7 at most 20, which is checked last", func(a *api) {
		numbered := func(i int) string { return fmt.Sprintf(`{"name":"s%d","url":"u"}`, i) }
		create(a, list(20, numbered)).want(201)
		refused(a, "Maximum 20 MCP servers per agent", list(21, numbered))
		refused(a, "mcp_servers[20] must be an object", strings.TrimSuffix(list(20, numbered), "]")+",1]")
	})
	a.promise("5.7 servers are returned as they were given, unknown keys too", func(a *api) {
		const servers = `[{"name":"a","type":"url","url":"u","headers":{"Authorization":"Bearer ${X}"},"timeout":5},{"name":"b","type":"stdio","command":"c","args":["-y",""],"env":{"K":"v"},"x":null}]`
		if got := create(a, servers).want(201).field("mcp_servers"); !jsonEqual(a.t, got, servers) {
			a.t.Errorf("got %s", got)
		}
	})
	a.promise("5.7 keys that differ only in their letters' case are others, and kept", func(a *api) {
		if got := create(a, `[{"name":"a","url":"u","URL":5,"ARGS":5}]`).want(201).field("mcp_servers"); got != `[{"ARGS":5,"URL":5,"name":"a","type":"url","url":"u"}]` {
			a.t.Errorf("got %s", got)
		}
	})
}
