package local

import (
	"context"
	"encoding/json"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"
)

const (
	// maxMessage bounds one message of a client.
	maxMessage = 16 << 20
	// inletDepth is how many messages of input may wait for a program that does not read.
	inletDepth = 64
)

// Stream bytes of a client's binary messages.
const (
	clientStdin    = 0x00
	clientStdinEOF = 0x04
)

// listen obeys the client's messages until the connection ends.
func (s *socket) listen(ctx context.Context, stdin *inlet) error {
	s.ws.SetReadLimit(maxMessage)
	ended := false
	for {
		if err := s.ws.SetReadDeadline(time.Now().Add(aliveTime)); err != nil {
			return err
		}
		kind, b, err := s.ws.ReadMessage()
		if err != nil {
			return err
		}
		switch {
		case kind == websocket.TextMessage:
			s.control(b)
		case s.process.TTY:
			stdin.put(ctx, b)
		case len(b) > 0 && b[0] == clientStdin:
			stdin.put(ctx, b[1:])
		case len(b) == 1 && b[0] == clientStdinEOF:
			stdin.end()
			if !ended {
				ended = true
				close(s.ended)
			}
		}
	}
}

// control obeys a text message. Unknown ones are for hosts that know more.
func (s *socket) control(b []byte) {
	var m struct {
		Type   string `json:"type"`
		Signal string `json:"signal"`
		Rows   uint16 `json:"rows"`
		Cols   uint16 `json:"cols"`
	}
	if json.Unmarshal(b, &m) != nil {
		return
	}
	switch m.Type {
	case "resize":
		_ = s.process.Resize(m.Rows, m.Cols) // too late: the command has ended
	case "signal":
		if sig, ok := signalNumber(m.Signal); ok {
			_ = s.process.Signal(sig)
		}
	}
}

// inlet carries standard input to a program that may be slow to read it.
type inlet struct {
	process *shim.Process
	chunks  chan []byte
	ended   bool // by its one writer
}

func newInlet(p *shim.Process) *inlet {
	return &inlet{process: p, chunks: make(chan []byte, inletDepth)}
}

// put queues input, and waits when too much is queued. Input after the end is dropped.
func (i *inlet) put(ctx context.Context, b []byte) {
	if i.ended || len(b) == 0 {
		return
	}
	select {
	case i.chunks <- b:
	case <-ctx.Done():
	}
}

func (i *inlet) end() {
	if !i.ended {
		i.ended = true
		close(i.chunks)
	}
}

// run writes the input until its end, or until ctx ends.
func (i *inlet) run(ctx context.Context) {
	broken := false
	for {
		select {
		case <-ctx.Done():
			return
		case b, ok := <-i.chunks:
			if !ok {
				_ = i.process.CloseStdin() // the command may have ended first
				return
			}
			if broken {
				continue
			}
			// A program that has closed its input wants no more of it. The client's hanging up closes the file and frees this write.
			if _, err := i.process.Stdin.Write(b); err != nil {
				broken = true
			}
		}
	}
}

var signals = map[string]unix.Signal{
	"INT": unix.SIGINT, "TERM": unix.SIGTERM, "HUP": unix.SIGHUP, "KILL": unix.SIGKILL, "QUIT": unix.SIGQUIT,
	"USR1": unix.SIGUSR1, "USR2": unix.SIGUSR2, "STOP": unix.SIGSTOP, "CONT": unix.SIGCONT, "WINCH": unix.SIGWINCH,
}
