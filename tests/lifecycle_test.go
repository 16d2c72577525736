package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	isPending    = "Session already has a pending turn"
	isRunning    = "Session is already running"
	hasFailed    = "Session has failed and cannot be resumed. Start a new session."
	isTerminated = "Session has been terminated"
)

// blocked starts a session whose turn does not end by itself, and returns it when
// the turn is running.
func (a *api) blocked() string {
	a.t.Helper()
	id := a.session("echo up; sleep 1000")
	a.stream(id).until(func(ev event) bool { return strings.Contains(ev.Data, "up") })
	return id
}

// unstarted starts a session that stays pending, and returns it when it is being
// provisioned.
func (a *api) unstarted() string {
	a.t.Helper()
	env := a.environment("slow "+fmt.Sprint(time.Now().UnixNano()), `,"setup_script":"sleep 1000"`)
	id := a.in(a.shell(), "true", `,"environment_id":"`+env+`"`).want(202).text("id")
	a.stream(id).until(func(ev event) bool { return ev.Stage == "provision_setup" })
	return id
}

// turn is a turn as it is answered.
type turn struct {
	TurnNumber int        `json:"turn_number"`
	Prompt     string     `json:"prompt"`
	Status     string     `json:"status"`
	ExitCode   *int       `json:"exit_code"`
	StartedAt  *time.Time `json:"started_at"`
	EndedAt    *time.Time `json:"ended_at"`
}

func (a *api) turns(session string) []turn {
	a.t.Helper()
	var list struct{ Data []turn }
	a.get("/sessions/" + session + "/turns").want(200).into(&list)
	return list.Data
}

