package egress_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/egress"
)

func TestDenialSaysWhy(t *testing.T) {
	t.Parallel()
	n := startNameserver(t, map[string][]string{
		"rebind.test": {"127.0.0.1"}, "meta.test": {"169.254.169.254"}, "lan.test": {"10.1.2.3"}, "later.test": {"192.0.2.1", "127.0.0.1"},
	})
	cases := []struct{ policy, url, text string }{
		{"+ok.test", "http://denied.test:443/", "denied.test:443 is not on this sprite's network allow-list"},
		{"+ok.test", "http://127.0.0.1/", "IP addresses are not allowed, only names on this sprite's network allow-list: 127.0.0.1"},
		{"+*", "http://localhost/", "localhost:80 is not on this sprite's network allow-list"},
		{"+rebind.test", "http://rebind.test/", "rebind.test resolves to 127.0.0.1, a private or local address"},
		{"+*", "http://meta.test/", "meta.test resolves to 169.254.169.254, a private or local address"},
		{"", "http://lan.test:8080/", "lan.test resolves to 10.1.2.3, a private or local address"},
		{"", "http://127.0.0.1/", "127.0.0.1 is a private or local address"},
		{"", "http://localhost/", "localhost resolves to 127.0.0.1, a private or local address"},
	}
	w := open(t, egress.Config{Nameserver: n.LocalAddr().String()})
	for _, c := range cases {
		w.SetPolicy(policyOf(c.policy))
		start := time.Now()
		status, body, header := w.get(t, c.url)
		if status != 403 || body != "sprite network policy: "+c.text+"\n" || header.Get("X-Sprite-Egress") != c.text ||
			!strings.HasPrefix(header.Get("Content-Type"), "text/plain") || len(header["Content-Length"]) != 1 {
			t.Errorf("%s: %d %q %v", c.url, status, body, header)
		}
		if took := time.Since(start); took > instant {
			t.Errorf("%s took %v", c.url, took)
		}
		w.hears(t, c.text)
	}
}

func TestSlowListenerHoldsNothingUp(t *testing.T) {
	t.Parallel()
	release, told := make(chan struct{}), make(chan struct{}, 1000)
	e := egress.New(egress.Config{Policy: allowing("ok.test"), Denied: func(string) { told <- struct{}{}; <-release }})
	w := &way{Egress: e}
	l := listen(t)
	w.proxy = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- e.ServeProxy(l) }()
	for i := range 200 {
		if _, _, r := w.connect(t, fmt.Sprintf("n%d.test:443", i)); r.StatusCode != 403 {
			t.Fatal(r.Status)
		}
	}
	<-told
	close(release)
	if err := e.Close(); err != nil || <-served != nil {
		t.Error(err)
	}
	if l := listen(t); e.ServeProxy(l) != nil || e.ServeForward(l, 1) != nil || l.Close() == nil {
		t.Error("after Close it does not end at once")
	}
}

// spellings are ways to write addresses that are not for Sprites.
var spellings = strings.Fields(`
	127.0.0.1 127.0.0.1. 127.1 127.0.1 2130706433 2130706433. 0x7f.1 0X7F.0.0.1 0x7f000001 017700000001 0177.0.0.1 0177.0.0.01 127.0.0.0x1 0 0.0.0.0
	127.255.255.254 [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:7f00:0001] [::1%lo] [::127.0.0.1] [fe80::1] [fe80::1%eth0] [fc00::1]
	[ff02::1] [64:ff9b::7f00:1] [64:ff9b::169.254.169.254] [2002:7f00:1::] [2002:0a00:0001::1] [::ffff:0:127.0.0.1] 169.254.169.254 0xa9fea9fe 2852039166
	10.0.0.1 10.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1 198.19.255.255 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 192.0.0.8
`)

