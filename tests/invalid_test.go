package tests

import (
	"strings"
	"testing"
)

func TestBadJSON(t *testing.T) {
	t.Parallel()
	a := start(t)
	nested := func(open, end string, n int) string {
		return `{"name":"x","runtime":"shell","metadata":{"a":` + strings.Repeat(open, n) + strings.Repeat(end, n) + `}}`
	}
	a.promise("1.3 what is no JSON is a 400, and changes nothing", func(a *api) {
		before := a.get("/agents").body
		for _, body := range []string{
			"", " ", "{", "not json", `{"name":"x"} trailing`, `{"name":"x"}{}`, "{\"name\":\"\xff\"}", "\xef\xbb\xbf{}", `{"name":"x",}`, `{'name':'x'}`, `{"name":NaN}`, `{"name":01}`, `{"name":"` + "\x00" + `"}`, `{"name":"\x"}`,
			strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 100_000), nested("[", "]", 300), "\x00", "/* */{}",
		} {
			a.post("/agents", body).detail(400, "Invalid JSON")
		}
		if after := a.get("/agents").body; after != before {
			a.t.Errorf("now there is %s", after)
		}
	})
	a.promise("1.3 JSON that is no object is a 422 with an empty loc", func(a *api) {
		for _, body := range []string{"[]", "1", `"x"`, "null", "true", "1e400"} {
			for _, path := range []string{"/agents", "/environments", "/sessions"} {
				a.post(path, body).problem("model_type", "[]", "Input should be a valid dictionary")
			}
		}
	})
	a.promise("1.3 what is odd but JSON is taken as it is", func(a *api) {
		for _, metadata := range []string{
			`{"nul":"\u0000","\u0000":1}`, `{"big":` + strings.Repeat("9", 400) + `}`, `{"small":1e-400,"large":1e400,"zero":-0}`, `{"deep":` + strings.Repeat("[", 150) + strings.Repeat("]", 150) + `}`,
			`{"in a text":"` + strings.Repeat("[", 5000) + `"}`, `{"é":"\u2028\u0085"}`,
		} {
			agent := a.post("/agents", `{"name":"\u0000","runtime":"shell","metadata":`+metadata+`}`).want(201)
			if got := a.get("/agents/" + agent.text("id")).want(200); got.body != agent.body {
				a.t.Errorf("got %s, want %s", got.body, agent.body)
			}
		}
	})
	a.promise("1.3 of duplicate keys the last counts, and keys are exact", func(a *api) {
		a.post("/agents", `{"name":7,"name":"x","runtime":"shell","NAME":7,"Runtime":"cobol"}`).want(201).has("name", `"x"`)
		a.post("/agents", `{"name":"x","name":7,"runtime":"shell"}`).problem("string_type", `["name"]`, "Input should be a valid string")
		a.post("/agents", `{"Name":"x","runtime":"shell"}`).problem("missing", `["name"]`, "Field required")
	})
	a.promise("1.3 a lone surrogate is U+FFFD", func(a *api) {
		a.post("/agents", `{"name":"\ud800","runtime":"shell"}`).want(201).has("name", "\"\ufffd\"")
	})
}

func TestInvalidFields(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.promise("1.3 all wrong fields are reported, in the order of the document", func(a *api) {
		got := a.post("/sessions", `{"secret_env_vars":{"1":"x"},"resources":[{"type":"x","url":"https://github.com/a/b"},1,{"type":"github_repository","url":"http://github.com/a/b","mount_path":"w"}],"environment_id":1,"timeout":5,"prompt":1}`).problems()
		want := `missing ["agent_id"] Field required
string_type ["prompt"] Input should be a valid string
greater_than_equal ["timeout"] Input should be greater than or equal to 10
string_type ["environment_id"] Input should be a valid string
literal_error ["resources",0,"type"] Input should be 'github_repository'
dict_type ["resources",1] Input should be a valid dictionary
value_error ["resources",2,"url"] Value error, Must be a valid https://github.com/<owner>/<repo> URL
value_error ["resources",2,"mount_path"] Value error, mount_path must be an absolute path
value_error ["secret_env_vars"] Value error, Invalid env_var key '1': must match [A-Za-z_][A-Za-z0-9_]*
`
		if got != want {
			a.t.Errorf("got\n%swant\n%s", got, want)
		}
		got = a.post("/agents", `{"metadata":[],"mcp_servers":[1],"skills":[1],"description":1,"system":1,"provider":1,"runtime":1,"model":1,"name":1}`).problems()
		if want := "name model runtime provider system description skills mcp_servers metadata"; order(got) != want {
			a.t.Errorf("got %s, want %s", order(got), want)
		}
	})
	a.promise("1.3 a field's own rule runs only if its type is right", func(a *api) {
		a.post("/environments", `{"name":"x","packages":{"brew":1}}`).problem("list_type", `["packages","brew"]`, "Input should be a valid list")
		a.post("/agents", `{"name":"x","runtime":"shell","skills":{}}`).problem("list_type", `["skills"]`, "Input should be a valid list")
	})
	a.promise("1.3 an entry has type, loc, msg and input, in this order and nothing else", func(a *api) {
		a.post("/agents", `{"runtime":"shell","x":1}`).fits(`{"detail":\[{"type":"missing","loc":\["name"\],"msg":"Field required","input":{"runtime":"shell","x":1}}\]}`)
		a.post("/agents", `{"name":7,"runtime":"shell"}`).fits(`{"detail":\[{"type":"string_type","loc":\["name"\],"msg":"Input should be a valid string","input":7}\]}`)
	})
	a.promise("1.3 integers may be written as texts, whole decimals and booleans", func(a *api) {
		session, _ := a.run("true")
		agent := a.get("/sessions/" + session).text("agent_id")
		create := func(timeout string) reply {
			return a.post("/sessions", `{"agent_id":"`+agent+`","prompt":"true","timeout":`+timeout+`}`)
		}
		for _, good := range []string{"10", "3600", `"30"`, `" 30 "`, "30.0", "3e1"} {
			create(good).want(202)
		}
		for bad, want := range map[string]string{
			"9": "greater_than_equal Input should be greater than or equal to 10", "3601": "less_than_equal Input should be less than or equal to 3600", "true": "greater_than_equal Input should be greater than or equal to 10",
			"30.5": "int_from_float Input should be a valid integer, got a number with a fractional part", `"x"`: "int_parsing Input should be a valid integer, unable to parse string as an integer",
			"null": "int_type Input should be a valid integer", "[]": "int_type Input should be a valid integer", `"30.0"`: "int_parsing Input should be a valid integer, unable to parse string as an integer",
		} {
			kind, msg, _ := strings.Cut(want, " ")
			create(bad).problem(kind, `["timeout"]`, msg)
		}
		for _, huge := range []string{"1e400", strings.Repeat("9", 400), "-1e400", "1e19"} {
			create(huge).want(422)
		}
	})
	a.promise("1.3 texts are never made of numbers", func(a *api) {
		a.post("/agents", `{"name":1,"runtime":true}`).want(422)
	})
}

