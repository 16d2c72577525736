package egress

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// stream is a connection whose directions end one by one.
type stream interface {
	net.Conn
	CloseWrite() error
}

// pipe carries bytes both ways until both directions have ended or one has failed. Then both streams are closed.
func pipe(a, b stream) {
	var both sync.WaitGroup
	one := func(to, from stream) {
		// The bare connections, between which the kernel can move the bytes by itself.
		if _, err := io.Copy(bare(to), bare(from)); err != nil {
			_ = a.Close()
			_ = b.Close()
			return
		}
		if err := to.CloseWrite(); err != nil {
			_ = to.Close()
		}
	}
	both.Go(func() { one(a, b) })
	one(b, a)
	both.Wait()
	_ = a.Close()
	_ = b.Close()
}

func bare(s stream) net.Conn {
	switch s := s.(type) {
	case *carried:
		return s.Conn
	case *client:
		return s.stream
	default:
		return s
	}
}

// client is a connection that the Sprite opened to a listener. Closing it gives its place to another.
type client struct {
	stream
	leave func()
}

func (c *client) Close() error {
	err := c.stream.Close()
	c.leave()
	return err
}

// pause is how long a listener rests when the process has no descriptor left.
const pause = 50 * time.Millisecond

// entrance accepts the clients of a listener and turns away those for whom there is no place.
type entrance struct {
	net.Listener
	egress *Egress
}

func (l entrance) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED) {
			select { // descriptors come back when connections end
			case <-time.After(pause):
				continue
			case <-l.egress.ctx.Done():
			}
		}
		if err != nil {
			return nil, err
		}
		s, ok := c.(stream)
		if !ok {
			return nil, errors.Join(errors.New("the listener must be of TCP or a Unix socket"), c.Close())
		}
		if leave, ok := l.egress.enter(); ok {
			return &client{stream: s, leave: leave}, nil
		}
		reset(s)
	}
}

// enter takes a place of a client.
func (e *Egress) enter() (leave func(), ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.clients >= maxClients {
		return nil, false
	}
	e.clients++
	return sync.OnceFunc(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.clients--
	}), true
}

// reset ends s so that its peer sees a refusal.
func reset(s net.Conn) {
	if tcp, ok := s.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = s.Close()
}
