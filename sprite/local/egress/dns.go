package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// maxQuestions bounds how many are being answered at once; more are dropped, and asked again by whoever asked.
	maxQuestions = 64
	// maxMessage is what a name server may answer with, over TCP.
	maxMessage = 1<<16 - 1
	// lookupTimeout is below the five seconds after which resolvers ask again.
	lookupTimeout = 4 * time.Second
	// nameAge is how long a name may be remembered inside.
	nameAge = 60
	// callIdle bounds a connection that asks over TCP.
	callIdle = 10 * time.Second
)

// serveDNS answers the questions that come in packets.
func (e *Egress) serveDNS(c net.PacketConn) {
	places := make(chan struct{}, maxQuestions)
	for b := make([]byte, maxMessage); ; {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		select {
		case places <- struct{}{}:
		default:
			continue
		}
		question := append([]byte(nil), b[:n]...)
		done, ok := e.begin()
		if !ok {
			return
		}
		go func() {
			defer func() { done(); <-places }()
			if answer := e.answer(e.ctx, udpNetwork, question); answer != nil {
				_, _ = c.WriteTo(answer, from) // one that gets lost is asked for again
			}
		}()
	}
}

// serveDNSCalls answers the questions that come over connections.
func (e *Egress) serveDNSCalls(l net.Listener) {
	places := make(chan struct{}, maxQuestions)
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		done, ok := e.begin()
		if !ok {
			_ = c.Close()
			return
		}
		select {
		case places <- struct{}{}:
		default:
			_ = c.Close()
			done()
			continue
		}
		go func() {
			defer func() { done(); <-places }()
			e.serveDNSCall(c)
		}()
	}
}

func (e *Egress) serveDNSCall(c net.Conn) {
	defer c.Close()
	for {
		if err := c.SetDeadline(time.Now().Add(callIdle)); err != nil {
			return
		}
		question, err := readMessage(c)
		if err != nil {
			return
		}
		answer := e.answer(e.ctx, tcpNetwork, question)
		if answer == nil || writeMessage(c, answer) != nil {
			return
		}
	}
}

// readMessage and writeMessage put the length before a message, as DNS over TCP has it.
func readMessage(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

func writeMessage(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

// answer is the answer to a question, or nil to what is none.
func (e *Egress) answer(ctx context.Context, network string, question []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(question)
	if err != nil || h.Response {
		return nil
	}
	reply := dnsmessage.Message{Header: dnsmessage.Header{
		ID: h.ID, Response: true, OpCode: h.OpCode, RecursionDesired: h.RecursionDesired, RecursionAvailable: true,
	}}
	q, err := p.Question()
	if err == nil {
		_, more := p.Question()
		if !errors.Is(more, dnsmessage.ErrSectionDone) {
			err = errors.New("more than one question")
		}
	}
	switch {
	case h.OpCode != 0:
		reply.RCode = dnsmessage.RCodeNotImplemented
	case err != nil:
		reply.RCode = dnsmessage.RCodeFormatError
	default:
		reply.Questions = []dnsmessage.Question{q}
		if raw := e.resolve(ctx, network, q, &reply); raw != nil {
			binary.BigEndian.PutUint16(raw, h.ID)
			return raw
		}
	}
	b, err := reply.Pack()
	if err != nil {
		return nil
	}
	return b
}

// resolve fills in the reply to q, or returns what the name server of the host says.
func (e *Egress) resolve(ctx context.Context, network string, q dnsmessage.Question, reply *dnsmessage.Message) []byte {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	rs := e.policy()
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	t, err := parseHost(name)
	switch {
	case q.Class != dnsmessage.ClassINET:
		reply.RCode = dnsmessage.RCodeRefused
	case rs.limited && (err != nil || !rs.knows(t.name, e.hosts.ports(t.name))):
		// Not REFUSED, which is truer: resolvers take that for a broken server and ask again.
		reply.RCode = dnsmessage.RCodeNameError
		e.denied(notListed(shown(name)))
	case q.Type == dnsmessage.TypeA && (err != nil || t.name == "" || t.name == "localhost"):
		reply.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		if reply.RCode = e.exists(ctx, t); reply.RCode == dnsmessage.RCodeSuccess {
			reply.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: nameAge},
				Body:   &dnsmessage.AResource{A: e.names.addr(t.name)},
			}}
		}
	case rs.limited || q.Type == dnsmessage.TypeAAAA: // the name is there, but has nothing of this kind
	default:
		raw, err := e.ask(ctx, network, q)
		if err == nil {
			return raw
		}
		reply.RCode = dnsmessage.RCodeServerFailure
	}
	return nil
}

// exists looks a name up, so that one that is not there is told from one that does not answer.
func (e *Egress) exists(ctx context.Context, t target) dnsmessage.RCode {
	if _, pinned := e.hosts.pinned(t); pinned {
		return dnsmessage.RCodeSuccess
	}
	_, err := e.resolver.LookupNetIP(ctx, "ip", t.name+".")
	var dns *net.DNSError
	switch {
	case err == nil:
		return dnsmessage.RCodeSuccess
	case errors.As(err, &dns) && dns.IsNotFound:
		return dnsmessage.RCodeNameError
	default:
		return dnsmessage.RCodeServerFailure
	}
}

// shown is a name from a question as it may stand in a line of text.
func shown(name string) string {
	if checkName(name) == nil {
		return name
	}
	return quoted(name)
}
