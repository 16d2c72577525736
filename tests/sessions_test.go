package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/server"
)

func TestLaterTurnSeesTheFirstOnesFiles(t *testing.T) {
	t.Parallel()
	a := start(t)
	session, _ := a.run("echo from turn one > note; echo one")
	ack := a.post("/sessions/"+session+"/prompt", `{"prompt":"cat note; pwd; echo \"$0 $# $AOD_MODEL\""}`).want(202)
	if got := keys(t, ack.body); got != "id status stream_url current_turn" || ack.field("current_turn") != "2" {
		t.Errorf("ack %s", ack.body)
	}
	all := a.stream(session).rest()
	if got := output(all, "stdout", 1); got != "one\n" {
		t.Errorf("turn 1: %q", got)
	}
	if got := output(all, "stdout", 2); got != "from turn one\n/home/sprite\nbash 0 local/bash\n" {
		t.Errorf("turn 2: %q", got)
	}
	var turns struct {
		Data []struct {
			TurnNumber int        `json:"turn_number"`
			Prompt     string     `json:"prompt"`
			Status     string     `json:"status"`
			ExitCode   *int       `json:"exit_code"`
			StartedAt  *time.Time `json:"started_at"`
			EndedAt    *time.Time `json:"ended_at"`
		}
	}
	a.get("/sessions/" + session + "/turns").want(200).into(&turns)
	if len(turns.Data) != 2 {
		t.Fatalf("%+v", turns)
	}
	for i, turn := range turns.Data {
		if turn.TurnNumber != i+1 || turn.Status != "completed" || turn.ExitCode == nil || turn.StartedAt == nil || turn.EndedAt == nil {
			t.Errorf("turn %+v", turn)
		}
	}
}

func TestSessionHasItsKeysInOrder(t *testing.T) {
	t.Parallel()
	a := start(t)
	session, _ := a.run("true")
	row := a.get("/sessions/" + session).want(200)
	want := "id agent_id environment_id runtime provider status exit_code created_at updated_at resources turn_count current_turn"
	if got := keys(t, row.body); got != want {
		t.Errorf("keys %s\nwant %s", got, want)
	}
	for field, value := range map[string]string{"runtime": `"shell"`, "provider": `"local"`, "status": `"completed"`, "exit_code": "0", "turn_count": "1", "current_turn": "1", "resources": "[]"} {
		if got := row.field(field); got != value {
			t.Errorf("%s is %s, want %s", field, got, value)
		}
	}
}

// Terminating ends the whole process tree, daemons too, and removes the Sprite.
func TestTerminateEndsEverythingWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	a := start(t)
	marker := "aod-test-" + filepath.Base(t.TempDir()) + time.Now().Format("150405.000000000")
	session := a.session("export MARK=" + marker + "; (setsid sleep 1000 &) ; setsid -f bash -c 'sleep 1000'; echo up; sleep 1000")
	stream := a.stream(session)
	stream.until(func(ev event) bool { return strings.Contains(ev.Data, "up") })
	if processes(t, marker) == 0 {
		t.Fatal("the turn's processes cannot be seen from the host")
	}
	began := time.Now()
	ack := a.post("/sessions/"+session+"/terminate", "").want(200)
	if want := `{"id":"` + session + `","status":"terminated"}`; strings.TrimSpace(ack.body) != want {
		t.Errorf("ack %s", ack.body)
	}
	last := stream.rest()
	if end := last[len(last)-1]; end.Type != "terminated" || end.Message != "Session terminated" {
		t.Errorf("the stream ended with %+v", end)
	}
	a.waitForNoSprite()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if left := processes(t, marker); left != 0 {
		t.Errorf("%d processes are left", left)
	}
	a.post("/sessions/"+session+"/terminate", "").detail(409, "Session is already terminated")
	a.post("/sessions/"+session+"/prompt", `{"prompt":"x"}`).detail(409, "Session has been terminated")
	var turns struct{ Data []struct{ Status string } }
	waitFor(t, "the turn has no outcome", func() bool {
		a.get("/sessions/" + session + "/turns").want(200).into(&turns)
		return turns.Data[0].Status == "failed"
	})
	if row := a.get("/sessions/" + session); row.text("status") != "terminated" || row.field("exit_code") != "null" {
		t.Errorf("session %s", row.body)
	}
}

// processes counts the processes of this machine that have mark in their environment.
func processes(t *testing.T, mark string) int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range dirs {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), mark) {
			n++
		}
	}
	return n
}

func TestTurnThatTakesTooLongFails(t *testing.T) {
	t.Parallel()
	a := start(t)
	id := a.post("/sessions", `{"agent_id":"`+a.shell()+`","prompt":"echo begun; sleep 1000","timeout":10}`).want(202).text("id")
	all := a.stream(id).rest()
	if got := output(all, "stderr", 1); got != "turn failed: timed out after 10 seconds\n" {
		t.Errorf("stderr %q", got)
	}
	if end := all[len(all)-1]; end.Type != "error" || end.Message != "Session failed" {
		t.Errorf("ended with %+v", end)
	}
	a.post("/sessions/"+id+"/prompt", `{"prompt":"x"}`).detail(409, "Session has failed and cannot be resumed. Start a new session.")
	a.waitForNoSprite() // nobody can use it again
}

func TestSessionsRefuseWhatTheStateForbids(t *testing.T) {
	t.Parallel()
	a := start(t)
	id := a.session("echo up; sleep 1000")
	a.stream(id).until(func(ev event) bool { return strings.Contains(ev.Data, "up") })
	a.delete("/sessions/"+id+"/delete").detail(409, "Cannot delete an active session")
	a.post("/sessions/"+id+"/prompt", `{"prompt":"x"}`).detail(409, "Session is already running")
	a.post("/sessions/"+id+"/prompt", `not json`).detail(409, "Session is already running")
	a.post("/sessions/"+id+"/terminate", "").want(200)
	a.delete("/sessions/"+id+"/delete").detail(200, "Session deleted")
	a.get("/sessions/"+id).detail(404, "Session not found")
	a.post("/sessions/"+id+"/prompt", `not json`).detail(404, "Session not found")
}

