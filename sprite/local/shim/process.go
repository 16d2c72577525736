package shim

import (
	"bufio"
	"encoding/binary"
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

// Process is a client's hold on a command in a Sprite. To close it is to disconnect: the command's Linger decides what happens then.
type Process struct {
	ID  string
	Pid int
	// Stdin is the command's standard input, or its terminal. Closing it does not end the input: CloseStdin does.
	Stdin *os.File

	conn *net.UnixConn
	out  *bufio.Reader
	mu   sync.Mutex // one writer to conn at a time
}

// Next reads the next piece of output into buf, which must hold MaxOutput bytes, or answers Exit and the exit code, once and last.
func (p *Process) Next(buf []byte) (s Stream, n, code int, err error) {
	kind, n, err := readHeader(p.out)
	if err != nil {
		return 0, 0, 0, noEOF(err)
	}
	if n > len(buf) {
		return 0, 0, 0, fmt.Errorf("output of %d bytes is too big", n)
	}
	if _, err := io.ReadFull(p.out, buf[:n]); err != nil {
		return 0, 0, 0, noEOF(err)
	}
	switch {
	case kind == frameStdout:
		return Stdout, n, 0, nil
	case kind == frameStderr:
		return Stderr, n, 0, nil
	case kind == frameExit && n == 4:
		return Exit, 0, int(binary.BigEndian.Uint32(buf[:n])), nil
	default:
		return 0, 0, 0, fmt.Errorf("unexpected frame %q", kind)
	}
}

// CloseStdin ends the command's standard input.
func (p *Process) CloseStdin() error {
	err := p.send(frameEOF, nil)
	if cerr := p.Stdin.Close(); err == nil {
		err = cerr
	}
	return err
}

// Signal signals the command's process group; KILL ends everything that the command has started.
func (p *Process) Signal(sig unix.Signal) error { return p.send(frameSignal, []byte{byte(sig)}) }

// Resize changes the size of the command's terminal.
func (p *Process) Resize(rows, cols uint16) error {
	b := binary.BigEndian.AppendUint16(nil, rows)
	return p.send(frameResize, binary.BigEndian.AppendUint16(b, cols))
}

// Close disconnects from the command.
func (p *Process) Close() error {
	_ = p.Stdin.Close()
	return p.conn.Close()
}

func (p *Process) send(kind byte, payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return writeFrame(p.conn, kind, payload)
}
