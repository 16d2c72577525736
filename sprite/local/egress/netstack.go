package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/nic"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	nicID   = 1
	dnsPort = 53
	// flowIdle is how long a UDP flow lives without a packet.
	flowIdle = 60 * time.Second
	// maxBuffer bounds what a connection holds in one direction. All of a Sprite's together are memory of the host.
	maxBuffer = 256 << 10
)

// ServeTUN is the network behind a descriptor of nic.OpenTUN, which it takes over: DNS on nic.Nameserver, TCP, and UDP without a policy.
// What may not be reached is answered with a reset. It returns nil when Close ended it.
func (e *Egress) ServeTUN(fd int) error {
	done, ok := e.begin()
	if !ok {
		return unix.Close(fd)
	}
	defer done()
	return e.ended(errors.Join(e.serveTUN(fd), unix.Close(fd)))
}

func (e *Egress) serveTUN(fd int) error {
	broken := make(chan struct{})
	breaks := sync.OnceFunc(func() { close(broken) })
	link, err := fdbased.New(&fdbased.Options{
		FDs: []int{fd}, MTU: nic.MTU, RXChecksumOffload: true,
		ClosedFunc: func(tcpip.Error) { breaks() },
	})
	if err != nil {
		return fmt.Errorf("read the device: %w", err)
	}
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	var inside sync.WaitGroup
	defer func() {
		s.Close()
		inside.Wait()
		s.Destroy()
	}()
	// Before there is a device: packets come from then on, and the stack does not lock this.
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(s, 0, maxStreams, func(r *tcp.ForwarderRequest) {
		done, ok := e.begin()
		if !ok {
			r.Complete(true)
			return
		}
		defer done()
		e.takeStream(r)
	}).HandlePacket)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s, e.takeFlow).HandlePacket)
	if err := setUp(s, link); err != nil {
		return err
	}
	questions, err := gonet.DialUDP(s, &tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFrom4(dnsAddr.As4()), Port: dnsPort}, nil, ipv4.ProtocolNumber)
	if err != nil {
		return fmt.Errorf("listen for DNS: %w", err)
	}
	defer questions.Close()
	calls, err := gonet.ListenTCP(s, tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFrom4(dnsAddr.As4()), Port: dnsPort}, ipv4.ProtocolNumber)
	if err != nil {
		return fmt.Errorf("listen for DNS over TCP: %w", err)
	}
	defer calls.Close()
	inside.Go(func() { e.serveDNS(questions) })
	inside.Go(func() { e.serveDNSCalls(calls) })
	select {
	case <-e.ctx.Done():
		return nil
	case <-broken:
		return errors.New("the device was closed")
	}
}

// dnsAddr is where the stack answers questions.
var dnsAddr = netip.MustParseAddr(nic.Nameserver)

// setUp makes the stack answer for every address behind the link.
func setUp(s *stack.Stack, link stack.LinkEndpoint) error {
	sack := tcpip.TCPSACKEnabled(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: maxBuffer / 4, Max: maxBuffer}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: maxBuffer / 4, Max: maxBuffer}
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &receive, &send} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return fmt.Errorf("set a TCP option: %s", err)
		}
	}
	if err := s.CreateNIC(nicID, link); err != nil {
		return fmt.Errorf("take the device: %s", err)
	}
	own := tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddrFrom4(dnsAddr.As4()).WithPrefix(),
	}
	if err := s.AddProtocolAddress(nicID, own, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("take the address of DNS: %s", err)
	}
	if err := s.SetPromiscuousMode(nicID, true); err != nil {
		return fmt.Errorf("answer for every address: %s", err)
	}
	if err := s.SetSpoofing(nicID, true); err != nil {
		return fmt.Errorf("answer from every address: %s", err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nicID}})
	return nil
}

// aim reads the target of a packet from inside.
func (e *Egress) aim(id stack.TransportEndpointID) target {
	return e.names.target(netip.AddrFrom4(id.LocalAddress.As4()), id.LocalPort)
}

// takeStream dials first: the connection inside stands only when that outside does.
func (e *Egress) takeStream(r *tcp.ForwarderRequest) {
	up, err := e.dial(e.ctx, tcpNetwork, e.aim(r.ID()))
	if err != nil {
		e.denied(err)
		r.Complete(true)
		return
	}
	defer up.Close()
	var wq waiter.Queue
	ep, terr := r.CreateEndpoint(&wq)
	if terr != nil {
		r.Complete(true)
		return
	}
	r.Complete(false)
	ep.SocketOptions().SetKeepAlive(true)
	pipe(gonet.NewTCPConn(&wq, ep), up)
}

// takeFlow carries a UDP flow, or says that nobody is there. It runs where packets are read, so it waits for nothing.
func (e *Egress) takeFlow(r *udp.ForwarderRequest) bool {
	t := e.aim(r.ID())
	err := e.policy().decide(udpNetwork, t, e.hosts)
	if err == nil && t.name == "" { // dialling would say so as well, but too late for nobody to be there
		err = e.reach(t, t.addr, false)
	}
	if err != nil {
		e.crier.cry(err.Error())
		return false
	}
	done, ok := e.begin()
	if !ok {
		return false
	}
	var wq waiter.Queue
	ep, terr := r.CreateEndpoint(&wq)
	if terr != nil {
		done()
		return false
	}
	go func() {
		defer done()
		e.flow(gonet.NewUDPConn(&wq, ep), t)
	}()
	return true
}

// flow carries packets both ways until none has come for a while.
func (e *Egress) flow(c net.Conn, t target) {
	defer c.Close()
	up, err := e.dial(e.ctx, udpNetwork, t)
	if err != nil {
		e.denied(err)
		return
	}
	defer up.Close()
	idle := time.AfterFunc(flowIdle, func() {
		_ = up.Close()
		_ = c.Close()
	})
	defer idle.Stop()
	one := func(to, from net.Conn) {
		for b := make([]byte, nic.MTU); ; {
			n, err := from.Read(b)
			if err == nil {
				idle.Reset(flowIdle)
				_, err = to.Write(b[:n])
			}
			if err != nil {
				_ = up.Close()
				_ = c.Close()
				return
			}
		}
	}
	var both sync.WaitGroup
	both.Go(func() { one(up, c) })
	one(c, up)
	both.Wait()
}
