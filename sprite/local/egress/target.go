package egress

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// target is where a connection shall go: a name or an address, and a port. Its text is what a refusal shows.
type target struct {
	name string     // canonical; empty for an address
	addr netip.Addr // unmapped, without zone
	port uint16
}

// parseTarget reads host:port in every spelling that a resolver or a dialer would understand. What it takes for a name is none of an address.
func parseTarget(s string) (target, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return target{}, fmt.Errorf("%s is not host:port", quoted(s))
	}
	n, err := parsePort(port)
	if err != nil {
		return target{}, err
	}
	t, err := parseHost(host)
	t.port = n
	return t, err
}

func parseHost(host string) (target, error) {
	if addr, ok := parseAddr(host); ok {
		return target{addr: addr}, nil
	}
	name := canonical(host)
	if err := checkName(name); err != nil {
		return target{}, fmt.Errorf("%s is not a host: %w", quoted(host), err)
	}
	if endsInNumber(name) {
		return target{}, fmt.Errorf("%s is neither a name nor an IP address", quoted(host))
	}
	return target{name: name}, nil
}

func (t target) host() string {
	if t.name != "" {
		return t.name
	}
	return t.addr.String()
}

func (t target) String() string { return net.JoinHostPort(t.host(), strconv.Itoa(int(t.port))) }

// forward says whether t stands for a loopback port of the host, which a Sprite has as its own.
func (t target) forward() bool { return loopbackHost(t.host()) }

// parseAddr reads an address as inet_aton(3) and the URL standard do: with zone, in hex and octal, with parts left out, with a trailing dot.
func parseAddr(s string) (netip.Addr, bool) {
	s = strings.TrimSuffix(s, ".")
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return addr.WithZone("").Unmap(), true
	}
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		n, ok := parseNumber(part)
		width := 8
		if i == len(parts)-1 {
			width = 8 * (5 - len(parts))
		}
		if !ok || n >= 1<<width {
			return netip.Addr{}, false
		}
		sum = sum<<width | n
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}

func parseNumber(s string) (uint64, bool) {
	base := 10
	switch {
	case len(s) > 1 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'):
		if s, base = s[2:], 16; s == "" {
			return 0, true
		}
	case len(s) > 1 && s[0] == '0':
		base = 8
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil
}

// endsInNumber tells a misspelt address from a name: no top level domain is a number, so whoever reads one means an address.
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if _, ok := parseNumber(last); ok {
		return true
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}
