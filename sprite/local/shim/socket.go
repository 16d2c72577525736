package shim

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// socketPath reaches shim.sock through the open folder, because a socket's address has room for 107 bytes only.
func socketPath(dir *os.File) string {
	return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/shim.sock"
}

// listen opens the shim's socket for its owner alone. The caller holds the lock, so a socket that is there is a dead one's.
// The folder stays open as long as the listener.
func listen(dir *os.File) (*net.UnixListener, error) {
	path := socketPath(dir)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	old := unix.Umask(0o177)
	defer unix.Umask(old)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on shim socket: %w", err)
	}
	return ln, nil
}

// connect dials the shim of the Sprite in dir and waits for its greeting. After an error nothing was started. A *Refusal means
// that a shim is there, but of another version.
func connect(ctx context.Context, dir string) (*net.UnixConn, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open sprite folder: %w", err)
	}
	defer d.Close()
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", socketPath(d))
	if err != nil {
		return nil, fmt.Errorf("reach the shim: %w", err)
	}
	conn := c.(*net.UnixConn)
	var h hello
	err = within(ctx, conn, func() error { return readJSON(conn, frameHello, &h) })
	if err == nil && h.Protocol != Protocol {
		err = &Refusal{OtherVersion, fmt.Sprintf("the sprite is still run by another version of this program (protocol %d instead of %d): it can be used again when everything in it has ended, which POST upgrade brings about", h.Protocol, Protocol)}
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("greet the shim: %w", err)
	}
	return conn, nil
}
