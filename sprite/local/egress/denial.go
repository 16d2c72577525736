package egress

import (
	"fmt"
	"net/netip"
)

// denial is the refusal of the policy, told from a failure of the network.
type denial string

func (d denial) Error() string { return string(d) }

func notListed(what string) error {
	return denial(what + " is not on this sprite's network allow-list")
}

func notNamed(ip netip.Addr) error {
	return denial("IP addresses are not allowed, only names on this sprite's network allow-list: " + ip.String())
}

func isPrivate(t target, ip netip.Addr) error {
	if t.name == "" {
		return denial(fmt.Sprintf("%s is a private or local address", ip))
	}
	return denial(fmt.Sprintf("%s resolves to %s, a private or local address", t.name, ip))
}

// maxWaiting bounds how many denials wait for a slow reader; more of them are not told.
const maxWaiting = 64

// crier tells denials to somebody slow without waiting for them.
type crier chan string

func (c crier) cry(text string) {
	select {
	case c <- text:
	default:
	}
}

// tell calls f with what is cried, until done.
func (c crier) tell(f func(string), done <-chan struct{}) {
	for {
		select {
		case text := <-c:
			f(text)
		case <-done:
			return
		}
	}
}