func TestNoSpellingOfAnAddressPasses(t *testing.T) {
	t.Parallel()
	l := echo(t)
	port := portOf(l.Addr())
	w := open(t, egress.Config{Hosts: hostList(t, "other.test")})
	for _, policy := range []egress.Policy{{}, allowing("*", fmt.Sprintf("*:%d", port)), allowing(fmt.Sprintf("localhost:%d", port))} {
		w.SetPolicy(policy)
		for _, host := range append(spellings, "localhost", "LOCALHOST.") {
			_, _, r := w.connect(t, fmt.Sprintf("%s:%d", host, port))
			if strings.Contains(host, "%") && r.StatusCode == 400 {
				continue // net/http takes no zone
			}
			if text := r.Header.Get("X-Sprite-Egress"); r.StatusCode != 403 || policy.Unrestricted() && !strings.HasSuffix(text, " is a private or local address") &&
				!strings.HasSuffix(text, "resolves to 127.0.0.1, a private or local address") {
				t.Errorf("%v lets %s pass: %d %q", policy, host, r.StatusCode, text)
			}
		}
		for _, host := range []string{"1.2.3.4.5", "127.0.0.08", "999.1.1.1", "0x7f.0.0.0x1ff", "[::1", "a@127.0.0.1", "%31", "ⅰ27.0.0.1"} {
			if _, _, r := w.connect(t, fmt.Sprintf("%s:%d", host, port)); r.StatusCode != 400 {
				t.Errorf("%v lets %s pass: %d", policy, host, r.StatusCode)
			}
		}
	}
	// The host's own addresses, whichever they are.
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	w.SetPolicy(egress.Policy{})
	for _, a := range addrs {
		if _, _, r := w.connect(t, net.JoinHostPort(a.(*net.IPNet).IP.String(), fmt.Sprint(port))); r.StatusCode != 403 {
			t.Errorf("%s: %d", a, r.StatusCode)
		}
	}
}

// TestRebindingFindsNoGap: each lookup gets the next answer, so a check that looks up by itself would see a good one first.
func TestRebindingFindsNoGap(t *testing.T) {
	t.Parallel()
	_, port := site(t)
	for good := range 4 {
		answers := append(slices.Repeat([]string{"192.0.2.1"}, good), "127.0.0.1")
		n := startNameserver(t, map[string][]string{"rebind.test": answers})
		w := open(t, egress.Config{Nameserver: n.LocalAddr().String(), Policy: allowing(fmt.Sprintf("rebind.test:%d", port))})
		for range good + 1 {
			if status, body, _ := w.get(t, fmt.Sprintf("http://rebind.test:%d/", port)); status == 200 {
				t.Errorf("after %d good answers: %s", good, body)
			}
		}
	}
}

func TestOperatorOpensPrivateAddresses(t *testing.T) {
	t.Parallel()
	_, port := site(t)
	n := startNameserver(t, map[string][]string{"db.test": {"127.0.0.1"}, "other.test": {"127.0.0.1"}})
	for _, c := range []struct {
		entry, policy, host string
		status              int
	}{
		{"db.test", "", "db.test", 200},
		{"db.test:%d", "", "db.test", 200},
		{"db.test:1", "", "db.test", 403},
		{"db.test", "", "other.test", 403},
		{"db.test", "+db.test:%d", "db.test", 200},
		{"db.test", "+other.test:%d", "db.test", 403},
		{"db.test", "+other.test:%d", "other.test", 403},
		{"db.test=127.0.0.2", "", "db.test", 502}, // nothing listens there: the pin is what counts
		{"127.0.0.1:%d", "", "127.0.0.1", 200},
		{"127.0.0.1", "", "other.test", 200},
		{"127.0.0.0/8", "", "127.0.0.1", 200},
		{"127.0.0.1:1", "", "127.0.0.1", 403},
		{"127.0.0.0/8", "+other.test:%d", "127.0.0.1", 403},
		{"127.0.0.0/8", "+other.test:%d", "other.test", 403}, // a listed name cannot be turned on the loopback
		{"localhost:%d", "", "localhost", 200},
		{"localhost:%d", "+localhost:%d", "localhost", 200},
		{"localhost:%d", "+*:%d", "localhost", 403},
		{"localhost:%d", "+other.test:%d", "other.test", 403},
	} {
		fill := func(s string) string { return strings.ReplaceAll(s, "%d", fmt.Sprint(port)) }
		w := open(t, egress.Config{Nameserver: n.LocalAddr().String(), Hosts: hostList(t, fill(c.entry)), Policy: policyOf(fill(c.policy))})
		if status, body, _ := w.get(t, fmt.Sprintf("http://%s:%d/", c.host, port)); status != c.status {
			t.Errorf("%s under %q with %q: %d %s", c.host, c.policy, c.entry, status, body)
		}
	}
}