func TestPrompt(t *testing.T) {
	t.Parallel()
	a := start(t)
	prompt := func(a *api, session, body string) reply { return a.post("/sessions/"+session+"/prompt", body) }
	a.promise("7.6 a completed session takes a prompt", func(a *api) {
		session, _ := a.run("exit 0")
		ack := prompt(a, session, `{"prompt":"echo two","timeout":60,"secret_env_vars":{"1":2},"resources":1}`).want(202)
		ack.fits(`{"id":"` + session + `","status":"pending","stream_url":"/sessions/` + session + `/stream","current_turn":2}`)
		a.stream(session).rest()
		row := a.get("/sessions/" + session)
		row.has("turn_count", "2")
		row.has("current_turn", "2")
	})
	a.promise("7.6 exit_code is null again while the next turn is pending and running", func(a *api) {
		session, _ := a.run("exit 0")
		prompt(a, session, `{"prompt":"echo up; sleep 1000"}`).want(202)
		a.get("/sessions/"+session).has("exit_code", "null")
		a.stream(session).until(func(ev event) bool { return ev.Turn == 2 && ev.Data == "up\n" })
		row := a.get("/sessions/" + session)
		row.has("exit_code", "null")
		row.has("status", `"running"`)
	})
	a.promise("7.6 nothing is provisioned again, and the files are still there", func(a *api) {
		env := a.environment("once", `,"setup_script":"echo setup >> log","env_vars":{"WHO":"environment"}`)
		session := a.in(a.shell(), "echo one >> log; echo $WHO", `,"environment_id":"`+env+`","secret_env_vars":{"S":"secret"}`).want(202).text("id")
		a.stream(session).rest()
		prompt(a, session, `{"prompt":"cat log; echo $WHO $S; pwd; echo \"$0 $# $AOD_MODEL\""}`).want(202)
		all := a.stream(session).rest()
		if got := output(all, "stdout", 2); got != "setup\none\nenvironment secret\n/home/sprite\nbash 0 local/bash\n" {
			a.t.Errorf("got %q", got)
		}
		var stages []string
		for _, ev := range all {
			if ev.Stage == "runtime_start" || ev.Stage == "create_sprite" {
				stages = append(stages, ev.Stage+" "+ev.State)
			}
		}
		if got := strings.Join(stages, ", "); got != "create_sprite started, create_sprite done, runtime_start started, runtime_start started" {
			a.t.Errorf("stages %s", got)
		}
	})
	a.promise("7.6 the state is checked before the body, except for pending", func(a *api) {
		failed, _ := a.run("exit 1")
		terminated, _ := a.run("true")
		a.post("/sessions/"+terminated+"/terminate", "").want(200)
		for session, text := range map[string]string{a.blocked(): isRunning, failed: hasFailed, terminated: isTerminated} {
			for _, body := range []string{`{"prompt":"x"}`, "{}", "not json"} {
				prompt(a, session, body).detail(409, text)
			}
		}
		pending := a.unstarted()
		prompt(a, pending, "not json").detail(400, "Invalid JSON")
		prompt(a, pending, "{}").problem("missing", `["prompt"]`, "Field required")
		prompt(a, pending, `{"prompt":"x"}`).detail(409, isPending)
		prompt(a, nobodys, "not json").detail(404, "Session not found")
	})
	a.promise("7.6 prompt is a required text and timeout 10 to 3600", func(a *api) {
		session, _ := a.run("true")
		prompt(a, session, `{"prompt":null}`).problem("string_type", `["prompt"]`, "Input should be a valid string")
		prompt(a, session, `{"prompt":"x","timeout":9}`).problem("greater_than_equal", `["timeout"]`, "Input should be greater than or equal to 10")
		prompt(a, session, `{"prompt":"x","timeout":3601}`).problem("less_than_equal", `["timeout"]`, "Input should be less than or equal to 3600")
		a.get("/sessions/"+session).has("turn_count", "1")
		prompt(a, session, `{"prompt":"","timeout":"10"}`).want(202)
	})
	a.promise("7.6 a session whose Sprite is gone says so, before the body is looked at", func(a *api) {
		session, _ := a.run("true")
		a.sql("UPDATE sessions SET sprite = '' WHERE id = ?", session)
		prompt(a, session, "not json").detail(409, "Session backend is no longer available; start a new session.")
		a.sql("UPDATE sessions SET sprite = (SELECT 'aod-' || value FROM settings WHERE name = 'deployment') || '-' || ? WHERE id = ?", session, session)
	})
	a.promise("7.6 of 12 concurrent prompts one is taken", func(a *api) {
		session, _ := a.run("true")
		a.oneWinner(12, func(int) reply { return prompt(a, session, `{"prompt":"sleep 1000"}`) }, isPending, isRunning)
		a.get("/sessions/"+session).has("turn_count", "2")
	})
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	a := start(t)
	terminate := func(a *api, session string) reply { return a.post("/sessions/"+session+"/terminate", "") }
	a.promise("7.7 it is allowed from every status but terminated", func(a *api) {
		completed, _ := a.run("true")
		failed, _ := a.run("exit 7")
		for _, session := range []string{a.unstarted(), a.blocked(), completed, failed} {
			before := a.get("/sessions/" + session)
			terminate(a, session).want(200).fits(`{"id":"` + session + `","status":"terminated"}`)
			terminate(a, session).detail(409, "Session is already terminated")
			after := a.get("/sessions/" + session)
			after.has("status", `"terminated"`)
			after.has("exit_code", before.field("exit_code"))
			if after.text("updated_at") <= before.text("updated_at") {
				a.t.Errorf("updated_at %s, was %s", after.text("updated_at"), before.text("updated_at"))
			}
		}
		terminate(a, nobodys).detail(404, "Session not found")
	})
	a.promise("7.7 of 8 concurrent terminates one wins", func(a *api) {
		session := a.blocked()
		a.oneWinner(8, func(int) reply { return terminate(a, session) }, "Session is already terminated")
	})
	a.promise("8.2 a session terminated in a turn stays so, and the turn gets its own outcome", func(a *api) {
		session := a.blocked()
		stream := a.stream(session)
		terminate(a, session).want(200)
		if rest := stream.rest(); rest[len(rest)-1].Type != "terminated" {
			a.t.Errorf("ended with %+v", rest[len(rest)-1])
		}
		waitFor(a.t, "the turn has no outcome", func() bool { return a.turns(session)[0].Status == "failed" })
		if turn := a.turns(session)[0]; turn.StartedAt == nil || turn.EndedAt == nil || turn.ExitCode != nil {
			a.t.Errorf("turn %+v", turn)
		}
		row := a.get("/sessions/" + session)
		row.has("status", `"terminated"`)
		row.has("exit_code", "null")
	})
	a.promise("8.2 a turn that is terminated before its start is never started", func(a *api) {
		session := a.unstarted()
		terminate(a, session).want(200)
		waitFor(a.t, "the turn has no outcome", func() bool { return a.turns(session)[0].Status == "failed" })
		if turn := a.turns(session)[0]; turn.StartedAt == nil || !turn.StartedAt.Equal(*turn.EndedAt) || turn.ExitCode != nil {
			a.t.Errorf("turn %+v", turn)
		}
		all := a.stream(session).rest()
		if got := output(all, "stderr", 1); got != "turn aborted: session terminated before execution started\n" {
			a.t.Errorf("stderr %q", got)
		}
		for _, ev := range all {
			if ev.Stage == "runtime_start" {
				a.t.Errorf("it was started: %+v", ev)
			}
		}
	})
	a.promise("8.2 terminating leaks no Sprite", func(a *api) {
		a.endSessions() // waits until every Sprite is gone
	})
}

