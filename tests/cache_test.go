package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-on-demand/aod/server"
)

// snapshots are the folders of what the server keeps of environments for sessions to come.
func (a *api) snapshots() []string {
	a.t.Helper()
	found, err := filepath.Glob(filepath.Join(a.dir, "sprites", ".snapshots", "[0-9a-f]*", "snapshot.json"))
	if err != nil {
		a.t.Fatal(err)
	}
	var dirs []string
	for _, path := range found {
		dir := filepath.Dir(path)
		if _, err := os.Stat(filepath.Join(dir, "retired")); err != nil {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// snapshotted returns when the server keeps so many environments.
func (a *api) snapshotted(n int) {
	a.t.Helper()
	waitFor(a.t, "other snapshots than expected", func() bool { return len(a.snapshots()) == n })
}

// prepared runs a session in an environment and returns what it prints, and whether its setup was saved.
func (a *api) prepared(env, prompt, fields string) (stdout string, cached bool) {
	a.t.Helper()
	id := a.in(a.shell(), prompt, `,"environment_id":"`+env+`"`+fields).want(202).text("id")
	stream := a.stream(id)
	all := stream.rest()
	if end := all[len(all)-1]; end.Type != "exit" || *end.Code != 0 {
		a.t.Errorf("ended with %+v\n%s", end, stream.raw.String())
	}
	cached = strings.Contains(stream.raw.String(), `"cached"`)
	for line := range strings.Lines(stream.raw.String()) {
		saved := strings.Contains(line, `"cached"`)
		if saved && (!strings.Contains(line, `"stage": "provision_setup", "state": "done", "duration_ms": `) || !strings.HasSuffix(line, `, "cached": true}`+"\n")) {
			a.t.Errorf("%s", line)
		}
	}
	return output(all, "stdout", 1), cached
}

const stamped = `,"setup_script":"date +%s%N > stamp; mkdir -p /opt/made /workspace/w; echo made > /usr/local/bin/made; echo here > /etc/made; rm /etc/timezone; cp stamp /opt/made/; ln -s stamp link; touch own; chown 12:34 own; chmod 0 own"`

const inspect = "cat stamp link /opt/made/stamp /usr/local/bin/made /etc/made; stat -c '%a %u %g' own; ls -d /workspace/w; ls /etc/timezone 2>&1; hostname; cat /etc/hostname"

func TestEnvironmentCache(t *testing.T) {
	t.Parallel()
	a := start(t)
	var env, first string
	a.promise("8.3 the second session with an environment starts from what the first has set up", func(a *api) {
		env = a.environment("stamped", stamped)
		first, _ = a.prepared(env, "cat stamp", "")
		a.snapshotted(1)
		id := a.in(a.shell(), inspect, `,"environment_id":"`+env+`"`).want(202).text("id")
		stream := a.stream(id)
		all := stream.rest()
		const want = "create_sprite started, create_sprite done, install_runtime started, install_runtime done, env_file started, env_file done, " +
			"provision_setup started, provision_setup done, runtime_config started, runtime_config done, runtime_start started"
		if got := stages(all); got != want {
			a.t.Errorf("stages %s", got)
		}
		if !strings.Contains(stream.raw.String(), `"cached": true}`) {
			a.t.Errorf("it is not said: %s", stream.raw.String())
		}
		name := output(all, "stdout", 1)
		name = name[strings.LastIndex(strings.TrimSpace(name), "\n")+1:]
		if got := output(all, "stdout", 1); !strings.HasPrefix(got, strings.Repeat(first, 3)+"made\nhere\n0 12 34\n/workspace/w\nls: cannot access '/etc/timezone'") && os.Getuid() == 0 ||
			!strings.HasSuffix(got, "\n"+name+name) || !strings.Contains(name, id) {
			a.t.Errorf("got %q", got)
		}
	})
	a.promise("8.3 what a session does later is not what others start from", func(a *api) {
		a.prepared(env, "echo mine > stamp; echo mine > /usr/local/bin/made; touch new", "")
		if got, cached := a.prepared(env, "cat stamp; cat /usr/local/bin/made; ls new 2> /dev/null || true", ""); !cached || got != first+"made\n" {
			a.t.Errorf("got %q, %v", got, cached)
		}
	})
	a.promise("8.3 nothing of a session is in the next one's Sprite", func(a *api) {
		env := a.environment("curious", `,"setup_script":"cp -r .aod /opt/seen; cat .aod/* > seen; env >> seen; mv .aod elsewhere; cp -r elsewhere .aod; date +%s%N > stamp"`)
		for round, secret := range []string{"hush-hush-one", "hush-hush-two"} {
			look := "true"
			if round == 1 {
				look = `cat stamp > /dev/null && ! grep -rsqF "hush-hush-$(echo one)" /home /opt /etc /var /root /srv /tmp /workspace /usr/local`
			}
			if _, cached := a.prepared(env, look, `,"secret_env_vars":{"S_TOKEN":"`+secret+`"}`); cached != (round == 1) {
				a.t.Errorf("session %d: %v", round+1, cached)
			}
			a.snapshotted(2)
			if out, err := exec.Command("grep", "-rsl", "-e", "hush-hush", "-e", "deployment:", filepath.Join(a.dir, "sprites", ".snapshots")).Output(); err == nil {
				a.t.Errorf("a snapshot has the secret: %s", out)
			}
		}
		var list struct{ Data []struct{ ID string } }
		a.get("/sessions").want(200).into(&list)
		for _, s := range list.Data {
			if out, err := exec.Command("grep", "-rsl", s.ID, filepath.Join(a.dir, "sprites", ".snapshots")).Output(); err == nil {
				a.t.Errorf("a snapshot names a session: %s", out)
			}
		}
	})
	a.promise("8.3 another user's environment is another one", func(a *api) {
		other := a.anotherUser()
		other.t = a.t
		mine := other.environment("stamped", stamped)
		if got, cached := other.prepared(mine, "cat stamp", ""); cached || got == first {
			a.t.Errorf("got %q, %v", got, cached)
		}
		other.endSessionsOnly()
		a.snapshotted(3)
	})
	a.promise("8.3 a new version of an environment is set up anew, and takes the place of the old one", func(a *api) {
		a.put("/environments/"+env, `{"version":1,"env_vars":{"A":"b"}}`).want(200)
		got, cached := a.prepared(env, "cat stamp", "")
		if cached || got == first {
			a.t.Errorf("got %q, %v", got, cached)
		}
		waitFor(a.t, "the new version is not used", func() bool {
			again, cached := a.prepared(env, "cat stamp", "")
			return cached && again == got
		})
		a.snapshotted(3) // the old one's is gone
	})
	a.promise("8.3 what an environment leaves running is not cached, nor is nothing", func(a *api) {
		for _, fields := range []string{`,"setup_script":"setsid -f sleep 3600 >/dev/null 2>&1 <&1"`, "", `,"setup_script":" "`} {
			env := a.environment("uncached "+fields, fields)
			for range 2 {
				if _, cached := a.prepared(env, "true", ""); cached {
					a.t.Errorf("%s: it is", fields)
				}
			}
		}
		a.snapshotted(3)
	})
	a.promise("8.4 the script is not cached where there are repositories", func(a *api) {
		env := a.environment("cloned", `,"setup_script":"date +%s%N > stamp"`)
		for range 2 {
			id := a.in(a.shell(), "true", `,"environment_id":"`+env+`","resources":[{"type":"github_repository","url":"https://github.com/o/r","authorization_token":"hush-hush"}]`).want(202).text("id")
			stream := a.stream(id)
			stream.rest()
			if strings.Contains(stream.raw.String(), "cached") {
				a.t.Error(stream.raw.String())
			}
		}
		a.snapshotted(3)
	})
	a.promise("8.3 two first sessions at once are both set up, and one is kept", func(a *api) {
		env := a.environment("twice", `,"setup_script":"sleep 0.5; date +%s%N > stamp"`)
		stamps := make([]string, 2)
		atOnce(2, func(i int) reply {
			var cached bool
			if stamps[i], cached = a.prepared(env, "cat stamp", ""); cached {
				a.t.Error("cached")
			}
			return reply{}
		})
		a.snapshotted(4)
		if got, cached := a.prepared(env, "cat stamp", ""); !cached || got != stamps[0] && got != stamps[1] || stamps[0] == stamps[1] {
			a.t.Errorf("got %q of %q, %v", got, stamps, cached)
		}
	})
	a.promise("6.5 what is kept of an environment goes with it", func(a *api) {
		a.post("/environments/"+env+"/archive", "").want(200)
		a.snapshotted(3)
	})
}

// endSessionsOnly ends a user's sessions, while others have some.
func (a *api) endSessionsOnly() {
	var list struct{ Data []struct{ ID string } }
	a.get("/sessions").want(200).into(&list)
	for _, s := range list.Data {
		a.post("/sessions/"+s.ID+"/terminate", "")
	}
}

func TestEnvironmentCacheCanBeOff(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.NoCache = true })
	a.promise("8.3 without the cache every session is set up", func(a *api) {
		env := a.environment("off", stamped)
		first, _ := a.prepared(env, "cat stamp", "")
		if got, cached := a.prepared(env, "cat stamp", ""); cached || got == first {
			a.t.Errorf("got %q, %v", got, cached)
		}
		a.snapshotted(0)
	})
}

// A snapshot that is cut short is none, and what is left of it goes.
func TestSnapshotCutByTheServersEndIsNone(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := spawnIn(t, dir, os.Getuid(), "AOD_ENVIRONMENT_CACHE=on")
	env := a.environment("big", `,"setup_script":"date +%s%N > stamp; mkdir many; cd many; seq 30000 | xargs touch"`)
	session := a.in(a.shell(), "cat stamp; ls many | wc -l", `,"environment_id":"`+env+`"`).want(202).text("id")
	drafts := func() int {
		found, err := filepath.Glob(filepath.Join(dir, "sprites", ".snapshots", ".draft-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	waitFor(t, "no snapshot is begun", func() bool { return drafts() == 1 })
	if err := a.signal(syscall.SIGKILL); err == nil {
		t.Fatal("killed without an error")
	}
	if len(a.snapshots()) != 0 || drafts() != 1 {
		t.Fatalf("%d snapshots, %d drafts", len(a.snapshots()), drafts())
	}
	b := spawnIn(t, dir, os.Getuid())
	first := output(b.stream(session).rest(), "stdout", 1)
	if !strings.HasSuffix(first, "\n30000\n") {
		t.Errorf("stdout %q", first)
	}
	b.snapshotted(1)
	if drafts() != 0 {
		t.Error("the draft is still there")
	}
	if got, cached := b.prepared(env, "cat stamp; ls many | wc -l", ""); !cached || got != first {
		t.Errorf("got %q, %v, want %q", got, cached, first)
	}
}

// A snapshot that is damaged is no snapshot.
func TestDamagedSnapshotIsReplaced(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := spawnIn(t, dir, os.Getuid())
	env := a.environment("damaged", stamped)
	was, _ := a.prepared(env, "cat stamp", "")
	a.snapshotted(1)
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(a.snapshots()[0], "root", "home", "sprite", "link")); err != nil {
		t.Fatal(err)
	}
	b := spawnIn(t, dir, os.Getuid())
	got, cached := b.prepared(env, "cat stamp link", "")
	if cached || got == was+was || got == "" {
		t.Errorf("got %q, %v", got, cached)
	}
	b.snapshotted(1)
	if again, cached := b.prepared(env, "cat stamp link", ""); !cached || again != got {
		t.Errorf("got %q, %v, want %q", again, cached, got)
	}
}

// A session goes on, and keeps its Sprite, when the snapshot that this was made of is of an older version.
func TestSessionOutlivesItsSnapshot(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := spawnIn(t, dir, os.Getuid(), "AOD_LOG_LEVEL=debug")
	env := a.environment("outlived", stamped)
	a.prepared(env, "true", "")
	a.snapshotted(1)
	id := a.in(a.shell(), "made=$(cat /usr/local/bin/made)", `,"environment_id":"`+env+`"`).want(202).text("id")
	if stream := a.stream(id); !strings.Contains(output(stream.rest(), "stdout", 1)+stream.raw.String(), `"cached": true`) {
		t.Error("it is not cached")
	}
	a.put("/environments/"+env, `{"version":1,"setup_script":"echo other > /usr/local/bin/made"}`).want(200)
	if got, cached := a.prepared(env, "cat /usr/local/bin/made", ""); cached || got != "other\n" {
		t.Errorf("got %q, %v", got, cached)
	}
	a.snapshotted(1)
	if err := a.signal(syscall.SIGKILL); err == nil {
		t.Fatal("killed without an error")
	}
	b := spawnIn(t, dir, os.Getuid())
	b.post("/sessions/"+id+"/prompt", `{"prompt":"cat /usr/local/bin/made stamp | wc -l; cat /usr/local/bin/made"}`).want(202)
	if got := output(b.stream(id).rest(), "stdout", 2); got != "2\nmade\n" {
		t.Errorf("got %q", got)
	}
	if got, cached := b.prepared(env, "cat /usr/local/bin/made", ""); !cached || got != "other\n" {
		t.Errorf("got %q, %v", got, cached)
	}
}
