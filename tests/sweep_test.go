package tests

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/store"
)

// sprites are the names of the local Sprites that there are.
func (a *api) sprites() string {
	a.t.Helper()
	found, err := filepath.Glob(filepath.Join(a.dir, "sprites", "aod-*"))
	if err != nil {
		a.t.Fatal(err)
	}
	for i, path := range found {
		found[i] = filepath.Base(path)
	}
	return strings.Join(found, " ")
}

func TestIdleSpriteIsDestroyed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := startIn(t, dir)
	session, events := a.run("echo one; echo two >&2")
	before := a.stream(session)
	before.rest()
	row := a.get("/sessions/" + session).want(200).body
	a.stop()
	a = startIn(t, dir, func(c *server.Config) {
		c.Token, c.SpriteIdle, c.SweepEvery = store.NewSecret(a.token), time.Millisecond, 10*time.Millisecond
	})
	busy, waiting := a.blocked(), a.unstarted()
	waitFor(t, "the idle Sprite is still there", func() bool { return !strings.Contains(a.sprites(), session) })

	const gone = "Session backend is no longer available; start a new session."
	a.promise("7.6 a session whose Sprite was idle for too long takes no prompt", func(a *api) {
		for _, body := range []string{`{"prompt":"x"}`, "{}", "not json"} {
			a.post("/sessions/"+session+"/prompt", body).detail(409, gone)
		}
	})
	a.promise("7.3 it stays as it was", func(a *api) {
		if got := a.get("/sessions/" + session).want(200).body; got != row {
			a.t.Errorf("got %swant %s", got, row)
		}
		if turns := a.turns(session); len(turns) != 1 || turns[0].Status != "completed" {
			a.t.Errorf("%+v", turns)
		}
	})
	a.promise("9.1 its stream replays, from anywhere", func(a *api) {
		replay := a.stream(session)
		if replay.rest(); replay.raw.String() != before.raw.String() {
			a.t.Errorf("got\n%swant\n%s", replay.raw.String(), before.raw.String())
		}
		rest := a.stream(session, "Last-Event-ID", "3").rest()
		if rest[1].Number != 4 || len(rest) != len(events)-3 {
			a.t.Errorf("%d of %d events: %+v", len(rest), len(events), rest)
		}
	})
	a.promise("8.1 active sessions keep their Sprites", func(a *api) {
		for id, status := range map[string]string{busy: `"running"`, waiting: `"pending"`} {
			a.get("/sessions/"+id).has("status", status)
			if !strings.Contains(a.sprites(), id) {
				a.t.Errorf("the Sprite of %s is gone", id)
			}
		}
	})
	a.promise("7.7 it is terminated as any other", func(a *api) {
		a.post("/sessions/"+session+"/terminate", "").want(200)
	})
}

// A Sprite whose session the database does not know is destroyed, by this server or by
// the next, and no other.
func TestOrphanedSpriteIsDestroyed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	often := func(c *server.Config) { c.SweepEvery = 10 * time.Millisecond }
	a := startIn(t, dir, often)
	kept, _ := a.run("true")
	lost, _ := a.run("true")
	a.sql("DELETE FROM sessions WHERE id = ?", lost)
	waitFor(t, "the Sprite of a deleted session is still there", func() bool { return !strings.Contains(a.sprites(), lost) })
	lost, _ = a.run("true")
	a.stop()
	a.sql("DELETE FROM sessions WHERE id = ?", lost)
	if !strings.Contains(a.sprites(), lost) {
		t.Fatal("nothing is left to sweep")
	}
	a = startIn(t, dir, often, func(c *server.Config) { c.Token = store.NewSecret(a.token) })
	waitFor(t, "the Sprite that the last server left is still there", func() bool { return !strings.Contains(a.sprites(), lost) })
	if got := a.sprites(); !strings.HasSuffix(got, kept) || strings.Contains(got, " ") {
		t.Errorf("Sprites: %s", got)
	}
	a.post("/sessions/"+kept+"/prompt", `{"prompt":"true"}`).want(202)
	if all := a.stream(kept).rest(); all[len(all)-1].Type != "exit" {
		t.Errorf("%+v", all)
	}
}
