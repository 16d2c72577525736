package local

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/shim"
	"github.com/gorilla/websocket"
)

// paired are the ends of a WebSocket in memory, the host's being that of an exec on a terminal, or not.
func paired(t testing.TB, tty bool) (s *socket, client *websocket.Conn) {
	t.Helper()
	near, far := net.Pipe()
	upgraded := make(chan *websocket.Conn, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		upgraded <- ws
	})}
	l := &oneConn{conns: make(chan net.Conn, 1)}
	l.conns <- far
	go func() { _ = server.Serve(l) }() // ends with the listener
	d := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
	client, _, err := d.Dial("ws://localhost/", nil)
	if err != nil {
		t.Fatal(err)
	}
	s = &socket{ws: <-upgraded, process: &shim.Process{Session: shim.Session{TTY: tty}}, ended: make(chan struct{})}
	t.Cleanup(func() {
		_ = errors.Join(client.Close(), s.ws.Close())
		close(l.conns)
	})
	return s, client
}

// oneConn is a listener for the connections that are put into it.
type oneConn struct{ conns chan net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// A client stays connected as long as it gives any sign of life: answers to the host's pings, or pings of its own. A dead one does not.
func TestSignsOfLife(t *testing.T) {
	for name, c := range map[string]struct {
		alive func(client *websocket.Conn) // until the connection ends
		stays bool
	}{
		"answers pings": {func(client *websocket.Conn) {
			for {
				if _, _, err := client.NextReader(); err != nil {
					return
				}
			}
		}, true},
		"pings and answers none": {func(client *websocket.Conn) {
			client.SetPingHandler(func(string) error { return nil })
			tick, gone := time.NewTicker(15*time.Second), make(chan struct{})
			defer tick.Stop()
			defer close(gone)
			go func() {
				for client.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Minute)) == nil {
					select {
					case <-tick.C:
					case <-gone:
						return
					}
				}
			}()
			for {
				if _, _, err := client.NextReader(); err != nil {
					return
				}
			}
		}, true},
		"is dead": {func(client *websocket.Conn) {
			client.SetPingHandler(func(string) error { return nil })
			for {
				if _, _, err := client.NextReader(); err != nil {
					return
				}
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client := paired(t, false)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go s.keepAlive(ctx, s.heed())
				ended := make(chan time.Duration, 1)
				begun := time.Now()
				go func() {
					_ = s.listen(ctx, newInlet(s.process))
					ended <- time.Since(begun)
					_ = s.ws.Close()
				}()
				go c.alive(client)
				select {
				case after := <-ended:
					if c.stays || after != aliveTime {
						t.Errorf("cut after %v", after)
					}
				case <-time.After(time.Hour):
					if !c.stays {
						t.Error("still connected after an hour")
					}
					_ = client.Close()
				}
			})
		})
	}
}

// Whatever a client says in words is obeyed or ignored.
func FuzzControl(f *testing.F) {
	for _, text := range []string{
		`{"type":"resize","rows":24,"cols":80}`, `{"type":"resize","rows":-1,"cols":70000}`, `{"type":"signal","signal":"SIGTERM"}`, `{"type":"signal","signal":9}`, `control:{}`, `[]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		(&socket{process: &shim.Process{}}).control(text)
	})
}
