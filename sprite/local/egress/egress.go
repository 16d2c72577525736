package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// maxStreams and maxFlows bound the TCP connections and the UDP flows of a Sprite at once, maxClients those to the proxy and the forwards.
	maxStreams, maxFlows, maxClients = 512, 256, 512
	dialTimeout                      = 10 * time.Second
)

// Config is what an Egress is made of.
type Config struct {
	Policy Policy
	Hosts  []Host
	// Nameserver is the host:port of the DNS server to ask; empty for those of the host.
	Nameserver string
	// Denied is told of denials, one after the other, before whoever is denied if it takes no longer than a moment. Of very many at once
	// it hears a part. Close waits for it.
	Denied func(text string)
}

// Egress carries the traffic of one Sprite. Its methods may be called at the same time.
type Egress struct {
	hosts      hosts
	nameserver string
	resolver   *net.Resolver
	interfaces interfaces
	names      names
	crier      crier

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	rules   *rules
	closed  bool
	carried map[*carried]struct{}
	doors   map[io.Closer]struct{} // what Close must close for a Serve to return
	streams int
	flows   int
	clients int
}

var errClosed = errors.New("the egress is closed")

// New makes the egress of a Sprite. Close ends it.
func New(cfg Config) *Egress {
	e := &Egress{
		hosts: cfg.Hosts, nameserver: cfg.Nameserver, rules: compile(cfg.Policy),
		carried: map[*carried]struct{}{}, doors: map[io.Closer]struct{}{},
	}
	// Go's own resolver, so that what is looked up does not depend on how the binary was built.
	e.resolver = &net.Resolver{PreferGo: true}
	if cfg.Nameserver != "" {
		e.resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, cfg.Nameserver)
		}
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if cfg.Denied != nil {
		e.crier = make(crier, maxWaiting)
		e.work.Go(func() { e.crier.tell(cfg.Denied, e.ctx.Done()) })
	}
	return e
}

// SetPolicy holds for everything dialled from now on. When it returns, connections that p forbids are closed.
func (e *Egress) SetPolicy(p Policy) {
	e.mu.Lock()
	e.rules = compile(p)
	var cut []*carried
	for c := range e.carried {
		if e.rules.decide(c.network, c.target, e.hosts) != nil {
			cut = append(cut, c)
		}
	}
	e.mu.Unlock()
	for _, c := range cut {
		c.cut()
	}
}

// Close ends everything that the egress serves and carries, and returns when it has ended.
func (e *Egress) Close() error {
	e.mu.Lock()
	e.closed = true
	doors, all := make([]io.Closer, 0, len(e.doors)), make([]*carried, 0, len(e.carried))
	for d := range e.doors {
		doors = append(doors, d)
	}
	for c := range e.carried {
		all = append(all, c)
	}
	e.mu.Unlock()
	e.cancel()
	for _, d := range doors {
		_ = d.Close() // a door that is closed already is what Close wants
	}
	for _, c := range all {
		c.cut()
	}
	e.work.Wait()
	return nil
}

// open registers what Close must close, and counts the caller among what it waits for. The caller calls leave when it is through.
// After Close it closes d itself.
func (e *Egress) open(d io.Closer) (leave func(), ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		_ = d.Close()
		return nil, false
	}
	e.doors[d] = struct{}{}
	e.work.Add(1)
	return func() {
		e.mu.Lock()
		delete(e.doors, d)
		e.mu.Unlock()
		e.work.Done()
	}, true
}

// begin counts work among what Close waits for. It fails when Close was called.
func (e *Egress) begin() (done func(), ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, false
	}
	e.work.Add(1)
	return e.work.Done, true
}

// ended is what a Serve returns: a failure, unless Close was its cause.
func (e *Egress) ended(err error) error {
	if e.ctx.Err() != nil {
		return nil
	}
	return err
}

func (e *Egress) policy() *rules {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rules
}

// denied reports err if it is a denial, says whether it is, and waits until that is heard, though not for long.
func (e *Egress) denied(err error) (denial, bool) {
	var d denial
	if !errors.As(err, &d) {
		return "", false
	}
	told := e.crier.cry(string(d))
	if told == nil {
		return d, true
	}
	select {
	case <-told:
	case <-time.After(hearing):
	case <-e.ctx.Done():
	}
	return d, true
}
