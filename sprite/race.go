//go:build race

package sprite

import (
	"net"
	"sync"
)

var starting sync.Mutex

// serialize lets one exec start at a time. With every exec the SDK writes the
// same values to a global of the WebSocket library: harmless, but a data race by
// the letter, and one that would hide ours.
func serialize() (done func()) {
	starting.Lock()
	return starting.Unlock
}

// causal tells the race detector that what is read may answer what was written: the
// SDK closes a connection from the goroutine that has read the exit, and relies on
// that for the one that has written.
func causal(conn net.Conn) net.Conn { return &causalConn{Conn: conn} }

type causalConn struct {
	net.Conn
	mu sync.Mutex
}

func (c *causalConn) Write(b []byte) (int, error) {
	c.pass() // before: an answer may be there sooner than Write has returned
	return c.Conn.Write(b)
}

func (c *causalConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.pass()
	return n, err
}

func (c *causalConn) pass() {
	c.mu.Lock()
	defer c.mu.Unlock()
}
