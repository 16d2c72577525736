package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const none = "AOD_SPRITE_ISOLATION=none"

// Where an operator chooses no isolation, everybody is told, and sessions work all
// the same: as root and as an ordinary user.
func TestNoIsolation(t *testing.T) {
	t.Parallel()
	users := []int{os.Getuid()}
	if os.Getuid() == 0 {
		users = append(users, ordinaryUser)
	}
	for _, uid := range users {
		t.Run(fmt.Sprint("uid ", uid), func(t *testing.T) {
			t.Parallel()
			noIsolation(t, uid)
		})
	}
}

func noIsolation(t *testing.T, uid int) {
	a := spawn(t, uid, none)
	a.promise("3 health says that nothing keeps agents apart", func(a *api) {
		if got := a.get("/health").want(200).field("isolation"); got != `"none"` {
			a.t.Errorf("isolation %s", got)
		}
	})
	a.promise("8.2 the next turn finds what the one before has left", func(a *api) {
		env := a.environment("e", `,"env_vars":{"PLAIN":"p"},"setup_script":"echo setup > made; mkdir -p $HOME/.local/bin; printf '#!/bin/sh\\necho tool\\n' > $HOME/.local/bin/tool; chmod +x $HOME/.local/bin/tool"`)
		id := a.in(a.shell(), "id -u; pwd; cat made; tool; echo $PLAIN $SECRET; echo kept > kept; echo $HOME", `,"environment_id":"`+env+`","secret_env_vars":{"SECRET":"s"}`).want(202).text("id")
		all := a.stream(id).rest()
		home := a.home(id)
		if want := fmt.Sprintf("%d\n%s\nsetup\ntool\np s\n%[2]s\n", uid, home); output(all, "stdout", 1) != want {
			a.t.Errorf("got %q and %q, want %q", output(all, "stdout", 1), output(all, "stderr", 1), want)
		}
		a.post("/sessions/"+id+"/prompt", `{"prompt":"cat kept; echo $SECRET; ls .aod"}`).want(202)
		if got := output(a.stream(id).rest(), "stdout", 2); !strings.HasPrefix(got, "kept\ns\n") || strings.Contains(got, "prompt") {
			a.t.Errorf("second turn: %q", got)
		}
	})
	a.promise("7.2 sessions side by side have folders of their own", func(a *api) {
		for range 2 {
			id, all := a.run(`cat f ../../workspace/f $TMPDIR/f 2>/dev/null; echo seen | tee f ../../workspace/f $TMPDIR/f > /dev/null`)
			if got := output(all, "stdout", 1) + output(all, "stderr", 1); got != "" || *all[len(all)-1].Code != 0 {
				a.t.Errorf("%q", got)
			}
			if _, err := os.Stat(filepath.Join(a.home(id), "f")); err != nil {
				a.t.Error(err)
			}
		}
	})
	a.promise("7.7 terminating ends what a turn has started", func(a *api) {
		id := a.session("for i in $(seq 20); do setsid sleep 1000 > /dev/null 2>&1 & done; echo ready; sleep 1000")
		a.stream(id).until(func(ev event) bool { return ev.Data == "ready\n" })
		if n := a.started(id); n < 20 {
			a.t.Errorf("%d processes", n)
		}
		a.post("/sessions/"+id+"/terminate", "").want(200)
		waitFor(a.t, "processes live on", func() bool { return a.started(id) == 0 })
	})
	a.promise("8.3 a limited network that cannot be kept is not run without", func(a *api) {
		env := a.environment("limited", `,"networking":{"type":"limited","allowed_hosts":["example.com"]}`)
		id := a.in(a.shell(), "echo never", `,"environment_id":"`+env+`"`).want(202).text("id")
		all := a.stream(id).rest()
		if text := output(all, "stderr", 1); !strings.Contains(text, "the isolation of local sprites is none: a network policy cannot be enforced") || output(all, "stdout", 1) != "" {
			a.t.Errorf("stderr %q", text)
		}
	})
	if out, _, err := aod(t, []string{none}, "doctor", "--data-dir", a.dir); uid == os.Getuid() &&
		(err != nil || !strings.Contains(out, "isolation  warning none: agents run as the server's user, unconfined") || !strings.Contains(out, "sprites    ok ")) {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	a.endSessions()
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if said := a.said(); !strings.HasPrefix(said, "WARNING: AOD_SPRITE_ISOLATION is none: agents run as this user, unconfined") {
		t.Errorf("said %q", said)
	}
	for _, want := range []string{`"level":"WARN","msg":"isolation is none: agents run as the server's user, unconfined`, `"level":"INFO","msg":"a sprite without isolation: its commands run as the server's user, unconfined","sprite":"aod-`} {
		if log := a.log(); !strings.Contains(log, want) {
			t.Errorf("the log does not say %s: %s", want, log)
		}
	}
}

// What a killed server leaves behind is the next one's to end, and it ends.
func TestNoIsolationOverTheDeathOfTheServer(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := spawnIn(t, dir, os.Getuid(), none)
	id := a.session("setsid sleep 1000 > /dev/null 2>&1 & echo ready; sleep 1000")
	a.stream(id).until(func(ev event) bool { return ev.Data == "ready\n" })
	a.signal(syscall.SIGKILL) // says that it was killed
	if n := a.started(id); n < 2 {
		t.Errorf("%d processes outlive the server", n)
	}
	b := spawnIn(t, dir, os.Getuid(), none)
	b.endSessions()
	if n := b.started(id); n > 0 {
		t.Errorf("%d processes live on", n)
	}
}

// A session is not moved into another isolation.
func TestIsolationOfASessionStays(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := spawnIn(t, dir, os.Getuid(), none)
	id, _ := a.run("true")
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	b := spawnIn(t, dir, os.Getuid())
	b.post("/sessions/"+id+"/prompt", `{"prompt":"true"}`).want(202)
	if got := output(b.stream(id).rest(), "stderr", 2); !strings.Contains(got, "this sprite was made with isolation none, and its host has isolation namespaces now: destroy it, or start a new session") {
		t.Errorf("got %q", got)
	}
}

// home is where the commands of a session without isolation are at home.
func (a *api) home(session string) string {
	a.t.Helper()
	found, err := filepath.Glob(filepath.Join(a.dir, "sprites", "aod-*"+session, "root", "home", "sprite"))
	if err != nil || len(found) != 1 {
		a.t.Fatal(found, err)
	}
	return found[0]
}

// started counts the processes on this machine that a session without isolation has
// started: they have its home in their environment.
func (a *api) started(session string) int {
	a.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		a.t.Fatal(err)
	}
	n := 0
	for _, path := range all {
		env, err := os.ReadFile(path) // of others, and of the dead, it cannot be read
		if err == nil && strings.Contains(string(env), session+"/root/home/sprite\x00") {
			n++
		}
	}
	return n
}
