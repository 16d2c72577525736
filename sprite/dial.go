package sprite

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"
)

// Dial opens a connection to a Sprites service.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// The SDK keeps the dial function of whichever client dialled last in a global
// of the WebSocket library, so all clients of the process share one, and it tells
// by the address where a connection shall go.
var routes struct {
	sync.Mutex
	next  int
	dials map[string]Dial
}

// route gives a dial function an origin of its own, on a port that nobody
// listens on.
func route(d Dial) (origin string, forget func()) {
	routes.Lock()
	defer routes.Unlock()
	if routes.dials == nil {
		routes.dials = map[string]Dial{}
	}
	routes.next++
	address := net.JoinHostPort("localhost", strconv.Itoa(routes.next))
	routes.dials[address] = d
	return "http://" + address, func() {
		routes.Lock()
		defer routes.Unlock()
		delete(routes.dials, address)
	}
}

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	routes.Lock()
	to := routes.dials[addr]
	routes.Unlock()
	if to == nil {
		to = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	l, ok := ctx.Value(lineKey{}).(*line)
	if !ok {
		return to(ctx, network, addr)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.whole, cancel)()
	conn, err := to(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l.hold(conn)
	return conn, nil
}

// line holds the connection of one exec: the SDK has no way to close it.
type line struct {
	whole context.Context // until the line is cut
	cut   context.CancelFunc

	mu   sync.Mutex
	conn net.Conn
}

type lineKey struct{}

func newLine() *line {
	l := &line{}
	l.whole, l.cut = context.WithCancel(context.Background())
	return l
}

func (l *line) hold(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
	if l.whole.Err() != nil {
		conn.Close()
	}
}

// close cuts the connection, now or as soon as there is one.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut()
	if l.conn != nil {
		l.conn.Close()
	}
}
