package shim

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// outputGrace is how long the end of a command waits for output that others still may write into its pipes.
const outputGrace = 250 * time.Millisecond

// pump carries one output of a session to its journal, piece by piece, no faster than its clients take it.
type pump struct {
	session *session
	kind    byte
	f       *os.File
	done    chan struct{} // closed when everything that the command wrote is in the journal
}

func newPump(s *session, kind byte, f *os.File) *pump {
	return &pump{session: s, kind: kind, f: f, done: make(chan struct{})}
}

// finish bounds the wait for output after the command's end.
func (p *pump) finish() { _ = p.f.SetReadDeadline(time.Now().Add(outputGrace)) }

// run ends at the end of the output. Processes that the command has left behind may hold that back for long after its exit.
func (p *pump) run() {
	buf := make([]byte, frameHeader+MaxOutput)
	err := p.copy(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = p.drain(buf)
	}
	close(p.done)
	for err == nil {
		_, err = p.f.Read(buf) // so that daemons with this output neither block nor break
	}
	if p.f != p.session.stdin {
		_ = p.f.Close()
		return
	}
	<-p.session.gone // a terminal stays open for clients that are still to come
	_ = p.f.Close()
}

// copy passes output on until the end, or until the deadline that follows the command's exit.
func (p *pump) copy(buf []byte) error {
	for {
		n, err := p.f.Read(buf[frameHeader:])
		p.deliver(buf, n)
		if err != nil {
			return err
		}
	}
}

// drain takes what the pipe still holds after the deadline: where a slow client has held it up, nothing is lost. What the command itself wrote fits
// into the pipe's capacity, so a daemon that writes on and on cannot hold back the exit.
func (p *pump) drain(buf []byte) error {
	if err := p.f.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	raw, err := p.f.SyscallConn()
	if err != nil {
		return err
	}
	left := 64 << 10 // a terminal's
	if err := raw.Control(func(fd uintptr) {
		if size, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0); err == nil {
			left = size
		}
	}); err != nil {
		return err
	}
	for left > 0 {
		var n int
		var rerr error
		if err := raw.Read(func(fd uintptr) bool {
			n, rerr = unix.Read(int(fd), buf[frameHeader:])
			return true
		}); err != nil {
			return err
		}
		switch {
		case errors.Is(rerr, unix.EAGAIN):
			return nil
		case rerr != nil:
			return rerr
		case n == 0:
			return errEndOfOutput
		}
		p.deliver(buf, n)
		left -= n
	}
	return nil
}

var errEndOfOutput = errors.New("end of output")

// deliver puts n bytes, behind the room for the header, into the journal.
func (p *pump) deliver(buf []byte, n int) {
	if n <= 0 {
		return
	}
	p.session.mu.Lock()
	p.session.lastOutput = time.Now()
	p.session.mu.Unlock()
	if err := p.session.journal.write(p.kind, buf[:frameHeader+n]); err != nil {
		p.session.broken.Do(func() { _ = p.session.signal(unix.SIGKILL) }) // output would be missing
	}
}
