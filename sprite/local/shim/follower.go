package shim

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// client is a connection that follows a session.
type client struct {
	mu   sync.Mutex // keeps frames whole
	conn *net.UnixConn
}

// write sends one whole frame, however long the other side takes.
func (c *client) write(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.conn.Write(frame)
	return err
}

// exit sends the exit code and ends the connection.
func (c *client) exit(code int) {
	_ = c.write(appendFrame(nil, frameExit, binary.BigEndian.AppendUint32(nil, uint32(code))))
	_ = c.conn.CloseWrite()
}

// welcome answers the client's request, hands it the standard input, and lets the output flow.
func (s *session) welcome(conn *net.UnixConn) error {
	b, err := json.Marshal(reply{ID: s.id, Pid: s.pid})
	if err != nil {
		return fmt.Errorf("encode reply: %w", err)
	}
	raw, err := s.stdin.SyscallConn()
	if err != nil {
		return fmt.Errorf("pass standard input: %w", err)
	}
	frame := appendFrame(nil, frameReply, b)
	var werr error
	if err := raw.Control(func(fd uintptr) { _, _, werr = conn.WriteMsgUnix(frame, unix.UnixRights(int(fd)), nil) }); err != nil {
		return fmt.Errorf("pass standard input: %w", err)
	}
	if werr != nil {
		return fmt.Errorf("answer exec: %w", werr)
	}
	if !s.command.Stdin && !s.command.TTY {
		_ = s.stdin.Close()
	}
	return nil
}

// follow lets the client see the output, and obeys its frames until it is gone or the command is over.
func (s *session) follow(conn *net.UnixConn) {
	s.mu.Lock()
	s.client = &client{conn: conn}
	s.mu.Unlock()
	s.attend.Do(func() { close(s.attended) })
	r := bufio.NewReader(conn)
	for {
		kind, b, err := readFrame(r)
		if err != nil {
			break
		}
		s.obey(kind, b)
	}
	s.disconnect()
}

// obey carries out a frame of the client. A frame that comes too late, or makes no sense, changes nothing.
func (s *session) obey(kind byte, b []byte) {
	switch {
	case kind == frameEOF && !s.command.TTY:
		_ = s.stdin.Close()
	case kind == frameSignal && len(b) == 1 && !s.exited():
		_ = s.signal(unix.Signal(b[0]))
	case kind == frameResize && len(b) == 4 && s.command.TTY:
		size := unix.Winsize{Row: binary.BigEndian.Uint16(b), Col: binary.BigEndian.Uint16(b[2:])}
		if raw, err := s.stdin.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &size) })
		}
	}
}

// disconnect leaves the command without a client: its output is read on and forgotten, and its time is limited.
func (s *session) disconnect() {
	s.attend.Do(func() { close(s.attended) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = nil
	if s.command.Linger >= 0 && !s.exited() {
		s.linger = time.AfterFunc(s.command.Linger, func() {
			if !s.exited() {
				_ = s.signal(unix.SIGKILL)
			}
		})
	}
}
