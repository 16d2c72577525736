package egress

import (
	"fmt"
	"net/netip"
	"sync"
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
	// quiet is how long a denial is not told again.
	quiet = 10 * time.Second
	// maxTold bounds how many texts are remembered for that; more of them within that time are not told at all.
	maxTold = 1024
	// maxWaiting bounds how many texts wait for a slow reader.
	maxWaiting = 64
)

// crier tells denials to somebody slow without waiting for them.
type crier struct {
	mu    sync.Mutex
	told  map[string]time.Time
	texts chan string
}

func newCrier() *crier {
	return &crier{told: map[string]time.Time{}, texts: make(chan string, maxWaiting)}
}

// cry has text told, unless it was told just now or too many wait.
func (c *crier) cry(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if at, ok := c.told[text]; ok && now.Sub(at) < quiet {
		return
	}
	if len(c.told) >= maxTold {
		for old, at := range c.told {
			if now.Sub(at) >= quiet {
				delete(c.told, old)
			}
		}
		if len(c.told) >= maxTold {
			return
		}
	}
	select {
	case c.texts <- text:
		c.told[text] = now
	default:
	}
}

// tell calls f with what is cried, until done.
func (c *crier) tell(f func(string), done <-chan struct{}) {
	for {
		select {
		case text := <-c.texts:
			f(text)
		case <-done:
			return
		}
	}
}
