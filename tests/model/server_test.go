package model

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// ask sends messages the way claude does and returns the status and the answer.
func ask(t *testing.T, s *Server, stream bool, messages ...fields) (int, string) {
	t.Helper()
	q := fields{
		"model": "m", "stream": stream, "system": []fields{{"type": "text", "text": "Be kind."}}, "messages": messages,
		"tools": []fields{
			{"name": "Write", "input_schema": fields{"properties": fields{"file_path": fields{}, "content": fields{}}}},
			{"name": "Bash", "input_schema": fields{"properties": fields{"command": fields{}}}},
			{"name": "mcp__docs__search", "input_schema": fields{}},
		},
	}
	return post(t, s, q)
}

func post(t *testing.T, s *Server, body any) (int, string) {
	t.Helper()
	return postTo(t, s, "/v1/messages?beta=true", body)
}

func postTo(t *testing.T, s *Server, path string, body any) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+path, strings.NewReader(string(encode(body))))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", "k")
	return do(t, r)
}

func do(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(data)
}

func user(content any) fields      { return fields{"role": "user", "content": content} }
func assistant(content any) fields { return fields{"role": "assistant", "content": content} }
func result(text string) fields {
	return user([]fields{{"type": "tool_result", "tool_use_id": "x", "content": text}})
}

// said puts a stream together: the text or the tool's name and input.
func said(t *testing.T, stream string) string {
	t.Helper()
	var b strings.Builder
	var kinds []string
	lines := bufio.NewScanner(strings.NewReader(stream))
	for lines.Scan() {
		if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			kinds = append(kinds, kind)
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e struct {
			Block struct{ Name string } `json:"content_block"`
			Delta struct {
				Text    string `json:"text"`
				Partial string `json:"partial_json"`
			} `json:"delta"`
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Block.Name + e.Delta.Text + e.Delta.Partial)
	}
	if len(kinds) == 0 || kinds[0] != "message_start" || kinds[len(kinds)-1] != "message_stop" {
		t.Errorf("not a whole stream: %v", kinds)
	}
	return b.String()
}

func TestPromptsDirectivesAreFollowedInOrder(t *testing.T) {
	t.Parallel()
	s := Start(t)
	todo := user([]fields{
		{"type": "text", "text": "<system-reminder>[[text not this]]</system-reminder>"},
		{"type": "text", "text": "please [[write a b.txt two words]] [[bash make test]] [[tool search {\"q\":1}]]"},
	})
	for _, c := range []struct {
		name     string
		messages []fields
		want     string
	}{
		{"hello", []fields{user("hi ü")}, "Hello from the stub model. turn=1 heard=hi ü"},
		{"later turn", []fields{user("hi"), assistant("x"), user("\nagain")}, "Hello from the stub model. turn=2 heard=again"},
		{"text", []fields{user("[[text any\nthing]]")}, "any\nthing"},
		{"write", []fields{todo}, `Write{"content":"b.txt two words","file_path":"a"}`},
		{"bash", []fields{todo, assistant("x"), result("ok")}, `Bash{"command":"make test"}`},
		{"tool", []fields{todo, assistant("x"), result("ok"), assistant("x"), result("ok")}, `mcp__docs__search{"q":1}`},
		{"done", []fields{todo, assistant("x"), result("1"), assistant("x"), result("2"), assistant("x"), result("found")}, "TOOL RESULT: found"},
		{"text after a tool", []fields{user("[[bash x]] [[text fin]]"), assistant("x"), result("1")}, "fin"},
		{"next turn after tools", []fields{todo, assistant("x"), result("1"), assistant("x"), user("more")}, "Hello from the stub model. turn=2 heard=more"},
		{"sleep", []fields{user("[[sleep 0.001]] hi")}, "Hello from the stub model. turn=1 heard=[[sleep 0.001]] hi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			status, answer := ask(t, s, true, c.messages...)
			if got := said(t, answer); status != http.StatusOK || got != c.want {
				t.Errorf("%d %s\nwant %s", status, got, c.want)
			}
		})
	}
}

