package egress

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// special are the IPv4 addresses that are no place in the public Internet, and Teredo, whose addresses have others in them: IANA's
// special-purpose registries without the documentation ranges, which nobody routes and some private networks use as if they were public.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "2001::/32",
)

var (
	loopback = prefixes("127.0.0.0/8", "::1/128")
	// global is all of IPv6 that is public, so that loopback, local, multicast and the many ways to write an IPv4 address are not.
	global    = netip.MustParsePrefix("2000::/3")
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func within(ip netip.Addr, nets []netip.Prefix) bool {
	for _, n := range nets {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// embedded is the IPv4 address that a translator would make of ip, or ip.
func embedded(ip netip.Addr) netip.Addr {
	ip = ip.WithZone("").Unmap()
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	default:
		return ip
	}
}

// interfaces knows the addresses of the host itself, among them its public ones: behind them are the host's own services.
type interfaces struct {
	mu    sync.Mutex
	read  time.Time
	addrs map[netip.Addr]bool // nil when they could not be read
}

// interfacesAge is how old the list may be. A host gets a new address seldom.
const interfacesAge = 5 * time.Second

// has says whether ip is the host's own. When that cannot be found out, it is.
func (i *interfaces) has(ip netip.Addr) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if time.Since(i.read) > interfacesAge || i.addrs == nil {
		i.addrs, i.read = hostAddrs(), time.Now()
	}
	return i.addrs == nil || i.addrs[ip]
}

func hostAddrs() map[netip.Addr]bool {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	out := map[netip.Addr]bool{}
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out[p.Addr().WithZone("").Unmap()] = true
		}
	}
	return out
}

// private says whether ip is special or the host's own.
func (i *interfaces) private(ip netip.Addr) bool {
	ip = embedded(ip)
	return !ip.IsValid() || within(ip, special) || ip.Is6() && !global.Contains(ip) || i.has(ip)
}
