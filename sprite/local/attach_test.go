package local_test

import (
	"context"
	"io"
	"testing"

	"github.com/superfly/sprites-go"
)

// leaveAfter starts a command whose client hangs up when it has said ready, and returns its session's id.
func (m *machine) leaveAfter(t *testing.T, sprite, linger string, tty bool, script string) string {
	t.Helper()
	ready := newWatcher("ready")
	r := newReader()
	holder := &connection{}
	quiet, feed := io.Pipe() // as in TestDisconnectedCommandIsKilled
	defer feed.Close()
	cmd, _, _, err := m.startQuery(context.WithValue(t.Context(), holderKey{}, holder), sprite, linger, func(c *sprites.Cmd) {
		r.prepare(c)
		c.SetTTY(tty)
		c.Stdin, c.Stdout = quiet, ready
	}, "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return <-r.id
}

// Both forms of the path reach a session, and a finished one as well.
func TestAttachHasTwoForms(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "forms")
	r := newReader()
	first, _, _, err := m.start(t.Context(), "forms", r.prepare, "sh", "-c", "echo out; echo err >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	id := <-r.id
	again, out, errs, err := m.attach(t.Context(), "forms", id, 0, nil) // has the id in its path
	if err != nil {
		t.Fatal(err)
	}
	if _ = again.Wait(); again.ExitCode() != 3 || out.String() != "out\n" || errs.String() != "err\n" {
		t.Errorf("exit %d, %q %q", again.ExitCode(), out, errs)
	}
	for _, query := range []string{"id=" + id, "id=" + id + "&tty=true&rows=1&cols=1&stdin=true&env=X=1&dir=/none"} { // what starts commands is ignored
		ws := m.converse(t, "forms", query)
		if h := hear(t, ws, false); ws.info["session_id"] != id || h.code != 3 || h.out.String() != "out\n" || h.errs.String() != "err\n" {
			t.Errorf("%s: %v, exit %d, %q %q", query, ws.info, h.code, &h.out, &h.errs)
		}
	}
	if _, _, _, err := m.attach(t.Context(), "forms", "none", 0, nil); apiError(err) == nil || apiError(err).StatusCode != 404 || apiError(err).ErrorCode != "session_not_found" {
		t.Errorf("missing: %v", err)
	}
}

// A command on a terminal waits for its client to come back, who sees what was shown and types on.
func TestTerminalIsJoinedAgain(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "again")
	id := m.leaveAfter(t, "again", "", true, "stty -echo; echo shown; echo ready; read x; echo $x; exit 6")
	list := m.sessions(t, "again")
	if len(list) != 1 || list[0].ID != id || !list[0].IsActive || !list[0].TTY {
		t.Fatalf("%+v", list)
	}
	in, feed := io.Pipe()
	cmd, out, _, err := m.attach(t.Context(), "again", id, 0, func(c *sprites.Cmd) { c.SetTTY(true); c.Stdin = in })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(feed, "typed\n"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := feed.Close(); err != nil {
		t.Error(err)
	}
	if cmd.ExitCode() != 6 || out.String() != "shown\r\nready\r\ntyped\r\n" {
		t.Errorf("exit %d, %q", cmd.ExitCode(), out)
	}
}

// A command is only given up when its last client has left, and not if another comes in time.
func TestLingerEndsWithAClient(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "linger")
	for _, c := range []struct{ linger, rest string }{{"2", "3"}, {"2000ms", "3"}} { // bare seconds, and Go's notation
		id := m.leaveAfter(t, "linger", "max_run_after_disconnect="+c.linger, false, "echo ready; sleep "+c.rest+"; echo alive; exit 3")
		again, out, _, err := m.attach(t.Context(), "linger", id, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _ = again.Wait(); again.ExitCode() != 3 || out.String() != "ready\nalive\n" {
			t.Errorf("joined within %s: exit %d, %q", c.linger, again.ExitCode(), out)
		}
	}
	r, ready := newReader(), newWatcher("ready")
	holder := &connection{}
	quiet, feed := io.Pipe()
	defer feed.Close()
	first, _, _, err := m.startQuery(context.WithValue(t.Context(), holderKey{}, holder), "linger", "max_run_after_disconnect=50ms",
		func(c *sprites.Cmd) { r.prepare(c); c.Stdin, c.Stdout = quiet, ready }, "sh", "-c", "echo ready; sleep 1; exit 4")
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	id, there := <-r.id, newWatcher("ready")
	second, _, _, err := m.attach(t.Context(), "linger", id, 0, func(c *sprites.Cmd) { c.Stdout = there })
	if err != nil {
		t.Fatal(err)
	}
	there.wait(t)
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	if _ = second.Wait(); second.ExitCode() != 4 {
		t.Errorf("one of two has left: exit %d", second.ExitCode())
	}
	// Nobody comes: the command is killed, and its exit code can still be asked for.
	id = m.leaveAfter(t, "linger", "max_run_after_disconnect=50ms", false, "echo ready; sleep 4722")
	m.gone(t, "linger", "sleep 4722")
	late, _, _, err := m.attach(t.Context(), "linger", id, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _ = late.Wait(); late.ExitCode() != 137 {
		t.Errorf("nobody came: exit %d", late.ExitCode())
	}
}
