package local_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/superfly/sprites-go"
)

// Nobody keeps a Sprite from being destroyed: not who waits for a command's end, nor who does not read what he asked for, nor who does not
// send what he announced.
func TestSlowClientsHoldNoDestructionUp(t *testing.T) {
	t.Parallel()
	var asked *watcher
	for name, request := range map[string]func(t *testing.T, m *machine, sprite string) string{
		"kill": func(t *testing.T, m *machine, sprite string) string {
			ready := newWatcher("ready")
			asked = newWatcher("asked")
			quiet, feed := io.Pipe()
			t.Cleanup(func() { _ = feed.Close() })
			if _, _, _, err := m.start(t.Context(), sprite, func(c *sprites.Cmd) { c.Stdin, c.Stdout, c.Stderr = quiet, ready, asked },
				"sh", "-c", "trap 'echo asked >&2' TERM; echo ready; while :; do sleep 1; done"); err != nil {
				t.Fatal(err)
			}
			ready.wait(t)
			return fmt.Sprintf("POST /v1/sprites/%s/exec/%s/kill?timeout=1h HTTP/1.1\r\n", sprite, m.sessions(t, sprite)[0].ID)
		},
		"read": func(t *testing.T, m *machine, sprite string) string {
			m.sh(t, sprite, "head -c 50000000 /dev/zero > /workspace/big")
			return fmt.Sprintf("GET /v1/sprites/%s/fs/read?path=/workspace/big HTTP/1.1\r\n", sprite)
		},
		"write": func(_ *testing.T, _ *machine, sprite string) string {
			return fmt.Sprintf("PUT /v1/sprites/%s/fs/write?path=/workspace/new HTTP/1.1\r\nContent-Length: 1000\r\n", sprite)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t)
			m.create(t, name)
			head := request(t, m, name)
			conn, err := m.reach(t.Context(), "tcp", "localhost:80")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := fmt.Fprintf(conn, "%sHost: localhost\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\n\r\n", head, token); err != nil {
				t.Fatal(err)
			}
			if name == "kill" {
				asked.wait(t)
			} else {
				begun(t, conn)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			if err := m.client.DeleteSprite(ctx, name); err != nil {
				t.Error(err)
			}
		})
	}
}

// begun returns when the server is at the request.
func begun(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
	if err != nil || !strings.Contains(line, http.StatusText(http.StatusOK)) && !strings.Contains(line, "100") {
		t.Fatalf("%q %v", line, err)
	}
}
