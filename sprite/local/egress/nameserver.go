package egress

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// ask passes a question on to the name server of the host: what is not an address is answered with the truth. An answer that does not fit
// into a packet goes back as it is to whoever asked with one, who then asks over TCP.
func (e *Egress) ask(ctx context.Context, network string, q dnsmessage.Question) ([]byte, error) {
	server := e.nameserver
	if server == "" {
		var err error
		if server, err = hostNameserver(); err != nil {
			return nil, err
		}
	}
	answer, cut, err := askOver(ctx, udpNetwork, server, q)
	if err == nil && cut && network == tcpNetwork {
		answer, _, err = askOver(ctx, tcpNetwork, server, q)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", server, err)
	}
	return answer, nil
}

func askOver(ctx context.Context, network, server string, q dnsmessage.Question) (answer []byte, cut bool, err error) {
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, false, err
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:]), RecursionDesired: true},
		Questions: []dnsmessage.Question{q},
	}
	question, err := m.Pack()
	if err != nil {
		return nil, false, fmt.Errorf("write the question: %w", err)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, server)
	if err != nil {
		return nil, false, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if answer, err = exchange(c, network, question); err != nil {
		return nil, false, err
	}
	cut, err = matches(answer, m.ID, q)
	return answer, cut, err
}

func exchange(c net.Conn, network string, question []byte) ([]byte, error) {
	if network == tcpNetwork {
		if err := writeMessage(c, question); err != nil {
			return nil, err
		}
		return readMessage(c)
	}
	if _, err := c.Write(question); err != nil {
		return nil, err
	}
	b := make([]byte, maxMessage)
	n, err := c.Read(b)
	return b[:n], err
}

// matches fails unless answer is one to this question, and says whether it was cut off.
func matches(answer []byte, id uint16, q dnsmessage.Question) (cut bool, err error) {
	var m dnsmessage.Message
	if err := m.Unpack(answer); err != nil {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	if m.ID != id || !m.Response || len(m.Questions) != 1 || m.Questions[0].Type != q.Type ||
		!strings.EqualFold(m.Questions[0].Name.String(), q.Name.String()) {
		return false, errors.New("the answer is to another question")
	}
	return m.Truncated, nil
}

// hostNameserver is the first name server in the host's resolv.conf.
func hostNameserver() (string, error) {
	f, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return "", fmt.Errorf("find the name server: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(io.LimitReader(f, 1<<16)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(fields[1]); err == nil {
			return net.JoinHostPort(ip.String(), "53"), nil
		}
	}
	return "", errors.New("find the name server: /etc/resolv.conf has none")
}
