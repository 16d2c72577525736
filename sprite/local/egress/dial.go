package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
)

const (
	tcpNetwork = "tcp"
	udpNetwork = "udp"
)

var errFull = errors.New("this sprite has too many connections open")

// decide says whether t may be dialled, as far as that can be said without looking it up.
func (rs *rules) decide(network string, t target, hs hosts) error {
	switch {
	case t.forward() && (!rs.limited || rs.allowsForward(t.port)) && hs.forwards(t.port):
		return nil
	case t.forward() && rs.limited && rs.allowsForward(t.port), !rs.limited && t.name == "localhost":
		return isPrivate(t, loopbackAddr)
	case rs.limited && t.name == "":
		return notNamed(t.addr)
	case rs.limited && network != tcpNetwork:
		return notListed(t.String() + "/" + network)
	case rs.limited && (t.forward() || !rs.allows(t.name, t.port, hs.ports(t.name))):
		return notListed(t.String())
	default:
		return nil
	}
}

// reach says whether t may be dialled at ip, to which it resolves.
func (e *Egress) reach(t target, ip netip.Addr, limited bool) error {
	if !e.interfaces.private(ip) || e.hosts.permits(t, ip, limited) {
		return nil
	}
	return isPrivate(t, ip.WithZone("").Unmap())
}

// carried is one connection to the world. Closing it gives its place to another.
type carried struct {
	net.Conn
	network string
	target  target
	egress  *Egress
	once    sync.Once
	err     error
}

func (c *carried) Close() error {
	c.once.Do(func() {
		c.err = c.Conn.Close()
		c.egress.mu.Lock()
		delete(c.egress.carried, c)
		c.egress.mu.Unlock()
		c.egress.give(c.network)
	})
	return c.err
}

// cut closes c. What its peer has not taken yet is dropped with it.
func (c *carried) cut() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails on a connection that has ended, which is as good
	}
	_ = c.Close()
}

// CloseWrite tells the peer that nothing more will come.
func (c *carried) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}

// dial connects to t if it may be reached. The error of a refusal is a denial.
func (e *Egress) dial(ctx context.Context, network string, t target) (*carried, error) {
	rs := e.policy()
	if err := rs.decide(network, t, e.hosts); err != nil {
		return nil, err
	}
	if err := e.take(network); err != nil {
		return nil, err
	}
	conn, err := e.connect(ctx, network, t, rs.limited)
	if err != nil {
		e.give(network)
		return nil, fmt.Errorf("connect to %s: %w", t, err)
	}
	c := &carried{Conn: conn, network: network, target: t, egress: e}
	e.mu.Lock()
	e.carried[c] = struct{}{}
	if e.closed {
		err = errClosed
	} else {
		err = e.rules.decide(network, t, e.hosts) // the policy may be another by now
	}
	e.mu.Unlock()
	if err != nil {
		c.cut()
		return nil, err
	}
	return c, nil
}

func (e *Egress) connect(ctx context.Context, network string, t target, limited bool) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, Resolver: e.resolver}
	if t.forward() && e.hosts.forwards(t.port) {
		return d.DialContext(ctx, network, netip.AddrPortFrom(loopbackAddr, t.port).String())
	}
	// The kernel is about to dial addr: this is after resolution, so no answer of a name server comes later.
	d.ControlContext = func(_ context.Context, _, addr string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(addr)
		if err != nil {
			return fmt.Errorf("read the address: %w", err)
		}
		return e.reach(t, at.Addr(), limited)
	}
	at, pinned := e.hosts.pinned(t)
	switch {
	case pinned:
	case t.name != "": // fully qualified: the search domains of the host are not for Sprites
		return d.DialContext(ctx, network, net.JoinHostPort(t.name+".", strconv.Itoa(int(t.port))))
	default:
		at = netip.AddrPortFrom(t.addr, t.port)
	}
	return d.DialContext(ctx, network, at.String())
}

// take reserves a place for a connection, give returns it.
func (e *Egress) take(network string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	count, most := e.places(network)
	if *count >= most {
		return errFull
	}
	*count++
	return nil
}

func (e *Egress) give(network string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	count, _ := e.places(network)
	*count--
}

func (e *Egress) places(network string) (count *int, most int) {
	if network == udpNetwork {
		return &e.flows, maxFlows
	}
	return &e.streams, maxStreams
}
