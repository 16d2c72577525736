package local_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/superfly/sprites-go"
)

// The list is an object, has what runs and nothing else, and can be probed for the version.
func TestSessionsAreListed(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "list")
	if status, text := m.request(t, http.MethodGet, "/v1/sprites/list/exec", "", token); status != 200 || text != `{"count":0,"sessions":[]}`+"\n" {
		t.Errorf("%d %s", status, text)
	}
	if status, text := m.request(t, http.MethodHead, "/v1/sprites/list/exec", "", token); status != 200 || text != "" {
		t.Errorf("HEAD: %d %s", status, text)
	}
	m.sh(t, "list", "true") // is over, and not listed
	ready := newWatcher("ready\n")
	cmd, _, _, err := m.start(t.Context(), "list", func(c *sprites.Cmd) { c.Stdout, c.Dir = ready, "/tmp" }, "sh", "-c", "echo ready; sleep 4723")
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	list := m.sessions(t, "list")
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	s := list[0]
	if s.Command != "sh -c echo ready; sleep 4723" || s.Workdir != "/tmp" || !s.IsActive || s.TTY || time.Since(s.Created).Abs() > time.Minute || s.LastActivity == nil || s.LastActivity.Before(s.Created) {
		t.Errorf("%+v", s)
	}
	_, text := m.request(t, http.MethodGet, "/v1/sprites/list/exec", "", token)
	var raw struct {
		Count    int
		Sessions []map[string]any
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil || raw.Count != 1 || len(raw.Sessions) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	for _, name := range []string{"id", "command", "workdir", "created", "bytes_per_second", "is_active", "last_activity", "tty"} {
		if _, ok := raw.Sessions[0][name]; !ok {
			t.Errorf("no %s in %s", name, text)
		}
	}
	if id, ok := raw.Sessions[0]["id"].(string); !ok || id != s.ID {
		t.Errorf("id %v, %q", raw.Sessions[0]["id"], s.ID)
	}
	_ = cmd.Signal("KILL") // as in TestSignalsReachTheCommand
	_ = cmd.Wait()
}

// A kill tells in lines of JSON what came of it.
func TestKillTellsWhatHappened(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "tell")
	for _, c := range []struct {
		script, query string
		want          string
		code          int
	}{
		{"trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done", "", "signal SIGTERM, exited, complete 9", 9},
		{"trap 'exit 8' USR1; echo ready; while :; do sleep 0.05; done", "?signal=usr1&timeout=20", "signal SIGUSR1, exited, complete 8", 8},
		{"trap '' TERM; echo ready; while :; do sleep 0.05; done", "?signal=TERM&timeout=50ms", "signal SIGTERM, timeout, killed, complete 137", 137},
		{"trap 'exit 7' HUP; echo ready; while :; do sleep 0.05; done", "?signal=SIGHUP&timeout=0s", "signal SIGHUP, complete", 7},
		{"echo ready; sleep 4724", "?signal=KILL", "signal SIGKILL, exited, complete 137", 137},
	} {
		ready, r := newWatcher("ready\n"), newReader()
		cmd, _, _, err := m.start(t.Context(), "tell", func(c *sprites.Cmd) { r.prepare(c); c.Stdout = ready }, "sh", "-c", c.script)
		if err != nil {
			t.Fatal(err)
		}
		ready.wait(t)
		path := "/v1/sprites/tell/exec/" + <-r.id + "/kill"
		status, text := m.post(t, path+c.query)
		var got []string
		for line := range bytes.Lines([]byte(text)) {
			var l struct {
				Type, Signal string
				Pid          int
				Code         *int `json:"exit_code"`
			}
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			said := strings.TrimSpace(l.Type + " " + l.Signal)
			if l.Code != nil && !strings.HasSuffix(c.query, "=0s") {
				said += fmt.Sprint(" ", *l.Code)
			}
			if l.Type == "signal" && l.Pid <= 0 {
				t.Errorf("%s: no pid: %s", c.query, text)
			}
			got = append(got, said)
		}
		told := strings.Join(got, ", ")
		if strings.HasSuffix(c.query, "=0s") { // it does not wait, and may see the end all the same
			told = strings.Replace(told, ", exited", "", 1)
		}
		if _ = cmd.Wait(); status != 200 || told != c.want || cmd.ExitCode() != c.code {
			t.Errorf("%s %s: %d %s, exit %d", c.script, c.query, status, got, cmd.ExitCode())
		}
		for query, want := range map[string]int{"": 410, "?signal=NONE": 400, "?signal=": 400, "?timeout=soon": 400, "?timeout=": 400} {
			if status, text := m.post(t, path+query); status != want || !strings.Contains(text, `"error"`) || len(text) >= 1024 {
				t.Errorf("over, %s: %d %s", query, status, text)
			}
		}
	}
}
