package egress

import (
	"fmt"
	"net/netip"
	"time"
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

const (
	// maxWaiting bounds how many denials wait for a slow listener; more of them are not told.
	maxWaiting = 64
	// slow is how many denials wait for a listener that nobody waits for.
	slow = 3
	// hearing is how long who is denied waits until the listener has heard of it: a program that ends at once shall have its reason.
	hearing = time.Second
)

// crier tells denials to a listener, one after the other. A nil one has no listener.
type crier chan cried

type cried struct {
	text string
	told chan struct{} // closed when the listener has heard
}

// cry does not wait. What it returns is closed when the listener has heard; it is nil if that is not to be waited for.
func (c crier) cry(text string) (told <-chan struct{}) {
	d := cried{text, make(chan struct{})}
	select {
	case c <- d:
	default:
		return nil
	}
	if len(c) > slow {
		return nil
	}
	return d.told
}

// tell calls f with what is cried, until done.
func (c crier) tell(f func(string), done <-chan struct{}) {
	for {
		select {
		case d := <-c:
			f(d.text)
			close(d.told)
		case <-done:
			return
		}
	}
}
