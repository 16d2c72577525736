package model

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// tongue is how a test speaks a protocol: a conversation of one prompt, the call
// that was answered and its result. Without a result the call is left out.
type tongue struct {
	path    string
	key     string // header of the credential
	request func(prompt, result string) fields
	text    string // path to what a frame of an answer adds
	call    string // what an answer with the shell's call contains
	refusal string // what a 401 contains
}

var shellSchema = fields{"type": "object", "properties": fields{"command": fields{"type": "string"}, "description": fields{}}}

var tongues = map[string]tongue{
	"messages": {
		path: "/v1/messages", key: "X-Api-Key", text: "delta.text",
		call: `{"command":"ls","description":"a command of the test"}`, refusal: `"type":"authentication_error"`,
		request: func(prompt, result string) fields {
			messages := []fields{user(prompt)}
			if result != "" {
				messages = append(messages, assistant("x"), user([]fields{{"type": "tool_result", "tool_use_id": "x", "content": result}}))
			}
			return fields{
				"model": "m", "system": "Be kind.", "messages": messages,
				"tools": []fields{{"name": "Bash", "input_schema": shellSchema}},
			}
		},
	},
	"responses": {
		path: "/v1/responses", key: "Authorization", text: "delta",
		call: `{"cmd":"ls"}`, refusal: `"code":"invalid_api_key"`,
		request: func(prompt, result string) fields {
			input := []fields{
				{"type": "message", "role": "developer", "content": []fields{{"type": "input_text", "text": "kind."}}},
				{"type": "message", "role": "user", "content": []fields{
					{"type": "input_text", "text": "# AGENTS.md instructions"}, {"type": "input_text", "text": "<environment_context>x</environment_context>"},
				}},
				{"type": "message", "role": "user", "content": []fields{{"type": "input_text", "text": prompt}}},
			}
			if result != "" {
				input = append(input,
					fields{"type": "function_call", "call_id": "c", "name": "exec_command", "arguments": "{}"},
					fields{"type": "function_call_output", "call_id": "c", "output": result})
			}
			return fields{"model": "m", "instructions": "Be", "input": input, "tools": []fields{
				{"type": "function", "name": "exec_command", "parameters": fields{"properties": fields{"cmd": fields{"type": "string"}}}},
			}}
		},
	},
	"chat": {
		path: "/v1/chat/completions", key: "Authorization", text: "choices.0.delta.content",
		call: `{"command":"ls","description":"a command of the test"}`, refusal: `"code":"invalid_api_key"`,
		request: func(prompt, result string) fields {
			messages := []fields{{"role": "system", "content": "Be kind."}, user([]fields{{"type": "text", "text": prompt}})}
			if result != "" {
				messages = append(messages, fields{"role": "assistant", "content": nil}, fields{"role": "tool", "tool_call_id": "c", "content": result})
			}
			return fields{"model": "m", "messages": messages, "tools": []fields{
				{"type": "function", "function": fields{"name": "bash", "parameters": shellSchema}},
			}}
		},
	},
	"gemini": {
		path: "/v1beta/models/m:", key: "X-Goog-Api-Key", text: "candidates.0.content.parts.0.text",
		call: `{"command":"ls","description":"a command of the test"}`, refusal: `"status":"UNAUTHENTICATED"`,
		request: func(prompt, result string) fields {
			contents := []fields{{"role": "user", "parts": []fields{{"text": "<session_context>x</session_context>"}, {"text": prompt}}}}
			if result != "" {
				contents = append(contents, fields{"role": "model", "parts": []fields{{"functionCall": fields{"name": "run_shell_command"}}}},
					fields{"role": "user", "parts": []fields{{"functionResponse": fields{"name": "run_shell_command", "response": fields{"output": result}}}}})
			}
			return fields{"systemInstruction": fields{"parts": []fields{{"text": "Be kind."}}}, "contents": contents, "tools": []fields{
				{"functionDeclarations": []fields{{"name": "run_shell_command", "parametersJsonSchema": shellSchema}}},
			}}
		},
	},
}

