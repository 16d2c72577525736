package egress

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Host is an operator's permission for Sprites to reach a private or local address. It is written as one of
//
//	NAME[:PORT]       whatever private address NAME resolves to
//	NAME[:PORT]=IP    NAME is IP, without asking DNS
//	NAME:PORT=IP:PORT NAME is IP, and its port another one there
//	IP[:PORT], CIDR   these addresses
//	localhost:PORT, 127.0.0.1:PORT   a forward: the port of the host's loopback appears at the same address in every Sprite
//
// and its text is its JSON.
type Host struct {
	text   string
	name   string       // empty for an address
	pin    netip.Addr   // what the name is, if the operator says so
	at     uint16       // the port there; 0: the same
	prefix netip.Prefix // for an address
	port   uint16       // 0: every port
}

// ParseHosts reads the entries of AOD_SPRITE_ALLOW_HOSTS.
func ParseHosts(entries []string) ([]Host, error) {
	var out []Host
	for _, s := range entries {
		h, err := parseEntry(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quoted(s), err)
		}
		out = append(out, h)
	}
	return out, nil
}

// Forwards lists the loopback ports that shall appear in every Sprite, each once, in order.
func Forwards(hosts []Host) []uint16 {
	var out []uint16
	for _, h := range hosts {
		if h.forward() {
			out = append(out, h.port)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func parseEntry(s string) (Host, error) {
	h := Host{text: s}
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() {
			return h, fmt.Errorf("not a network in CIDR form")
		}
		h.prefix = p.Masked()
		return h, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return h.address(addr)
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		if h.port = ap.Port(); h.port == 0 {
			return h, fmt.Errorf("0 is not a port")
		}
		return h.address(ap.Addr())
	}
	left, pin, pinned := strings.Cut(s, "=")
	name, port, ported := strings.Cut(left, ":")
	if h.name = canonical(name); endsInNumber(h.name) {
		return h, fmt.Errorf("not an IP address, nor a name")
	}
	if err := checkName(h.name); err != nil {
		return h, err
	}
	var err error
	if ported {
		if h.port, err = parsePort(port); err != nil {
			return h, err
		}
	}
	if pinned {
		if ap, err := netip.ParseAddrPort(pin); err == nil && ported && ap.Port() != 0 {
			pin, h.at = ap.Addr().String(), ap.Port()
		}
		if h.pin, err = netip.ParseAddr(pin); err != nil || h.pin.Zone() != "" {
			return h, fmt.Errorf("%s is not an IP address", quoted(pin))
		}
		h.pin = h.pin.Unmap()
	}
	if h.name == "localhost" && (pinned || !ported) {
		return h, fmt.Errorf("localhost is written localhost:PORT")
	}
	return h, nil
}

// address makes h the entry of one address.
func (h Host) address(addr netip.Addr) (Host, error) {
	if addr.Zone() != "" {
		return h, fmt.Errorf("an address has no zone here")
	}
	addr = addr.Unmap()
	h.prefix = netip.PrefixFrom(addr, addr.BitLen())
	return h, nil
}

func (h Host) forward() bool {
	return h.name == "localhost" || h.port != 0 && h.prefix == netip.MustParsePrefix("127.0.0.1/32")
}

// String is the entry as the operator wrote it.
func (h Host) String() string { return h.text }

// MarshalText gives the entry as the operator wrote it.
func (h Host) MarshalText() ([]byte, error) { return []byte(h.text), nil }

// UnmarshalText reads an entry.
func (h *Host) UnmarshalText(b []byte) (err error) {
	*h, err = parseEntry(string(b))
	return err
}

// hosts are the permissions of the operator.
type hosts []Host

// permits says whether the operator lets t be dialled at ip, a private address. Where only names count, an entry of a loopback address
// speaks for the forward alone, else any listed name could be pointed at it.
func (hs hosts) permits(t target, ip netip.Addr, limited bool) bool {
	ip = ip.WithZone("").Unmap()
	for _, h := range hs {
		switch {
		case h.port != 0 && h.port != t.port:
		case h.name != "" && h.name == t.name && (!h.pin.IsValid() || h.pin == ip):
			return true
		case h.name == "" && h.prefix.Contains(ip) && !(limited && within(ip, loopback)):
			return true
		}
	}
	return false
}

// pinned is where the operator says that t is: by the entry of its port, else by any of its name.
func (hs hosts) pinned(t target) (at netip.AddrPort, ok bool) {
	for _, h := range hs {
		if h.name != t.name || !h.pin.IsValid() {
			continue
		}
		at, ok = netip.AddrPortFrom(h.pin, t.port), true
		switch {
		case h.port == t.port && h.at != 0:
			return netip.AddrPortFrom(h.pin, h.at), true
		case h.port == 0 || h.port == t.port:
			return at, true
		}
	}
	return at, ok
}

// ports are those that the operator names together with name.
func (hs hosts) ports(name string) []uint16 {
	var out []uint16
	for _, h := range hs {
		if h.name == name && h.port != 0 {
			out = append(out, h.port)
		}
	}
	return out
}

func (hs hosts) forwards(port uint16) bool { return slices.Contains(Forwards(hs), port) }
