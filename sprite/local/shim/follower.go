package shim

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// client is a connection that follows a session.
type client struct {
	session *session
	conn    *net.UnixConn
}

// welcome answers the client's request, says where the journal stands and hands over the standard input, unless that has ended.
func (c *client) welcome() (end int64, err error) {
	s := c.session
	described := s.describe()
	first, last := s.journal.follow(c)
	b, err := json.Marshal(reply{Session: &described, First: first, End: last.Offset})
	if err != nil {
		return 0, fmt.Errorf("encode reply: %w", err)
	}
	frame := appendFrame(nil, frameReply, b)
	var sent int
	var werr error
	send := func(fd uintptr) { sent, _, werr = c.conn.WriteMsgUnix(frame, unix.UnixRights(int(fd)), nil) }
	if raw, err := s.stdin.SyscallConn(); err == nil {
		_ = raw.Control(send) // it may be closed
	}
	if werr == nil && sent < len(frame) {
		_, werr = c.conn.Write(frame[sent:])
	}
	if werr != nil {
		return 0, fmt.Errorf("answer client: %w", werr)
	}
	return last.Offset, nil
}

// follow keeps the client informed, and obeys its frames until it is gone.
func (c *client) follow(end int64) {
	go c.inform(end)
	r := bufio.NewReader(c.conn)
	for {
		kind, b, err := readFrame(r)
		if err != nil {
			break
		}
		c.obey(kind, b)
	}
	c.leave()
}

// inform tells how far the journal has got, and at last the exit code.
func (c *client) inform(end int64) {
	for {
		now, closed, left := c.session.journal.await(c, end)
		if left {
			return
		}
		var frames []byte
		if now > end {
			frames = appendFrame(frames, frameEnd, binary.BigEndian.AppendUint64(nil, uint64(now)))
		}
		if closed && c.session.journal.failure() == nil {
			frames = appendFrame(frames, frameExit, binary.BigEndian.AppendUint32(nil, uint32(c.session.code)))
		}
		if _, err := c.conn.Write(frames); err != nil {
			return // its reader notices
		}
		if closed {
			_ = c.conn.CloseWrite()
			return
		}
		end = now
	}
}

// obey carries out a frame of the client. A frame that comes too late, or makes no sense, changes nothing.
func (c *client) obey(kind byte, b []byte) {
	s := c.session
	switch {
	case kind == frameRead && len(b) == 8:
		s.journal.moved(c, int64(binary.BigEndian.Uint64(b)))
	case kind == frameEOF && !s.command.TTY:
		_ = s.stdin.Close()
	case kind == frameSignal && len(b) == 1 && !s.exited():
		_ = s.signal(unix.Signal(b[0]))
	}
}

// leave limits the time of a command that has no client any more.
func (c *client) leave() {
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal.leave(c) > 0 || s.command.Linger < 0 || s.exited() {
		return
	}
	s.linger = time.AfterFunc(s.command.Linger, func() {
		if !s.exited() {
			_ = s.signal(unix.SIGKILL)
		}
	})
}

// stay takes back the limit: there is a client again.
func (s *session) stay() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.linger != nil {
		s.linger.Stop()
	}
}
