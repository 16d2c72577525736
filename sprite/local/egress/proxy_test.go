package egress_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local/egress"
)

func TestProxyCarriesWhatIsAllowed(t *testing.T) {
	t.Parallel()
	_, port := site(t)
	for name, policy := range map[string]egress.Policy{"limited": allowing(fmt.Sprintf("ok.test:%d", port)), "unrestricted": {}} {
		w := open(t, egress.Config{Policy: policy, Hosts: hostList(t, fmt.Sprintf("ok.test:%d=127.0.0.1", port))})
		status, body, _ := w.get(t, fmt.Sprintf("http://OK.test:%d/a?b;c=%%zz", port))
		if want := fmt.Sprintf("OK.test:%d /a?b;c=%%zz\n", port); status != 200 || !strings.HasPrefix(body, want) {
			t.Errorf("%s: %d %q", name, status, body)
		}
		c, r, resp := w.connect(t, fmt.Sprintf("ok.test:%d", port))
		if resp.StatusCode != 200 || len(resp.TransferEncoding) > 0 || len(resp.Header) > 0 {
			t.Fatalf("%s: %v", name, resp)
		}
		if _, err := fmt.Fprintf(c, "GET /in HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || !strings.Contains(string(b), "/in") {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
}

// TestRuleHasThePortsOfTheOperator: the port of an entry with the same name goes without saying in the rule.
func TestRuleHasThePortsOfTheOperator(t *testing.T) {
	t.Parallel()
	_, port := site(t)
	w := open(t, egress.Config{Policy: allowing("ok.test"), Hosts: hostList(t, fmt.Sprintf("ok.test:%d=127.0.0.1", port))})
	if status, _, _ := w.get(t, fmt.Sprintf("http://ok.test:%d/", port)); status != 200 {
		t.Errorf("status %d", status)
	}
	if status, body, _ := w.get(t, fmt.Sprintf("http://ok.test:%d/", port^1)); status != 403 {
		t.Errorf("%d %s", status, body)
	}
}

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

func TestNonsenseIsA400(t *testing.T) {
	t.Parallel()
	w := open(t, egress.Config{})
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x.test\r\n\r\n", "GET ftp://x.test/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET https://x.test/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT x.test HTTP/1.1\r\nHost: x.test\r\n\r\n", "CONNECT x.test:http HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT a..b:80 HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT x.test:0 HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://a..b/ HTTP/1.1\r\nHost: x\r\n\r\n", "nonsense\r\n\r\n",
	} {
		if _, _, r := w.say(t, request, "GET"); r.StatusCode != 400 {
			t.Errorf("%q: %s", request, r.Status)
		}
	}
	if _, _, r := w.say(t, "GET http://x.test/ HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 80<<10)+"\r\n\r\n", "GET"); r.StatusCode != 431 {
		t.Errorf("a long header: %s", r.Status)
	}
}

func TestServerSeesWhatTheClientSent(t *testing.T) {
	t.Parallel()
	_, port := site(t)
	w := open(t, egress.Config{Hosts: hostList(t, "ok.test=127.0.0.1")})
	_, r, resp := w.say(t, fmt.Sprintf("GET http://ok.test:%d/p HTTP/1.1\r\nHost: forged.test\r\nProxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\n"+
		"Connection: X-Hop\r\nX-Hop: 1\r\nX-Forwarded-For: me\r\nX-Keep: 2\r\n\r\n", port), "GET")
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err, r)
	}
	got := string(b)
	for _, want := range []string{fmt.Sprintf("ok.test:%d /p\n", port), "X-Forwarded-For: me\r\n", "X-Keep: 2\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	for _, unwanted := range []string{"Proxy-", "X-Hop", "forged", "Via", "Accept-Encoding"} {
		if strings.Contains(got, unwanted) {
			t.Errorf("%q is in %q", unwanted, got)
		}
	}
}

func TestUpgradePasses(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\n\r\n")
		_, _ = io.Copy(c, rw)
	}))
	t.Cleanup(s.Close)
	w := open(t, egress.Config{Hosts: hostList(t, "ok.test=127.0.0.1")})
	c, r, resp := w.say(t, fmt.Sprintf("GET http://ok.test:%d/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", portOf(s.Listener.Addr())), "GET")
	if resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	for range 3 {
		if _, err := io.WriteString(c, "ping"); err != nil {
			t.Fatal(err)
		}
		if b := make([]byte, 4); readFull(r, b) != "ping" {
			t.Errorf("got %q", b)
		}
	}
}

func readFull(r io.Reader, b []byte) string {
	_, _ = io.ReadFull(r, b)
	return string(b)
}

// TestConnectEndsByHalves: the server still answers after the client has said all it had to say, and what was sent along with CONNECT arrives.
func TestConnectEndsByHalves(t *testing.T) {
	t.Parallel()
	l := echo(t)
	w := open(t, egress.Config{Hosts: hostList(t, "ok.test=127.0.0.1")})
	data := make([]byte, 8<<20)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	target := fmt.Sprintf("ok.test:%d", portOf(l.Addr()))
	c, r, resp := w.say(t, "CONNECT "+target+" HTTP/1.1\r\nHost: x\r\n\r\nearly", http.MethodConnect)
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	go func() {
		_, _ = c.Write(data)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(r)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(append([]byte("early"), data...)) {
		t.Errorf("%d bytes of %d, %v", len(got), len(data)+5, err)
	}
}

// TestDownloadIsNotHeldBack: the first bytes come while the server still has more to say.
func TestDownloadIsNotHeldBack(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, strings.Repeat("x", 32<<20))
	}))
	t.Cleanup(s.Close)
	w := open(t, egress.Config{Hosts: hostList(t, "ok.test=127.0.0.1")})
	_, _, resp := w.say(t, fmt.Sprintf("GET http://ok.test:%d/ HTTP/1.1\r\nHost: x\r\n\r\n", portOf(s.Listener.Addr())), "GET")
	if got := readFull(resp.Body, make([]byte, 5)); got != "first" {
		t.Errorf("got %q", got)
	}
	close(more)
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != 32<<20 {
		t.Errorf("%d %v", n, err)
	}
}
