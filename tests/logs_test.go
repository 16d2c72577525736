package tests

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
)

// logLine is one line of a server's log.
type logLine struct {
	Msg, Path, Method string
	RequestID         string `json:"request_id"`
	SessionID         string `json:"session_id"`
	Turn, Status      any
	TraceID           string `json:"trace_id"`
	fields            map[string]any
	raw               string
}

// lines are those of a server that has ended.
func (a *api) lines() []logLine {
	a.t.Helper()
	var all []logLine
	for raw := range strings.Lines(a.log()) {
		line := logLine{raw: raw}
		if err := json.Unmarshal([]byte(raw), &line); err != nil {
			a.t.Errorf("%v: %s", err, raw)
		}
		if err := json.Unmarshal([]byte(raw), &line.fields); err != nil {
			a.t.Error(err)
		}
		all = append(all, line)
	}
	return all
}

// Each line says what it is about under the same keys, so that a request can be followed
// to its session and turn and on to the end of that.
func TestLogsLeadFromTheRequestToItsTurn(t *testing.T) {
	t.Parallel()
	known := secrets{}
	a := spawn(t, os.Getuid(), "AOD_LOG_LEVEL=debug", "AOD_LOG_FORMAT=json")
	agent := a.shell()
	session := a.call("POST", "/sessions", `{"agent_id":"`+agent+`","prompt":"echo `+known.plant("a prompt")+`"}`, "X-Request-Id", "creates").want(202).text("id")
	a.stream(session, "X-Request-Id", "reads").rest()
	a.call("POST", "/sessions/"+session+"/prompt", `{"prompt":"echo again"}`, "X-Request-Id", "prompts").want(202)
	a.stream(session).rest()
	a.call("POST", "/sessions/"+session+"/terminate", "", "X-Request-Id", "terminates").want(200)
	a.call("DELETE", "/sessions/"+session+"/delete", "", "X-Request-Id", "deletes").want(200)
	a.call("GET", "/sessions/"+session, "", "X-Request-Id", "misses").want(404)
	a.waitForNoSprite()
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	lines := a.lines()
	has := func(msg, request string, turn any) {
		t.Helper()
		for _, l := range lines {
			if l.Msg == msg && l.RequestID == request && l.SessionID == session && l.Turn == turn {
				return
			}
		}
		t.Errorf("no line %q has request %q, session %s and turn %v: %s", msg, request, session, turn, a.log())
	}
	has("session created", "creates", 1.0)
	has("request", "creates", 1.0)
	has("request", "reads", nil)
	has("turn ended", "", 1.0)
	has("session prompted", "prompts", 2.0)
	has("request", "prompts", 2.0)
	has("turn ended", "", 2.0)
	has("session terminated", "terminates", nil)
	has("request", "terminates", nil)
	has("session deleted", "deletes", nil)
	has("request", "misses", nil)
	requests := 0
	for _, l := range lines {
		if l.Msg == "request" {
			requests++
			if l.RequestID == "" {
				t.Errorf("a request has no id: %s", l.raw)
			}
		}
		if _, other := l.fields["session"]; other || l.Turn != nil && l.SessionID == "" || l.TraceID != "" || strings.Count(l.raw, `"request_id"`) > 1 {
			t.Errorf("a line names what it is about in another way: %s", l.raw)
		}
	}
	if requests != 8 {
		t.Errorf("there are lines of %d requests", requests)
	}
	known.in(t, "the log", a.log())
}
