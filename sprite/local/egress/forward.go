package egress

import (
	"net"
	"net/netip"
)

// ServeForward carries every connection that l accepts to the same port of the host's loopback, if the operator forwards it and the policy
// allows it; others are reset. It closes l, and returns nil when Close ends it.
func (e *Egress) ServeForward(l net.Listener, port uint16) error {
	leave, ok := e.open(l)
	if !ok {
		return nil
	}
	defer leave()
	defer l.Close()
	for door := (entrance{l, e}); ; {
		c, err := door.Accept()
		if err != nil {
			return e.ended(err)
		}
		e.work.Go(func() { e.forward(c.(*client), port) })
	}
}

func (e *Egress) forward(c *client, port uint16) {
	defer c.Close()
	// Either name of it may be on the list, and the refusal shows this one.
	t := target{name: "localhost", port: port}
	up, err := e.dial(e.ctx, tcpNetwork, t)
	if err != nil {
		e.denied(err)
		reset(c.stream)
		return
	}
	pipe(c, up)
}

// loopbackAddr is where forwards lead.
var loopbackAddr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
