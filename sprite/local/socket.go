package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"github.com/gorilla/websocket"
)

const (
	// aliveTime is how long a client may be silent; SDKs ping every 15 seconds.
	aliveTime = 60 * time.Second
	// pingTime keeps clients alive that hear nothing else.
	pingTime = 20 * time.Second
	// eofTime is how long an exit waits for the end of the client's input, and sureEOFTime where that is likely to come.
	eofTime     = 20 * time.Millisecond
	sureEOFTime = 2 * time.Second
	// partingTime is how long the client has to hang up after the exit.
	partingTime = 5 * time.Second
)

// socket is the WebSocket side of an exec.
type socket struct {
	ws      *websocket.Conn
	process *shim.Process
	eofTime time.Duration
	input   bool // from the client
	rows    uint16
	cols    uint16
	ended   chan struct{} // closed when the client has said that there is no more input
}

// serve returns when the command or the client is gone, or the host closes.
func (s *socket) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(ctx, func() {
		_ = s.ws.Close()
		_ = s.process.Close()
	})
	var group sync.WaitGroup
	defer group.Wait()
	defer unhook()
	defer s.ws.Close()
	defer cancel(nil)

	if err := s.greet(); err != nil {
		return err
	}
	stdin := newInlet(s.process)
	s.ended = make(chan struct{})
	pongs := s.heed()
	left := make(chan struct{})
	if s.input {
		group.Go(func() { stdin.run(ctx) })
	} else {
		stdin.end()
	}
	group.Go(func() { s.keepAlive(ctx, pongs) })
	group.Go(func() {
		defer close(left)
		err := s.listen(ctx, stdin)
		// Whoever hangs up has left; the command's linger time starts now.
		_ = s.process.Close()
		cancel(err)
	})
	if err := s.relay(left); err != nil {
		return err
	}
	// The exit is on its way. Closing at once could overtake it in other clients.
	select {
	case <-left:
	case <-time.After(partingTime):
	case <-ctx.Done():
	}
	return nil
}

// heed takes every ping and pong of the client for a sign of life, and passes on what pings are to be answered with.
func (s *socket) heed() (pongs <-chan string) {
	answers := make(chan string, 1)
	alive := func() error { return s.ws.SetReadDeadline(time.Now().Add(aliveTime)) }
	s.ws.SetPongHandler(func(string) error { return alive() })
	s.ws.SetPingHandler(func(data string) error {
		select {
		case answers <- data:
		default: // one is under way
		}
		return alive()
	})
	return answers
}

// greet sends the first frame of every connection. output_offset tells one that comes back how much output it will not see again.
func (s *socket) greet() error {
	p := s.process
	return s.text(map[string]any{
		"type": "session_info", "session_id": p.ID, "command": strings.Join(p.Argv, " "), "created": p.Created.Unix(),
		"cols": s.cols, "rows": s.rows, "is_owner": true, "tty": p.TTY, "output_offset": p.Output,
	})
}

// relay passes the output on, and last the exit code.
func (s *socket) relay(left <-chan struct{}) error {
	buf := make([]byte, 1+shim.MaxOutput)
	for {
		stream, n, code, err := s.process.Next(buf[1:])
		if err != nil {
			return fmt.Errorf("read output: %w", err)
		}
		switch {
		case stream == shim.Exit && s.process.TTY:
			return s.text(map[string]any{"type": "exit", "exit_code": code})
		case stream == shim.Exit:
			s.awaitEOF(left)
			return s.binary([]byte{byte(shim.Exit), byte(code)})
		case s.process.TTY:
			err = s.binary(buf[1 : 1+n])
		default:
			buf[0] = byte(stream)
			err = s.binary(buf[:1+n])
		}
		if err != nil {
			return err
		}
	}
}

// awaitEOF gives the client of a short command time to end its input. sprites-go always does so, even where it has none, and uses its
// connection from two goroutines without a lock if the exit arrives before that is done.
func (s *socket) awaitEOF(left <-chan struct{}) {
	select {
	case <-s.ended:
	case <-left:
	case <-time.After(s.eofTime):
	}
}

// text and binary wait for a slow client, and give up on one that takes nothing at all for long.
func (s *socket) text(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write(websocket.TextMessage, b)
}

func (s *socket) binary(b []byte) error { return s.write(websocket.BinaryMessage, b) }

func (s *socket) write(kind int, b []byte) error {
	if err := s.ws.SetWriteDeadline(time.Now().Add(aliveTime)); err != nil {
		return err
	}
	if err := s.ws.WriteMessage(kind, b); err != nil {
		return fmt.Errorf("write to client: %w", err)
	}
	return nil
}

// keepAlive answers pings and sends its own. It waits behind output, which keeps a client alive as well.
func (s *socket) keepAlive(ctx context.Context, pongs <-chan string) {
	tick := time.NewTicker(pingTime)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case data := <-pongs:
			err = s.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(aliveTime))
		case <-tick.C:
			err = s.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(aliveTime))
		}
		if errors.Is(err, websocket.ErrCloseSent) {
			return
		}
	}
}