// Terminating ends the whole process tree, daemons too, and removes the Sprite.
func TestTerminateEndsEverythingWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	a := start(t)
	for round := range 20 {
		marker := fmt.Sprint("aod-test-", filepath.Base(t.TempDir()), time.Now().UnixNano())
		session := a.session("export MARK=" + marker + "\n" + escapers)
		stream := a.stream(session)
		stream.until(func(ev event) bool { return strings.Contains(ev.Data, "up") })
		if processes(t, marker) < 20 {
			t.Fatal("the turn's processes cannot be seen from the host")
		}
		began := time.Now()
		a.post("/sessions/"+session+"/terminate", "").want(200)
		stream.rest()
		a.waitForNoSprite()
		took := time.Since(began)
		t.Logf("round %d took %v", round, took.Round(time.Millisecond))
		if took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if left := processes(t, marker); left != 0 {
			t.Errorf("%d processes are left", left)
		}
	}
}

// escapers are 20 daemons, each in a session of its own and without a parent, and one that is never the same process for long.
const escapers = `for i in 1 2 3 4 5 6 7 8 9 10; do setsid -f bash -c 'setsid sleep 1000 & setsid sleep 1000'; done
perl -MPOSIX -e 'while (1) { exit if fork; setsid }' &
until [ "$(cat /proc/[0-9]*/comm 2> /dev/null | grep -c sleep)" -ge 20 ]; do :; done
echo up; sleep 1000`

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