func TestSecretsReachTheTurnAndNothingElse(t *testing.T) {
	t.Parallel()
	a := start(t)
	env := a.post("/environments", `{"name":"e","env_vars":{"WHO":"environment","BOTH":"environment","EMPTY":""},"setup_script":"echo made by setup > made; echo \"[$WHO]\" >> made"}`).want(201)
	if strings.Contains(env.body, "env_vars") {
		t.Errorf("environment variables are shown: %s", env.body)
	}
	const secret = "it's a $ecret \"x\"\n2"
	id := a.post("/sessions", `{"agent_id":"`+a.shell()+`","prompt":"printf '%s|' \"$WHO\" \"$BOTH\" \"${EMPTY-unset}\" \"$S\"; cat made; stat -c %a .aod/env","environment_id":"`+env.text("id")+`","secret_env_vars":{"BOTH":"session","S":`+quoted(secret)+`}}`).want(202).text("id")
	all := a.stream(id).rest()
	if got := output(all, "stdout", 1); got != "environment|session||"+secret+"|made by setup\n[]\n600\n" {
		t.Errorf("got %q", got)
	}
	if got := a.get("/sessions/" + id); strings.Contains(got.body, "ecret") {
		t.Errorf("secret in %s", got.body)
	}
	a.delete("/environments/"+env.text("id")+"/delete").detail(409, "Cannot delete environment with existing sessions")
}

func TestFailedSetupSaysWhy(t *testing.T) {
	t.Parallel()
	a := start(t)
	env := a.post("/environments", `{"name":"e","setup_script":"echo going >&2; no-such-command; echo never"}`).want(201).text("id")
	id := a.post("/sessions", `{"agent_id":"`+a.shell()+`","prompt":"echo never","environment_id":"`+env+`"}`).want(202).text("id")
	all := a.stream(id).rest()
	var failed event
	for _, ev := range all {
		if ev.State == "failed" {
			failed = ev
		}
	}
	if failed.Stage != "provision_setup" || !strings.HasPrefix(failed.Message, "Provisioning script failed: exit code 127\nstderr:\ngoing\n") {
		t.Errorf("stage %+v", failed)
	}
	if got := output(all, "stderr", 1); got != "provision failed: "+failed.Message+"\n" {
		t.Errorf("stderr %q", got)
	}
	if all[len(all)-1].Type != "error" {
		t.Errorf("ended with %+v", all[len(all)-1])
	}
	a.waitForNoSprite()
}

// A limited network that cannot be kept is not run without.
func TestLimitedNetworkFailsClosed(t *testing.T) {
	t.Parallel()
	a := start(t)
	env := a.post("/environments", `{"name":"e","networking":{"type":"limited","allowed_hosts":["example.com"]}}`).want(201).text("id")
	id := a.post("/sessions", `{"agent_id":"`+a.shell()+`","prompt":"echo never","environment_id":"`+env+`"}`).want(202).text("id")
	all := a.stream(id).rest()
	if text := output(all, "stderr", 1); !strings.Contains(text, "network polic") || output(all, "stdout", 1) != "" {
		t.Errorf("stderr %q", text)
	}
}

func TestQuotaAnswersHowManyAreActive(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.MaxSessions = 1 })
	a.session("sleep 1000")
	got := a.post("/sessions", `{"agent_id":"`+a.shell()+`","prompt":"true"}`).want(429)
	want := `{"detail":"Concurrent session limit reached (1/1). Terminate an active session before starting a new one.","limit":1,"active":1}`
	if strings.TrimSpace(got.body) != want {
		t.Errorf("got %s", got.body)
	}
}

// The answer does not wait for the Sprite.
func TestCreateAnswersBeforeProvisioning(t *testing.T) {
	t.Parallel()
	a := start(t)
	env := a.post("/environments", `{"name":"e","setup_script":"sleep 1000"}`).want(201).text("id")
	id := a.post("/sessions", `{"agent_id":"`+a.shell()+`","prompt":"true","environment_id":"`+env+`"}`).want(202).text("id")
	stream := a.stream(id)
	stream.until(func(ev event) bool { return ev.Stage == "provision_setup" })
	if status := a.get("/sessions/" + id).text("status"); status != "pending" {
		t.Errorf("status %s", status)
	}
	a.post("/sessions/"+id+"/terminate", "").want(200)
	rest := stream.rest()
	if end := rest[len(rest)-1]; end.Type != "terminated" {
		t.Errorf("ended with %+v", end)
	}
	a.waitForNoSprite()
	waitFor(t, "the turn that could not start has no outcome", func() bool {
		return strings.Contains(a.get("/sessions/"+id+"/turns").body, `"status":"failed"`)
	})
	all := a.stream(id).rest()
	if got := output(all, "stderr", 1); got != "turn aborted: session terminated before execution started\n" {
		t.Errorf("stderr %q", got)
	}
}

func TestRuntimeThatCannotRunIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent := a.post("/agents", `{"name":"c","runtime":"codex","model":"o4-mini"}`).want(201)
	if got := agent.text("model"); got != "openai/o4-mini" {
		t.Errorf("model %s", got)
	}
	a.post("/sessions", `{"agent_id":"`+agent.text("id")+`","prompt":"x"}`).detail(400, "Unknown runtime: codex. Must be one of: ['claude', 'shell']")
}
