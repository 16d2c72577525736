//go:build race

package race

import (
	"net"
	"sync"
)

var starting sync.Mutex

// Serialize lets one exec start at a time. With every exec the SDK writes the same
// values to a global of the WebSocket library: harmless, but a data race by the
// letter, and one that would hide ours.
func Serialize() (done func()) {
	starting.Lock()
	return starting.Unlock
}

// Causal orders what is read from conn after what was written to it, which it may
// answer. The SDK closes a connection from the goroutine that has read the exit, and
// relies on that for the one that has written.
func Causal(conn net.Conn) net.Conn { return &causal{Conn: conn} }

type causal struct {
	net.Conn
	mu sync.Mutex
}

func (c *causal) Write(b []byte) (int, error) {
	c.pass() // before: an answer may be there sooner than Write has returned
	return c.Conn.Write(b)
}

func (c *causal) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.pass()
	return n, err
}

func (c *causal) pass() {
	c.mu.Lock()
	defer c.mu.Unlock()
}
