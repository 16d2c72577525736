package egress_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-on-demand/aod/sprite/local/egress"
	"github.com/agent-on-demand/aod/sprite/local/nic"
)

const fetch = `fetch(process.argv[1]).then(r => r.text()).then(t => process.stdout.write(t)).catch(e => { console.log(String(e.cause)); process.exit(7) })`

// TestTUN is the way out of programs that know no proxy.
func TestTUN(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("/dev/net/tun is root's on most hosts: TestWithoutTUN is for ordinary users")
		return
	}
	if !world(t, 0) {
		return
	}
	n := startNameserver(t, map[string][]string{
		"ok.test": {"203.0.113.5"}, "a.ok.test": {"203.0.113.5"}, "rebind.test": {"127.0.0.1"}, "meta.test": {"169.254.169.254"}, "quiet.test": {"203.0.113.6"},
	})
	publish(t)
	w := open(t, egress.Config{Nameserver: n.LocalAddr().String(), Policy: allowing("ok.test", "*.ok.test", "rebind.test", "meta.test", "gone.test", "ok.test:81")})
	in := enter(t)
	if in.err != nil {
		t.Fatal(in.err)
	}
	serveInside(t, w, in)
	t.Run("limited", func(t *testing.T) { limited(t, w, in, n) })
	w.SetPolicy(egress.Policy{})
	t.Run("unrestricted", func(t *testing.T) { unrestricted(t, w, in) })
	t.Run("cut", func(t *testing.T) {
		var c net.Conn
		var err error
		in.do(func() { c, err = net.Dial("tcp", "203.0.113.5:80") })
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		w.SetPolicy(allowing("ok.test"))
		if err := ends(c, c); err != nil {
			t.Error(err)
		}
	})
}

func limited(t *testing.T, w *way, in *inside, n *nameserver) {
	for _, c := range []struct {
		code   int
		want   string
		denied string
		args   []string
	}{
		{0, "198.18.0.", "", []string{"getent", "ahosts", "ok.test"}},
		{0, "hello from ok.test", "", []string{"curl", "-sS", "http://ok.test/"}},
		{0, "hello from a.ok.test", "", []string{"curl", "-sS", "http://a.ok.test/"}},
		{0, "hello from ok.test", "", []string{"node", "-e", fetch, "http://ok.test/"}},
		{2, "", "denied.test is not on this sprite's network allow-list", []string{"getent", "ahosts", "denied.test"}},
		{6, "Could not resolve", "nope.test is not on this sprite's network allow-list", []string{"curl", "-sS", "http://nope.test/"}},
		{6, "Could not resolve", "", []string{"curl", "-sS", "http://gone.test/"}}, // on the list, but not in the world
		{7, "ENOTFOUND", "", []string{"node", "-e", fetch, "http://denied.test/"}},
		{7, "", "", []string{"curl", "-sS", "http://ok.test:81/"}}, // allowed, nobody listens
		{7, "", "ok.test:22 is not on this sprite's network allow-list", []string{"curl", "-sS", "http://ok.test:22/"}},
		{7, "", "rebind.test resolves to 127.0.0.1, a private or local address", []string{"curl", "-sS", "http://rebind.test/"}},
		{7, "", "meta.test resolves to 169.254.169.254, a private or local address", []string{"curl", "-sS", "http://meta.test/"}},
		{7, "", "IP addresses are not allowed, only names on this sprite's network allow-list: 203.0.113.5", []string{"curl", "-sS", "http://203.0.113.5/"}},
		{7, "", "IP addresses are not allowed, only names on this sprite's network allow-list: 169.254.169.254", []string{"curl", "-sS", "http://169.254.169.254/"}},
		{7, "", "", []string{"curl", "-sS", "http://10.0.2.2/"}},
		{7, "", "", []string{"curl", "-sS", "http://198.18.200.1/"}},
		{7, "", "", []string{"curl", "-sS", "http://[2001:db8::1]/"}},
	} {
		out, code, took := in.run(t, nil, c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%q: exit %d\n%s", c.args, code, out)
		}
		if limit := instant; took > limit {
			t.Errorf("%q took %v", c.args, took)
		}
		t.Logf("%v exit %d %v", c.args[len(c.args)-1:], code, took.Round(time.Millisecond))
		if c.denied != "" {
			w.hears(t, c.denied)
		}
	}
	for _, name := range n.questions() {
		if strings.HasPrefix(name, "denied") || strings.HasPrefix(name, "nope") {
			t.Errorf("%s was looked up", name)
		}
	}
	var err error
	in.do(func() { _, err = packet("203.0.113.5:4000") })
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("UDP under a policy: %v", err)
	}
	proxied := []string{"http_proxy=http://127.0.0.1:3128"}
	if out, code, _ := in.run(t, proxied, "curl", "-sS", "http://ok.test/"); code != 0 || out != "hello from ok.test\n" {
		t.Errorf("through the proxy: %d %s", code, out)
	}
	if out, code, _ := in.run(t, proxied, "curl", "-sS", "http://denied.test/"); code != 0 || !strings.HasPrefix(out, "sprite network policy: denied.test:80 is not") {
		t.Errorf("through the proxy: %d %s", code, out)
	}
	text(t, in, "ok.test", "")
}

