package egress_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/egress"
)

func TestTighterPolicyCutsConnections(t *testing.T) {
	t.Parallel()
	port := portOf(echo(t).Addr())
	hosts := hostList(t, fmt.Sprintf("a.test:%d=127.0.0.1", port), fmt.Sprintf("b.test:%d=127.0.0.1", port))
	w := open(t, egress.Config{Hosts: hosts})
	a, ar, _ := w.connect(t, fmt.Sprintf("a.test:%d", port))
	b, br, _ := w.connect(t, fmt.Sprintf("b.test:%d", port))
	speaks(t, a, ar)
	speaks(t, b, br)
	w.SetPolicy(allowing("a.test"))
	if err := ends(b, br); err != nil {
		t.Errorf("b: %v", err)
	}
	speaks(t, a, ar)
	w.SetPolicy(policyOf("-*"))
	if err := ends(a, ar); err != nil {
		t.Errorf("a: %v", err)
	}
	if _, _, r := w.connect(t, fmt.Sprintf("a.test:%d", port)); r.StatusCode != 403 {
		t.Error(r.Status)
	}
}

// TestKeptConnectionObeysTheNewPolicy: a client that keeps its connection to the proxy gets no further by that.
func TestKeptConnectionObeysTheNewPolicy(t *testing.T) {
	t.Parallel()
	_, port := site(t)
	w := open(t, egress.Config{Hosts: hostList(t, "a.test=127.0.0.1")})
	c, r, resp := w.say(t, fmt.Sprintf("GET http://a.test:%d/ HTTP/1.1\r\nHost: x\r\n\r\n", port), "GET")
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	w.SetPolicy(allowing("other.test"))
	if _, err := fmt.Fprintf(c, "GET http://a.test:%d/ HTTP/1.1\r\nHost: x\r\n\r\n", port); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); err != nil || line != fmt.Sprintf("HTTP/1.1 403 a.test:%d is not on this sprite's network allow-list\r\n", port) {
		t.Errorf("%q %v", line, err)
	}
}

func TestForward(t *testing.T) {
	t.Parallel()
	port := portOf(echo(t).Addr())
	local := fmt.Sprintf("localhost:%d", port)
	for _, c := range []struct {
		entry, policy string
		open          bool
	}{
		{local, "", true},
		{"127.0.0.1:%d", "", true},
		{"other.test", "", false},
		{local, "+localhost:%d", true},
		{local, "+127.0.0.1:%d", true},
		{local, "+localhost:1", false},
		{local, "+*:%d", false},
		{local, "-localhost:%d +127.0.0.1:%d", false},
	} {
		fill := func(s string) string { return strings.ReplaceAll(s, "%d", fmt.Sprint(port)) }
		w := open(t, egress.Config{Hosts: hostList(t, fill(c.entry)), Policy: policyOf(fill(c.policy))})
		l := listen(t)
		served := make(chan error, 1)
		go func() { served <- w.ServeForward(l, uint16(port)) }()
		conn, err := net.Dial("tcp", l.Addr().String())
		switch {
		case err == nil && c.open:
			speaks(t, conn, conn)
			w.SetPolicy(allowing("other.test"))
			err = ends(conn, conn)
		case err == nil:
			err = ends(conn, conn)
		case !c.open: // the reset was there before the connection was
			err = nil
		}
		if err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if !c.open && c.policy != "" {
			w.hears(t, local+" is not on this sprite's network allow-list")
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	port := portOf(echo(t).Addr())
	w := open(t, egress.Config{Hosts: hostList(t, fmt.Sprintf("localhost:%d", port))})
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- w.ServeForward(l, uint16(port)) }()
	var all []net.Conn
	for refused := false; !refused; {
		var c net.Conn
		if c, refused = passes(t, l.Addr()); c != nil {
			defer c.Close()
		}
		if all = append(all, c); len(all) > 513 {
			t.Fatal("more than 512 connections")
		}
	}
	if len(all) != 513 {
		t.Errorf("connection %d was refused", len(all))
	}
	for _, c := range all[:512] {
		_ = c.Close()
	}
	for end := time.Now().Add(patience); ; { // places come back
		c, refused := passes(t, l.Addr())
		if c != nil {
			_ = c.Close()
		}
		if !refused {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no place came back")
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// passes connects and tries whether an echo answers. A reset may come before the connection is seen.
func passes(t testing.TB, to net.Addr) (c net.Conn, refused bool) {
	t.Helper()
	c, err := net.Dial("tcp", to.String())
	if errors.Is(err, syscall.ECONNRESET) {
		return nil, true
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, werr := c.Write([]byte("x"))
	_, rerr := c.Read(make([]byte, 1))
	return c, werr != nil || rerr != nil
}

// speaks sends a byte through an echo.
func speaks(t testing.TB, c net.Conn, r io.Reader) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(r, make([]byte, 1)); got != "x" {
		t.Fatalf("got %q", got)
	}
}

// ends waits for the other side to end the connection.
func ends(c net.Conn, r io.Reader) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("it goes on: %w", err)
	}
	return nil
}
