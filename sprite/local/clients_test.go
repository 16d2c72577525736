package local_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/superfly/sprites-go"
)

// A client that has all output already holds up nothing, however much of it there was before.
func TestClientThatComesLateHoldsNothingUp(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "late")
	r := newReader()
	in, feed := io.Pipe()
	defer feed.Close()
	ctx := context.WithValue(t.Context(), holderKey{}, &connection{})
	const before = 20 << 20
	first, _, _, err := m.startQuery(ctx, "late", "max_run_after_disconnect=0", func(c *sprites.Cmd) { r.prepare(c); c.Stdin = in },
		"sh", "-c", "head -c 20971520 /dev/zero; read x; head -c 100000 /dev/zero; exit 4")
	if err != nil {
		t.Fatal(err)
	}
	id := <-r.id
	r.await(before)
	if err := ctx.Value(holderKey{}).(*connection).Close(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	again, out, _, err := m.attach(t.Context(), "late", id, before, func(c *sprites.Cmd) { c.Stdin = strings.NewReader("go\n") })
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Wait()
	if again.ExitCode() != 4 || out.Len() != 100000 {
		t.Errorf("exit %d after %d bytes", again.ExitCode(), out.Len())
	}
}

// What is noted of a command on disk has its room, whatever the command's arguments are made of.
func TestEveryCommandFitsIntoItsAccount(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "wide")
	for _, piece := range []string{"<", "&", "\x01", "\"", "é", "\u2028", "\n", "<a>\\"} {
		r := m.run(t.Context(), "wide", func(c *sprites.Cmd) { c.Dir = "/" + strings.Repeat("./", 400) }, "printf", "%s", strings.Repeat(piece, 2000/len(piece)))
		if r.err != nil || r.code != 0 || len(r.stdout) != 2000/len(piece)*len(piece) {
			t.Errorf("%q: exit %d, %d bytes, %v", piece, r.code, len(r.stdout), r.err)
		}
	}
	if r := m.run(t.Context(), "wide", nil, "printf", "\x80"); r.err == nil || !strings.Contains(r.err.Error(), "UTF-8") {
		t.Errorf("bytes that are no text: exit %d, %q, %v", r.code, r.stdout, r.err)
	}
}

// Sessions are listed and Sprites are found to be warm, however long the commands are.
func TestLongCommandsAreListed(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "long")
	argv := []string{"sh", "-c", "exec sleep 4718"}
	for range 3 {
		argv = append(argv, strings.Repeat("x", 120<<10))
	}
	for range 14 {
		quiet, _ := io.Pipe() // never ended: the SDK would write that while its connection goes
		if _, _, _, err := m.start(t.Context(), "long", func(c *sprites.Cmd) { c.Stdin = quiet }, argv...); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(m.sessions(t, "long")); n != 14 {
		t.Errorf("%d sessions", n)
	}
}
