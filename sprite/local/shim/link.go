package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// maxPacket bounds what one packet carries; bigger things travel as a file.
const maxPacket = 32 << 10

// link is a packet socket between two roles: small JSON values, with open files attached.
type link struct{ conn *net.UnixConn }

// newLink returns one end of a fresh socket pair and the other end as a file for another process.
func newLink() (link, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return link{}, nil, fmt.Errorf("make socket pair: %w", err)
	}
	far := os.NewFile(uintptr(fds[1]), "link")
	near, err := openLink(fds[0])
	if err != nil {
		return link{}, nil, errors.Join(err, far.Close())
	}
	return near, far, nil
}

// openLink takes over the descriptor of a packet socket.
func openLink(fd int) (link, error) {
	f := os.NewFile(uintptr(fd), "link")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return link{}, fmt.Errorf("open link: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return link{}, errors.Join(errors.New("open link: not a unix socket"), c.Close())
	}
	return link{u}, nil
}

func (l link) close() error { return l.conn.Close() }

// send writes one packet; the files stay the caller's.
func (l link) send(v any, fds ...int) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode packet: %w", err)
	}
	if len(b) > maxPacket {
		return fmt.Errorf("packet of %d bytes is too big", len(b))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := l.conn.WriteMsgUnix(b, rights, nil); err != nil {
		return fmt.Errorf("send packet: %w", err)
	}
	return nil
}

// receive reads one packet; the files become the caller's. It answers io.EOF when the other side is gone.
func (l link) receive(v any) ([]int, error) {
	buf := make([]byte, maxPacket)
	rights := make([]byte, unix.CmsgSpace(64*4))
	n, rn, _, _, err := l.conn.ReadMsgUnix(buf, rights)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	fds, err := parseRights(rights[:rn])
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(buf[:n], v); err != nil {
		closeAll(fds)
		return nil, fmt.Errorf("decode packet: %w", err)
	}
	return fds, nil
}

// parseRights returns the descriptors of a control message, close-on-exec.
func parseRights(b []byte) ([]int, error) {
	if len(b) == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(b)
	if err != nil {
		return nil, fmt.Errorf("parse control message: %w", err)
	}
	var fds []int
	for i := range msgs {
		got, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			continue // another kind of message
		}
		fds = append(fds, got...)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
