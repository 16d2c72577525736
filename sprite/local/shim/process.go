package shim

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Stream says what a piece of a Process's output is.
type Stream byte

// The streams of a Process. A terminal has only Stdout.
const (
	Stdout Stream = 1
	Stderr Stream = 2
	Exit   Stream = 3
)

// readEvery is how much a client reads before it tells the shim how far it is.
const readEvery = 1 << 20

// Process is a client's hold on a session, which may be over. To close it is to disconnect: the command's Linger decides what happens then.
type Process struct {
	Session
	// Stdin is the command's standard input, or its terminal; nil if that has ended. Closing it does not end the input: CloseStdin does.
	Stdin *os.File
	// Output is how many bytes of output were before the first piece that Next returns.
	Output int64

	conn    *net.UnixConn // nil when the session was over
	news    *bufio.Reader // on conn
	mu      sync.Mutex    // one writer to conn at a time
	journal *os.File
	frames  *bufio.Reader // on journal, up to end
	at      int64         // how far Next has read
	told    int64         // how far the shim knows that it has
	end     int64         // how far the journal has got
	skip    int           // bytes of the next piece that the client has already
	exit    *int
}

// openProcess reads a session's journal from the first mark on, or from a later byte of output.
func openProcess(dir string, s Session, first mark, end, output int64) (*Process, error) {
	f, err := os.Open(journalFile(dir, s.ID))
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	p := &Process{Session: s, Output: first.Output, journal: f, at: first.Offset, told: first.Offset, end: end}
	p.frames = bufio.NewReaderSize(&journalReader{p, first.Offset}, 256<<10)
	if err := p.seek(output); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

// journalReader reads as far as the journal is known to be written.
type journalReader struct {
	p      *Process
	offset int64
}

func (r *journalReader) Read(b []byte) (int, error) {
	if r.offset >= r.p.end {
		return 0, io.EOF
	}
	n, err := r.p.journal.ReadAt(b[:min(int64(len(b)), r.p.end-r.offset)], r.offset)
	r.offset += int64(n)
	if n > 0 {
		return n, nil
	}
	return 0, noEOF(err)
}

// seek passes over output that the client has.
func (p *Process) seek(output int64) error {
	for p.at < p.end {
		head, err := p.frames.Peek(frameHeader)
		if err != nil {
			return fmt.Errorf("read journal: %w", noEOF(err))
		}
		size := int(binary.BigEndian.Uint32(head[1:]))
		if p.Output+int64(size) > output {
			if output > p.Output {
				p.skip, p.Output = int(output-p.Output), output
			}
			return nil
		}
		if _, err := p.frames.Discard(frameHeader + size); err != nil {
			return fmt.Errorf("read journal: %w", noEOF(err))
		}
		p.at += int64(frameHeader + size)
		p.Output += int64(size)
	}
	if output > p.Output {
		return &Refusal{"bad_request", fmt.Sprintf("output_offset is %d, but there were only %d bytes of output", output, p.Output)}
	}
	return nil
}

// Next reads the next piece of output into buf, which must hold MaxOutput bytes, or answers Exit and the exit code, once and last.
func (p *Process) Next(buf []byte) (s Stream, n, code int, err error) {
	for p.at >= p.end {
		if p.exit != nil {
			return Exit, 0, *p.exit, nil
		}
		if err := p.hear(); err != nil {
			return 0, 0, 0, err
		}
	}
	kind, n, err := readHeader(p.frames)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("read journal: %w", noEOF(err))
	}
	if n > len(buf) {
		return 0, 0, 0, fmt.Errorf("output of %d bytes is too big", n)
	}
	if _, err := io.ReadFull(p.frames, buf[:n]); err != nil {
		return 0, 0, 0, fmt.Errorf("read journal: %w", noEOF(err))
	}
	p.at += int64(frameHeader + n)
	if p.skip > 0 {
		n = copy(buf, buf[p.skip:n])
		p.skip = 0
	}
	if p.at-p.told >= readEvery {
		p.acknowledge()
	}
	switch kind {
	case frameStdout:
		return Stdout, n, 0, nil
	case frameStderr:
		return Stderr, n, 0, nil
	default:
		return 0, 0, 0, fmt.Errorf("unexpected frame %q in the journal", kind)
	}
}

// hear waits for news of the session.
func (p *Process) hear() error {
	kind, b, err := readFrame(p.news)
	switch {
	case err != nil:
		return noEOF(err)
	case kind == frameEnd && len(b) == 8:
		end := int64(binary.BigEndian.Uint64(b))
		if end < p.end {
			return fmt.Errorf("the journal's end moved back from %d to %d", p.end, end)
		}
		p.end = end
	case kind == frameExit && len(b) == 4:
		code := int(binary.BigEndian.Uint32(b))
		p.exit = &code
	default:
		return fmt.Errorf("unexpected frame %q", kind)
	}
	return nil
}

// acknowledge tells the shim how far this client is, so that the command need not wait for it.
func (p *Process) acknowledge() {
	p.told = p.at
	_ = p.send(frameRead, binary.BigEndian.AppendUint64(nil, uint64(p.at))) // hear notices a shim that is gone
}

// CloseStdin ends the command's standard input.
func (p *Process) CloseStdin() error {
	err := p.send(frameEOF, nil)
	if p.Stdin != nil {
		err = errors.Join(err, p.Stdin.Close())
	}
	return err
}

// Signal signals the command's process group; KILL ends everything that the command has started.
func (p *Process) Signal(sig unix.Signal) error { return p.send(frameSignal, []byte{byte(sig)}) }

// Resize changes the size of the command's terminal. Input that is written afterwards finds it changed.
func (p *Process) Resize(rows, cols uint16) error {
	if !p.TTY || p.Stdin == nil {
		return nil
	}
	raw, err := p.Stdin.SyscallConn()
	if err != nil {
		return fmt.Errorf("resize terminal: %w", err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}); err != nil {
		return fmt.Errorf("resize terminal: %w", err)
	}
	return failed
}

// Close disconnects from the session. A Next that waits returns.
func (p *Process) Close() error {
	if p.Stdin != nil {
		_ = p.Stdin.Close()
	}
	if p.conn != nil {
		_ = p.conn.Close()
	}
	return p.journal.Close()
}

// send does nothing where the session is over.
func (p *Process) send(kind byte, payload []byte) error {
	if p.conn == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return writeFrame(p.conn, kind, payload)
}