func unrestricted(t *testing.T, w *way, in *inside) {
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{0, "hello from ok.test", []string{"curl", "-sS", "http://ok.test/"}},
		{0, "hello from 203.0.113.5", []string{"curl", "-sS", "http://203.0.113.5/"}},
		{0, "hello from quiet.test", []string{"curl", "-sS", "--connect-to", "quiet.test:80:203.0.113.5:80", "http://quiet.test/"}},
		{6, "Could not resolve", []string{"curl", "-sS", "http://nowhere.test/"}},
		{7, "", []string{"curl", "-sS", "http://rebind.test/"}},
		{7, "", []string{"curl", "-sS", "http://10.0.0.1/"}},
		{7, "", []string{"curl", "-sS", "http://169.254.169.254/"}},
	} {
		if out, code, took := in.run(t, nil, c.args...); code != c.code || !strings.Contains(out, c.want) || took > instant {
			t.Errorf("%q: exit %d after %v\n%s", c.args, code, took, out)
		}
	}
	w.hears(t, "10.0.0.1 is a private or local address")
	for _, addr := range []string{"203.0.113.5:4000", "ok.test:4000"} {
		var got string
		var err error
		in.do(func() { got, err = packet(addr) })
		if err != nil || got != "ping" {
			t.Errorf("UDP to %s: %q %v", addr, got, err)
		}
	}
	var err error
	in.do(func() { _, err = packet("10.0.0.2:4000") })
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("UDP to a private address: %v", err)
	}
	w.hears(t, "10.0.0.2 is a private or local address")
	text(t, in, "ok.test", "text of ok.test")
}

// packet sends a packet and waits for the answer. It must not leave its thread, so it resolves by hand.
func packet(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if net.ParseIP(host) == nil {
		out, err := exec.Command("getent", "ahostsv4", host).Output()
		if err != nil {
			return "", err
		}
		host = strings.Fields(string(out))[0]
	}
	c, err := net.Dial("udp", net.JoinHostPort(host, port))
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	if _, err := c.Write([]byte("ping")); err != nil {
		return "", err
	}
	b := make([]byte, 16)
	n, err := c.Read(b)
	return string(b[:n]), err
}

// text asks for the TXT records of name, over UDP and over TCP.
func text(t *testing.T, in *inside, name, want string) {
	t.Helper()
	for _, network := range []string{"udp", "tcp"} {
		var c net.Conn
		var err error
		in.do(func() { c, err = net.Dial(network, nic.Nameserver+":53") })
		if err != nil {
			t.Fatal(err)
		}
		r := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		got, err := r.LookupTXT(ctx, name+".")
		cancel()
		_ = c.Close()
		var dns *net.DNSError
		if want == "" && !(errors.As(err, &dns) && dns.IsNotFound) || want != "" && (len(got) != 1 || got[0] != want) {
			t.Errorf("%s: %q %v", network, got, err)
		}
	}
}

// TestWithoutTUN: where the device cannot be had, the proxy is the only way, and there is no other.
func TestWithoutTUN(t *testing.T) {
	uid := uint32(os.Geteuid())
	if uid == 0 {
		uid = 54321
	}
	if os.Getenv(inWorld) == "" {
		world(t, uid)
		return
	}
	world(t, uid)
	n := startNameserver(t, map[string][]string{"ok.test": {"203.0.113.5"}})
	publish(t)
	w := open(t, egress.Config{Nameserver: n.LocalAddr().String(), Policy: allowing("ok.test")})
	in := enter(t)
	if in.err == nil {
		t.Log("the device can be had here, so it is closed again")
		if err := unix.Close(in.fd); err != nil {
			t.Fatal(err)
		}
		in.fd = -1
	}
	serveInside(t, w, in)
	proxied := []string{"http_proxy=http://127.0.0.1:3128"}
	for _, c := range []struct {
		env  []string
		code int
		want string
		url  string
	}{
		{proxied, 0, "hello from ok.test", "http://ok.test/"},
		{proxied, 0, "sprite network policy: denied.test:80 is not", "http://denied.test/"},
		{nil, 6, "", "http://ok.test/"},
		{nil, 7, "", "http://203.0.113.5/"},
	} {
		if out, code, took := in.run(t, c.env, "curl", "-sS", c.url); code != c.code || !strings.Contains(out, c.want) || took > instant {
			t.Errorf("%s %v: exit %d after %v\n%s", c.url, c.env, code, took, out)
		}
	}
	var err error
	in.do(func() { _, err = packet("203.0.113.5:4000") })
	if !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("UDP: %v", err)
	}
}