func TestDeleteSession(t *testing.T) {
	t.Parallel()
	a := start(t)
	remove := func(a *api, session string) reply { return a.delete("/sessions/" + session + "/delete") }
	a.promise("7.8 an active session is not deleted", func(a *api) {
		for _, session := range []string{a.unstarted(), a.blocked()} {
			remove(a, session).detail(409, "Cannot delete an active session")
			a.get("/sessions/" + session).want(200)
		}
	})
	a.promise("7.8 completed, failed and terminated ones are, with all that they have", func(a *api) {
		completed, _ := a.run("true")
		failed, _ := a.run("exit 1")
		terminated, _ := a.run("true")
		a.post("/sessions/"+terminated+"/terminate", "").want(200)
		for _, session := range []string{completed, failed, terminated} {
			remove(a, session).detail(200, "Session deleted")
			for _, got := range []reply{
				remove(a, session), a.get("/sessions/" + session), a.get("/sessions/" + session + "/turns"), a.get("/sessions/" + session + "/stream"),
				a.post("/sessions/"+session+"/prompt", "not json"), a.post("/sessions/"+session+"/terminate", ""),
			} {
				got.detail(404, "Session not found")
			}
			if strings.Contains(a.get("/sessions").body, session) {
				a.t.Error("it is listed")
			}
		}
	})
	a.promise("7.8 its Sprite is destroyed", func(a *api) {
		session, _ := a.run("true")
		remove(a, session).want(200)
		a.endSessions()
	})
	a.promise("9.4 the stream of a session that is deleted closes", func(a *api) {
		session := a.blocked()
		stream := a.stream(session)
		stream.until(func(ev event) bool { return ev.Type == "output" })
		a.post("/sessions/"+session+"/terminate", "").want(200)
		remove(a, session).want(200)
		stream.rest()
	})
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.promise("8.1 exit 0 completes, any other fails with that code", func(a *api) {
		for code, status := range map[int]string{0: "completed", 1: "failed", 3: "failed", 255: "failed"} {
			session, all := a.run(fmt.Sprint("exit ", code))
			if end := all[len(all)-1]; end.Type != "exit" || *end.Code != code {
				a.t.Errorf("ended with %+v", end)
			}
			row := a.get("/sessions/" + session)
			row.has("status", quoted(status))
			row.has("exit_code", fmt.Sprint(code))
			if turn := a.turns(session)[0]; turn.Status != status || *turn.ExitCode != code {
				a.t.Errorf("turn %+v", turn)
			}
		}
	})
	a.promise("8.2 whoever sees the end sees the turn finished", func(a *api) {
		session, _ := a.run("true")
		if turn := a.turns(session)[0]; turn.Status != "completed" || turn.EndedAt == nil || turn.StartedAt == nil || turn.EndedAt.Before(*turn.StartedAt) {
			a.t.Errorf("turn %+v", turn)
		}
	})
	a.promise("8.2 a turn that takes too long fails without a code", func(a *api) {
		id := a.in(a.shell(), "echo begun; sleep 1000", `,"timeout":10`).want(202).text("id")
		all := a.stream(id).rest()
		if got := output(all, "stderr", 1); got != "turn failed: timed out after 10 seconds\n" {
			a.t.Errorf("stderr %q", got)
		}
		if end := all[len(all)-1]; end.Type != "error" || end.Message != "Session failed" {
			a.t.Errorf("ended with %+v", end)
		}
		a.get("/sessions/"+id).has("exit_code", "null")
	})
	a.promise("8.2 a turn whose Sprite is missing fails and says so", func(a *api) {
		session, _ := a.run("true")
		a.sql("INSERT INTO doomed_sprites (name, since) SELECT sprite, 0 FROM sessions WHERE id = ?", session)
		a.sql("UPDATE sessions SET sprite = sprite || '-missing' WHERE id = ?", session)
		a.post("/sessions/"+session+"/prompt", `{"prompt":"true"}`).want(202)
		all := a.stream(session).rest()
		if text := output(all, "stderr", 2); text != "turn failed: the Sprite is gone\n" || all[len(all)-1].Type != "error" {
			a.t.Errorf("stderr %q, ended with %+v", text, all[len(all)-1])
		}
		a.get("/sessions/"+session).has("status", `"failed"`)
		if turn := a.turns(session)[1]; turn.Status != "failed" || turn.EndedAt == nil || turn.ExitCode != nil {
			a.t.Errorf("turn %+v", turn)
		}
	})
	a.promise("8.2 updated_at moves with every change of status", func(a *api) {
		id := a.in(a.shell(), "echo up; read < $(mktemp -u).never || sleep 0.05", "").want(202).text("id")
		created := a.get("/sessions/" + id).text("created_at")
		a.stream(id).until(func(ev event) bool { return ev.Stage == "runtime_start" })
		running := a.get("/sessions/" + id).text("updated_at")
		a.stream(id).rest()
		if ended := a.get("/sessions/" + id).text("updated_at"); created >= running || running > ended {
			a.t.Errorf("created %s, running %s, ended %s", created, running, ended)
		}
	})
}
