package egress_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/agent-on-demand/aod/sprite/local/egress"
)

// patience is far more than anything here takes; instant is what a refusal may take on a very busy machine,
// where programs are slow to start: less than what waits for somebody who does not answer.
const (
	patience = 10 * time.Second
	instant  = 5 * time.Second
)

// nameserver is a DNS server whose answers change by the turn.
type nameserver struct {
	net.PacketConn
	mu      sync.Mutex
	answers map[string][]string // the next address of each name; the last one stays
	asked   []string
}

func startNameserver(t testing.TB, answers map[string][]string) *nameserver {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nameserver{PacketConn: c, answers: answers}
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.serve()
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return n
}

func (n *nameserver) serve() {
	for b := make([]byte, 1500); ; {
		size, from, err := n.ReadFrom(b)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(b[:size]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.Additionals = true, nil
		n.fill(&m)
		if out, err := m.Pack(); err == nil {
			_, _ = n.WriteTo(out, from)
		}
	}
}

func (n *nameserver) fill(m *dnsmessage.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	q := m.Questions[0]
	name := strings.TrimSuffix(q.Name.String(), ".")
	n.asked = append(n.asked, name)
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
	switch ips, ok := n.answers[name]; {
	case !ok:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		if len(ips) > 1 {
			n.answers[name] = ips[1:]
		}
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: [4]byte(net.ParseIP(ips[0]).To4())}}}
	case q.Type == dnsmessage.TypeTXT:
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.TXTResource{TXT: []string{"text of " + name}}}}
	}
}

func (n *nameserver) questions() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.asked...)
}

// way is an egress with its proxy, as a client sees it.
type way struct {
	*egress.Egress
	proxy  string // host:port
	denied chan string
}

func open(t testing.TB, cfg egress.Config) *way {
	t.Helper()
	w := &way{denied: make(chan string, 1000)}
	cfg.Denied = func(text string) { w.denied <- text }
	w.Egress = egress.New(cfg)
	l := listen(t)
	w.proxy = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- w.ServeProxy(l) }()
	t.Cleanup(func() {
		closed := make(chan error, 1)
		go func() { closed <- w.Close() }()
		for _, c := range []chan error{closed, served} {
			select {
			case err := <-c:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Error("Close did not end everything")
			}
		}
	})
	return w
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func portOf(a net.Addr) int { return a.(*net.TCPAddr).Port }

func hostList(t testing.TB, entries ...string) []egress.Host {
	t.Helper()
	out, err := egress.ParseHosts(entries)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func allowing(domains ...string) egress.Policy {
	var p egress.Policy
	for _, d := range domains {
		p.Rules = append(p.Rules, egress.Rule{Domain: d, Action: "allow"})
	}
	return p
}

// get fetches url through the proxy.
func (w *way) get(t testing.TB, target string) (status int, body string, header http.Header) {
	t.Helper()
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: w.proxy}), DisableKeepAlives: true}
	c := &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := c.Get(target)
	if err != nil {
		t.Fatalf("get %s: %v", target, err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("get %s: %v", target, err)
	}
	return r.StatusCode, string(b), r.Header
}

// connect asks for a tunnel and returns it with the answer to it.
func (w *way) connect(t testing.TB, target string) (*net.TCPConn, *bufio.Reader, *http.Response) {
	t.Helper()
	return w.say(t, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n", http.MethodConnect)
}

// say sends bytes to the proxy and reads an answer.
func (w *way) say(t testing.TB, request, method string) (*net.TCPConn, *bufio.Reader, *http.Response) {
	t.Helper()
	c, err := net.Dial("tcp", w.proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("answer to %q: %v", request, err)
	}
	return c.(*net.TCPConn), r, resp
}

// hears waits for a denial with this text.
func (w *way) hears(t testing.TB, text string) {
	t.Helper()
	for end := time.After(patience); ; {
		select {
		case got := <-w.denied:
			if got == text {
				return
			}
		case <-end:
			t.Fatalf("no denial %q", text)
		}
	}
}

// echo is a server that sends back what it gets, and says when a connection has ended.
func echo(t testing.TB) net.Listener {
	t.Helper()
	l := listen(t)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l
}

// site is a web server that says what it saw.
func site(t testing.TB) (s *httptest.Server, port int) {
	t.Helper()
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s\n", r.Host, r.RequestURI)
		_ = r.Header.Write(w)
	}))
	t.Cleanup(s.Close)
	return s, portOf(s.Listener.Addr())
}