func TestPlainAnswersSayTheSame(t *testing.T) {
	t.Parallel()
	s := Start(t)
	status, answer := ask(t, s, false, user("[[bash ls]]"))
	if status != http.StatusOK || !strings.Contains(answer, `"input":{"command":"ls"}`) || !strings.Contains(answer, `"stop_reason":"tool_use"`) {
		t.Errorf("%d %s", status, answer)
	}
}

func TestStatusDirectiveRefusesEveryTime(t *testing.T) {
	t.Parallel()
	s := Start(t)
	for range 2 {
		status, answer := ask(t, s, true, user("[[status 429]]"))
		if status != http.StatusTooManyRequests || !strings.Contains(answer, "rate_limit_error") {
			t.Errorf("%d %s", status, answer)
		}
	}
}

func TestRequestsWithoutToolsGetATextAndAreNotMain(t *testing.T) {
	t.Parallel()
	s := Start(t)
	_, answer := post(t, s, fields{"model": "m", "stream": true, "messages": []fields{user("[[bash ls]]")}})
	if got := said(t, answer); got != "Stub title" {
		t.Errorf("said %q", got)
	}
	if q := s.Requests(); len(q) != 1 || q[0].Main {
		t.Errorf("requests %+v", q)
	}
}

func TestRequestsAreRememberedWhole(t *testing.T) {
	t.Parallel()
	s := Start(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, s.URL()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := do(t, r); status != http.StatusOK {
		t.Errorf("HEAD / = %d", status)
	}
	ask(t, s, true, user("one"), assistant("x"), user("two"))
	got := s.Requests()
	if len(got) != 2 || got[0].Method != http.MethodHead || got[0].Main {
		t.Fatalf("requests %+v", got)
	}
	q := got[1]
	if !q.Main || q.Path != "/v1/messages" || q.Model != "m" || q.System != "Be kind." || q.Header.Get("X-Api-Key") != "k" ||
		!slices.Equal(q.Prompts, []string{"one", "two"}) || !json.Valid(q.Body) {
		t.Errorf("request %+v", q)
	}
}

func TestGateHoldsAnswersUntilReleased(t *testing.T) {
	t.Parallel()
	s := Start(t)
	gate := s.Hold()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if status, answer := ask(t, s, true, user("hi")); status != http.StatusOK || !strings.Contains(answer, "Hello") {
			t.Errorf("%d %s", status, answer)
		}
	}()
	<-gate.Entered()
	select {
	case <-answered:
		t.Error("answered before the release")
	default:
	}
	gate.Release()
	gate.Release()
	<-answered
	ask(t, s, true, user("not held"))
}

func TestHeldRequestsDoNotOutliveTheirClientOrTheServer(t *testing.T) {
	t.Parallel()
	t.Run("server", func(t *testing.T) {
		s := Start(t)
		gate := s.Hold()
		go func() {
			r, _ := http.NewRequest(http.MethodPost, s.URL()+"/v1/messages", strings.NewReader(`{"tools":[{"name":"Bash"}]}`))
			if response, err := http.DefaultClient.Do(r); err == nil {
				response.Body.Close()
			}
		}()
		<-gate.Entered() // the cleanup must not wait for the release
	})
	t.Run("client", func(t *testing.T) {
		s := Start(t)
		gate := s.Hold()
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/v1/messages", strings.NewReader(`{"tools":[{"name":"Bash"}]}`))
			response, err := http.DefaultClient.Do(r)
			if err == nil {
				response.Body.Close()
			}
			left <- err
		}()
		<-gate.Entered()
		leave()
		if err := <-left; err == nil {
			t.Error("a held request was answered")
		}
	})
}

func TestMalformedBodyIsABadRequest(t *testing.T) {
	t.Parallel()
	s := Start(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/v1/messages", strings.NewReader("{"))
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := do(t, r); status != http.StatusBadRequest || !strings.Contains(answer, "invalid_request_error") {
		t.Errorf("%d %s", status, answer)
	}
}