// order is the first step of each loc in a list of problems.
func order(problems string) string {
	var names []string
	for _, line := range strings.Split(strings.TrimSpace(problems), "\n") {
		names = append(names, strings.Split(line, `"`)[1])
	}
	return strings.Join(names, " ")
}

func TestInputIsRedacted(t *testing.T) {
	t.Parallel()
	a := start(t)
	const secret = "hush-hush"
	refused := func(a *api, path, body string) {
		a.t.Helper()
		got := a.post(path, body).want(422)
		if strings.Contains(got.body, secret) || !strings.Contains(got.body, "[redacted]") {
			a.t.Errorf("%s: %s", body, got.body)
		}
	}
	a.promise("1.3 input hides env_vars, secret_env_vars and authorization_token", func(a *api) {
		refused(a, "/environments", `{"name":"x","env_vars":{"A-B":"`+secret+`"}}`)
		refused(a, "/environments", `{"name":"x","env_vars":["`+secret+`"]}`)
		refused(a, "/environments", `{"env_vars":{"A":"`+secret+`"}}`)
		refused(a, "/sessions", `{"secret_env_vars":{"A":["`+secret+`"]}}`)
		refused(a, "/sessions", `{"prompt":"x","resources":[{"url":"x","authorization_token":"`+secret+`"}]}`)
		refused(a, "/sessions", `{"agent_id":"a","prompt":"x","resources":[{"type":"github_repository","url":"https://github.com/a/b","authorization_token":{"a":"`+secret+`"}}]}`)
	})
	a.promise("1.3 input hides headers, env and args of MCP servers", func(a *api) {
		for _, servers := range []string{
			`[{"url":"u","headers":{"Authorization":"` + secret + `"}}]`, `[{"name":"n","type":"stdio","env":{"A":"` + secret + `"}}]`, `[{"type":"stdio","args":["--token=` + secret + `"]}]`,
			`[{"url":"https://x?key=` + secret + `"}]`, `"[{\"headers\":{\"A\":\"` + secret + `\"}}]"`,
		} {
			refused(a, "/agents", `{"name":"x","runtime":"shell","mcp_servers":`+servers+`}`)
			refused(a, "/agents", `{"runtime":"shell","mcp_servers":`+servers+`}`)
		}
	})
	a.promise("1.3 input hides what is encoded once too often, and what URLs carry", func(a *api) {
		refused(a, "/sessions", `"{\"secret_env_vars\":{\"A\":\"`+secret+`\"}}"`)
		refused(a, "/sessions", `{"agent_id":"a","prompt":"x","resources":"[{\"authorization_token\":\"`+secret+`\"}]"}`)
		refused(a, "/sessions", `[{"secret_env_vars":{"A":"`+secret+`"}}]`)
		for _, u := range []string{"https://x-access-token:" + secret + "@github.com/a/b", "https://" + secret + "@github.com/a/b", "https://github.com/a/b?token=" + secret, "https://github.com/a/b#" + secret} {
			refused(a, "/sessions", `{"agent_id":"a","prompt":"x","resources":[{"type":"github_repository","url":"`+u+`"}]}`)
			refused(a, "/agents", `{"name":"x","runtime":"shell","skills":[{"type":"github","description":"d","source":"`+u+`"}]}`)
		}
	})
}