func eachTongue(t *testing.T, test func(t *testing.T, s *Server, p tongue)) {
	t.Parallel()
	for name, p := range tongues {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, Start(t), p)
		})
	}
}

// say sends a prompt and returns the response with its body unread.
func (p tongue) say(t *testing.T, s *Server, stream bool, prompt, result string) *http.Response {
	t.Helper()
	q, path := p.request(prompt, result), p.path
	switch {
	case !strings.HasSuffix(path, ":"):
		q["stream"] = stream
	case stream:
		path += "streamGenerateContent?alt=sse"
	default:
		path += "generateContent"
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+path, strings.NewReader(string(encode(q))))
	if err != nil {
		t.Fatal(err)
	}
	value := "key"
	if p.key == "Authorization" {
		value = "Bearer key"
	}
	r.Header.Set(p.key, value)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// ask is say with the whole answer.
func (p tongue) ask(t *testing.T, s *Server, stream bool, prompt, result string) (int, string) {
	t.Helper()
	response := p.say(t, s, stream, prompt, result)
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(data)
}

// said puts the texts of a stream together.
func (p tongue) said(stream string) string {
	var b strings.Builder
	for line := range strings.Lines(stream) {
		data, ok := strings.CutPrefix(line, "data: ")
		var v any
		if !ok || json.Unmarshal([]byte(data), &v) != nil {
			continue
		}
		if text, ok := at(v, p.text).(string); ok {
			b.WriteString(text)
		}
	}
	return b.String()
}

// at is the value at a dotted path, or nil.
func at(v any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			if len(x) == 0 || step != "0" {
				return nil
			}
			v = x[0]
		default:
			return nil
		}
	}
	return v
}

func TestEveryProtocolSaysTheSame(t *testing.T) {
	eachTongue(t, func(t *testing.T, s *Server, p tongue) {
		const hello = "Hello from the stub model. turn=1 heard=hi ü"
		if status, answer := p.ask(t, s, true, "hi ü", ""); status != http.StatusOK || p.said(answer) != hello {
			t.Errorf("%d %s", status, answer)
		}
		if status, answer := p.ask(t, s, false, "hi ü", ""); status != http.StatusOK || !strings.Contains(answer, hello) || !json.Valid([]byte(answer)) {
			t.Errorf("%d %s", status, answer)
		}
		if _, answer := p.ask(t, s, true, "[[bash ls]]", "found"); p.said(answer) != "TOOL RESULT: found" {
			t.Error(answer)
		}
	})
}

