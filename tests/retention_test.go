package tests

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/server"
)

// The rows of a session that has ended go, after their time; the session and its turns
// stay, and a reader goes on with the oldest row that is left.
func TestOldRowsAreDeleted(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.RowRetention, c.SweepEvery = time.Nanosecond, 10*time.Millisecond })
	busy := a.session("echo busy; sleep 1000")
	a.stream(busy).until(func(ev event) bool { return ev.Data == "busy\n" })
	session := a.session("for i in $(seq 600); do echo line $i; done; echo kept > note")
	waitFor(t, "the session does not end", func() bool { return a.get("/sessions/"+session).text("status") == "completed" })
	row := a.get("/sessions/" + session).want(200).body
	waitFor(t, "the rows are still there", func() bool { return len(a.stream(session).rest()) == 2 })

	a.promise("9.1 a finished session without rows is a start and an end, with the id that was sent", func(a *api) {
		for _, since := range []int64{0, 3} {
			all := a.stream(session, "Last-Event-ID", fmt.Sprint(since)).rest()
			if len(all) != 2 || all[0].Type != "start" || all[1].Type != "exit" || all[1].Number != since {
				a.t.Errorf("after %d: %+v", since, all)
			}
		}
	})
	a.promise("7.3 the session and its turns stay as they were", func(a *api) {
		if got := a.get("/sessions/" + session).want(200).body; got != row {
			a.t.Errorf("got %swant %s", got, row)
		}
		if turns := a.turns(session); len(turns) != 1 || turns[0].Status != "completed" {
			a.t.Errorf("%+v", turns)
		}
	})
	a.promise("8.10 what comes later is numbered on", func(a *api) {
		a.post("/sessions/"+session+"/prompt", `{"prompt":"cat note; sleep 1000"}`).want(202)
		all := a.stream(session).until(func(ev event) bool { return ev.Data == "kept\n" })
		if all[1].Stage != "runtime_start" || all[1].Number <= 9 {
			a.t.Errorf("%+v", all)
		}
		oldest := all[1].Number
		for _, since := range []int64{1, oldest - 1} {
			all := a.stream(session, "Last-Event-ID", fmt.Sprint(since)).until(func(ev event) bool { return ev.Data == "kept\n" })
			if all[1].Number != oldest {
				a.t.Errorf("after %d comes %d, not %d", since, all[1].Number, oldest)
			}
		}
	})
	a.promise("8.10 an active session keeps its rows", func(a *api) {
		if all := a.stream(busy).until(func(ev event) bool { return ev.Data == "busy\n" }); all[1].Number != 1 {
			a.t.Errorf("%+v", all)
		}
	})
}

// Rows are kept for ever unless the operator says otherwise.
func TestRowsAreKeptByDefault(t *testing.T) {
	t.Parallel()
	printed, words, err := aod(t, nil, "config")
	if err != nil || !regexp.MustCompile(`(?m)^AOD_ROW_RETENTION +default +0$`).MatchString(printed) {
		t.Errorf("%q %q %v", printed, words, err)
	}
	a := start(t, func(c *server.Config) { c.SweepEvery = 10 * time.Millisecond })
	session, all := a.run("echo kept")
	a.sql("UPDATE sessions SET updated_at = 1, sprite = ''")
	a.run("true") // sweeps have gone by
	if again := a.stream(session).rest(); len(again) != len(all) {
		t.Errorf("%d of %d events are left", len(again), len(all))
	}
}
