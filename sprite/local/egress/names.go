package egress

import (
	"container/list"
	"encoding/binary"
	"net/netip"
	"sync"
)

// maxNames is how many names have an address at once; the one not asked for longest loses it to a new one.
const maxNames = 1 << 16

// firstName is the address of the first name. The network 198.18.0.0/15 is for benchmarks between routers (RFC 2544), so nobody has a host there.
var firstName = binary.BigEndian.Uint32([]byte{198, 18, 0, 1})

// names are the addresses that DNS makes up for names. The zero value is ready.
type names struct {
	mu    sync.Mutex
	named map[string]*list.Element
	slots map[uint32]*list.Element
	used  list.List // of made, last used first
}

// made is a name with its address.
type made struct {
	name string
	slot uint32
}

// addr gives the address of name.
func (n *names) addr(name string) [4]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.named == nil {
		n.named, n.slots = map[string]*list.Element{}, map[uint32]*list.Element{}
	}
	el, ok := n.named[name]
	if !ok {
		slot := uint32(len(n.named))
		if slot == maxNames {
			old := n.used.Remove(n.used.Back()).(made)
			delete(n.named, old.name)
			slot = old.slot
		}
		el = n.used.PushFront(made{name, slot})
		n.named[name], n.slots[slot] = el, el
	}
	n.used.MoveToFront(el)
	var ip [4]byte
	binary.BigEndian.PutUint32(ip[:], firstName+el.Value.(made).slot)
	return ip
}

// name finds the name that has the address ip.
func (n *names) name(ip netip.Addr) (string, bool) {
	if !ip.Is4() {
		return "", false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	b := ip.As4()
	el, ok := n.slots[binary.BigEndian.Uint32(b[:])-firstName]
	if !ok {
		return "", false
	}
	n.used.MoveToFront(el)
	return el.Value.(made).name, true
}

// target is what a connection to an address inside the Sprite means.
func (n *names) target(ip netip.Addr, port uint16) target {
	if name, ok := n.name(ip); ok {
		return target{name: name, port: port}
	}
	return target{addr: ip, port: port}
}