func TestEveryProtocolCallsTheShell(t *testing.T) {
	eachTongue(t, func(t *testing.T, s *Server, p tongue) {
		_, answer := p.ask(t, s, false, "[[bash ls]]", "")
		if plain := strings.ReplaceAll(answer, `\`, ""); !strings.Contains(plain, p.call) {
			t.Errorf("%s\nwant %s", answer, p.call)
		}
		if _, answer := p.ask(t, s, true, "[[bash ls]]", ""); p.said(answer) != "" && p.said(answer) != p.call {
			t.Error(answer)
		}
	})
}

func TestEveryProtocolIsRemembered(t *testing.T) {
	eachTongue(t, func(t *testing.T, s *Server, p tongue) {
		p.ask(t, s, true, "one", "x")
		q := s.Requests()[0]
		if q.Model != "m" || !q.Main || len(q.Tools) != 1 || strings.Join(strings.Fields(q.System), " ") != "Be kind." ||
			!slices.Equal(q.Prompts, []string{"one"}) || !strings.HasSuffix(q.Header.Get(p.key), "key") {
			t.Errorf("request %+v", q)
		}
	})
}

func TestEveryProtocolWantsTheKey(t *testing.T) {
	eachTongue(t, func(t *testing.T, s *Server, p tongue) {
		s.Require("other")
		if status, answer := p.ask(t, s, true, "hi", ""); status != http.StatusUnauthorized || !strings.Contains(answer, p.refusal) {
			t.Errorf("%d %s", status, answer)
		}
		s.Require("key")
		if status, answer := p.ask(t, s, true, "hi", ""); status != http.StatusOK {
			t.Errorf("%d %s", status, answer)
		}
	})
}

func TestEveryProtocolRefuses(t *testing.T) {
	eachTongue(t, func(t *testing.T, s *Server, p tongue) {
		if status, answer := p.ask(t, s, true, "[[status 503]]", ""); status != http.StatusServiceUnavailable || !strings.Contains(answer, "stub error 503") {
			t.Errorf("%d %s", status, answer)
		}
		for _, stream := range []bool{true, false} {
			status, answer := p.ask(t, s, stream, "[[fail]]", "")
			if !strings.Contains(answer, "stub failure") || stream != (status == http.StatusOK) {
				t.Errorf("%d %s", status, answer)
			}
		}
	})
}

func TestCutAnswersEndTheConnection(t *testing.T) {
	eachTongue(t, func(t *testing.T, s *Server, p tongue) {
		for _, stream := range []bool{true, false} {
			data, err := io.ReadAll(p.say(t, s, stream, "[[cut]]", "").Body)
			if err == nil || len(data) == 0 {
				t.Errorf("%v after %q", err, data)
			}
		}
	})
}

func TestStalledAnswersWaitForTheClientOrTheServer(t *testing.T) {
	eachTongue(t, func(t *testing.T, s *Server, p tongue) {
		for _, stream := range []bool{true, false} {
			if _, err := io.ReadFull(p.say(t, s, stream, "[[stall]]", "").Body, make([]byte, 20)); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestCodexToolsAreCalledAsCodexOffersThem(t *testing.T) {
	t.Parallel()
	s := Start(t)
	patch := fields{"type": "custom", "name": "apply_patch"}
	exec := fields{"type": "namespace", "name": "functions", "tools": []fields{{"type": "custom", "name": "exec"}}}
	mcp := fields{"type": "namespace", "name": "mcp__docs", "tools": []fields{{"type": "function", "name": "search"}}}
	shell := fields{"type": "function", "name": "shell", "parameters": fields{"properties": fields{"command": fields{"type": "array"}}}}
	asked := func(prompt string) fields { return fields{"type": "message", "role": "user", "content": prompt} }
	for _, c := range []struct {
		name  string
		tools []fields
		input []fields
		want  fields
	}{
		{"patch", []fields{patch}, []fields{asked("[[write a b\nc]]")}, fields{
			"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin Patch\n*** Add File: a\n+b\n+c\n*** End Patch",
		}},
		{"list of arguments", []fields{shell}, []fields{asked("[[bash ls]]")}, fields{
			"type": "function_call", "name": "shell", "arguments": `{"command":["bash","-lc","ls"]}`,
		}},
		{"namespace", []fields{patch, mcp}, []fields{asked(`[[tool search {"q":1}]]`)}, fields{
			"type": "function_call", "namespace": "mcp__docs", "name": "search", "arguments": `{"q":1}`,
		}},
		{"hidden", []fields{patch, {"type": "tool_search"}}, []fields{asked("[[tool docs__search]]")}, fields{
			"type": "tool_search_call", "execution": "client", "arguments": fields{"query": "docs search", "limit": 8},
		}},
		{"found", []fields{patch, {"type": "tool_search"}}, []fields{asked("[[tool docs__search]]"), {"type": "tool_search_output", "tools": []fields{mcp}}}, fields{
			"type": "function_call", "namespace": "mcp__docs", "name": "search", "arguments": "{}",
		}},
		{"script", nil, []fields{{"type": "additional_tools", "role": "developer", "tools": []fields{exec}}, asked("[[bash ls]]")}, fields{
			"type": "custom_tool_call", "name": "exec", "input": `text(JSON.stringify(await tools.exec_command({cmd: "ls"})));`,
		}},
		{"tool in a script", nil, []fields{{"type": "additional_tools", "role": "developer", "tools": []fields{exec}}, asked("[[tool search]]")}, fields{
			"type": "custom_tool_call", "name": "exec",
			"input": `text(JSON.stringify(await tools[ALL_TOOLS.find(t => t.name.endsWith("search")).name]({})));`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, answer := postTo(t, s, "/v1/responses", fields{"model": "m", "tools": c.tools, "input": c.input})
			var got struct{ Output []fields }
			if err := json.Unmarshal([]byte(answer), &got); err != nil || len(got.Output) != 1 {
				t.Fatalf("%v: %s", err, answer)
			}
			for name, want := range c.want {
				if string(encode(got.Output[0][name])) != string(encode(want)) {
					t.Errorf("%s is %v, want %v", name, got.Output[0][name], want)
				}
			}
		})
	}
}

func TestWebSocketsAreDeclined(t *testing.T) {
	t.Parallel()
	s := Start(t)
	for path, want := range map[string]int{"/v1/responses": http.StatusUpgradeRequired, "/v1/models": http.StatusOK, "/v1beta/models": http.StatusOK} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := do(t, r); status != want || !json.Valid([]byte(answer)) {
			t.Errorf("GET %s = %d %s", path, status, answer)
		}
	}
}

func TestTokensAreCounted(t *testing.T) {
	t.Parallel()
	s := Start(t)
	for path, want := range map[string]string{"/v1/messages/count_tokens": "input_tokens", "/v1beta/models/m:countTokens": "totalTokens"} {
		if status, answer := postTo(t, s, path, fields{}); status != http.StatusOK || !strings.Contains(answer, want) {
			t.Errorf("%s = %d %s", path, status, answer)
		}
	}
	if status, _ := postTo(t, s, "/v1beta/models/m:embedContent", fields{}); status != http.StatusNotFound {
		t.Errorf("an unknown method = %d", status)
	}
}

// exchange is what a client and an MCP server say to each other.
var exchange = []struct{ request, answer string }{
	{`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}`, `"protocolVersion":"2025-06-18"`},
	{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, ""},
	{`{"jsonrpc":"2.0","id":"a","method":"tools/list"}`, `"name":"stub_echo"`},
	{`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"stub_echo","arguments":{"text":"hi"}}}`, `"text":"echo: hi"`},
}

func TestMCPServerEchoesAndRemembers(t *testing.T) {
	t.Parallel()
	s := Start(t)
	for _, e := range exchange {
		if _, answer := postTo(t, s, "/mcp", json.RawMessage(e.request)); !strings.Contains(answer, e.answer) {
			t.Errorf("%s = %s", e.request, answer)
		}
	}
	calls := s.MCPCalls()
	if len(calls) != 1 || calls[0].Text != "hi" || calls[0].Header.Get("X-Api-Key") != "k" || len(s.Requests()) != 0 {
		t.Errorf("calls %+v", calls)
	}
}

func TestMCPProgramEchoesAndRemembers(t *testing.T) {
	t.Parallel()
	record := t.TempDir() + "/calls"
	program := exec.CommandContext(t.Context(), "python3", "-c", MCPProgram)
	program.Env = append(program.Environ(), "STUB_MCP_CALLS="+record)
	var input strings.Builder
	for _, e := range exchange {
		fmt.Fprintln(&input, e.request)
	}
	program.Stdin = strings.NewReader(input.String())
	output, err := program.Output()
	answers := strings.ReplaceAll(string(output), `": "`, `":"`)
	for _, e := range exchange {
		if !strings.Contains(answers, e.answer) {
			t.Errorf("no %s in %s", e.answer, answers)
		}
	}
	if err != nil || strings.Count(answers, "\n") != 3 {
		t.Errorf("%v: %s", err, answers)
	}
	data, err := os.ReadFile(record)
	var call struct {
		Text string
		Env  map[string]string
	}
	if err != nil || json.Unmarshal(data, &call) != nil || call.Text != "hi" || call.Env["STUB_MCP_CALLS"] != record {
		t.Errorf("%v: %s", err, data)
	}
}
