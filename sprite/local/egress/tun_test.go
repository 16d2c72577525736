package egress_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/agent-on-demand/aod/sprite/local/egress"
)

// inWorld tells a test, started again, that the network is its own.
const inWorld = "AOD_TEST_WORLD"

// world starts the calling test again in a network namespace of its own, in which every address of 203.0.113.0/24 answers and yet is on no
// interface, so that it is public to the egress. In there world returns true.
func world(t *testing.T, uid uint32) bool {
	t.Helper()
	if os.Getenv(inWorld) != "" {
		if err := egress.LoopbackUp(); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("ip", "route", "add", "local", "203.0.113.0/24", "dev", "lo").CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "aod-egress-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "egress.test")
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(binary, b, 0o755), os.Chown(dir, int(uid), int(uid))); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, binary, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = dir
	cmd.Env = []string{inWorld + "=1", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + dir, "TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if uid != 0 { // through unshare(1), which makes the user namespace as that user
		cmd = exec.CommandContext(ctx, "unshare", append([]string{"--user", "--map-root-user", "--net"}, cmd.Args...)...)
		cmd.Dir, cmd.Env = dir, []string{inWorld + "=1", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + dir, "TMPDIR=" + dir}
		if os.Geteuid() != int(uid) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

// inside is a Sprite's network namespace, and the one thread that is in it.
type inside struct {
	calls chan func()
	fd    int // of the TUN device, or -1
	err   error
	proxy net.Listener
}

// enter makes a network namespace with loopback, a listener for the proxy and, where that can be had, a TUN device.
func enter(t testing.TB) *inside {
	t.Helper()
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver "+egress.Nameserver+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	in := &inside{calls: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		ready <- func() (err error) {
			if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
				return err
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return err
			}
			if err := unix.Mount(resolv, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
				return err
			}
			if err := egress.LoopbackUp(); err != nil {
				return err
			}
			in.fd, in.err = egress.OpenTUN()
			in.proxy, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", egress.ProxyPort))
			return err
		}()
		for call := range in.calls {
			call()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(in.calls) })
	return in
}

// do calls f in the namespace.
func (in *inside) do(f func()) {
	done := make(chan struct{})
	in.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

// run starts a program in the namespace, and says what it said and how long it took.
func (in *inside) run(t testing.TB, env []string, args ...string) (out string, code int, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"))
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	start := time.Now()
	var err error
	in.do(func() { err = cmd.Start() })
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return b.String(), cmd.ProcessState.ExitCode(), time.Since(start)
}

// publish serves HTTP and echoes UDP on a public address.
func publish(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "203.0.113.5:80")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from %s\n", r.Host)
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	u, err := net.ListenPacket("udp", "203.0.113.5:4000")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for b := make([]byte, 1<<16); ; {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(b[:n], from)
		}
	}()
	t.Cleanup(func() { _ = u.Close() })
}

func serveInside(t testing.TB, w *way, in *inside) {
	t.Helper()
	served := make(chan error, 2)
	go func() { served <- w.ServeProxy(in.proxy) }()
	if in.fd >= 0 {
		go func() { served <- w.ServeTUN(in.fd) }()
	} else {
		served <- nil
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		for range cap(served) {
			select {
			case err := <-served:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Error("Close did not end everything")
			}
		}
	})
}

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
		in.do(func() { c, err = net.Dial(network, egress.Nameserver+":53") })
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
