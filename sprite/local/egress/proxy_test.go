package egress_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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

// TestEntryLeadsToAnotherPort: a service may be elsewhere than where its clients look for it, and nothing else there is reached.
func TestEntryLeadsToAnotherPort(t *testing.T) {
	t.Parallel()
	_, port := site(t)
	for name, policy := range map[string]egress.Policy{"limited": allowing("ok.test"), "unrestricted": {}} {
		w := open(t, egress.Config{Policy: policy, Hosts: hostList(t, fmt.Sprintf("ok.test:80=127.0.0.1:%d", port))})
		if status, body, _ := w.get(t, "http://ok.test/there"); status != 200 || !strings.HasPrefix(body, "ok.test /there\n") {
			t.Errorf("%s: %d %q", name, status, body)
		}
		if _, _, resp := w.connect(t, fmt.Sprintf("ok.test:%d", port)); resp.StatusCode != 403 {
			t.Errorf("%s: the port itself: %v", name, resp)
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
