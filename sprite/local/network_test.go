package local_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/superfly/sprites-go"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// names answers lookups of the names in the map, as a server on this machine.
func names(t *testing.T, addresses map[string]string) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.RCode, m.Additionals = true, dnsmessage.RCodeNameError, nil
			if ip := net.ParseIP(addresses[strings.TrimSuffix(q.Name.String(), ".")]); ip != nil {
				m.RCode = dnsmessage.RCodeSuccess
				if q.Type == dnsmessage.TypeA {
					m.Answers = []dnsmessage.Resource{{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: [4]byte(ip.To4())},
					}}
				}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// site is a web server on this machine's loopback, with a file, a git repository and an npm package.
func site(t *testing.T) (port string) {
	t.Helper()
	dir := t.TempDir()
	for _, argv := range [][]string{
		{"init", "-q", "-b", "main", "work"}, {"-C", "work", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "hello"},
		{"clone", "-q", "--bare", "work", "repo.git"}, {"-C", "repo.git", "update-server-info"},
	} {
		cmd := exec.Command("git", argv...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", argv, err, out)
		}
	}
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	pack := tar.NewWriter(zip)
	manifest := `{"name":"hello","version":"1.0.0","bin":{"hello":"cli.js"}}`
	for name, text := range map[string]string{"package/package.json": manifest, "package/cli.js": "#!/usr/bin/env node\nconsole.log('hello from npm')\n"} {
		if err := pack.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(pack, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := pack.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	mux.Handle("/repo.git/", http.FileServer(http.Dir(dir)))
	mux.HandleFunc("/hello.tgz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive.Bytes()) })
	mux.HandleFunc("/npm/hello", func(w http.ResponseWriter, r *http.Request) {
		sum := sha512.Sum512(archive.Bytes())
		fmt.Fprintf(w, `{"name":"hello","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"hello","version":"1.0.0","bin":{"hello":"cli.js"},
			"dist":{"tarball":"http://%s/hello.tgz","integrity":"sha512-%s"}}}}`, r.Host, base64.StdEncoding.EncodeToString(sum[:]))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// limited opens a host whose Sprite "net" may reach model.test, as far as the operator lets it, rebind.test and meta.test.
func limited(t *testing.T, rules ...sprites.NetworkPolicyRule) (m *machine, port string) {
	t.Helper()
	port = site(t)
	opts := options(t)
	opts.Nameserver = names(t, map[string]string{
		"model.test": "127.0.0.1", "www.model.test": "127.0.0.1", "denied.test": "127.0.0.1", "rebind.test": "127.0.0.1", "meta.test": "169.254.169.254",
	})
	opts.AllowHosts = []string{"model.test:" + port, "www.model.test:" + port, "denied.test:" + port}
	m = openWith(t, opts)
	m.create(t, "net")
	if len(rules) > 0 {
		m.allow(t, rules...)
	}
	return m, port
}

func (m *machine) allow(t *testing.T, rules ...sprites.NetworkPolicyRule) {
	t.Helper()
	if err := m.client.UpdateNetworkPolicy(t.Context(), "net", &sprites.NetworkPolicy{Rules: rules}); err != nil {
		t.Fatal(err)
	}
}

func allowed(names ...string) []sprites.NetworkPolicyRule {
	var rules []sprites.NetworkPolicyRule
	for _, n := range names {
		rules = append(rules, sprites.NetworkPolicyRule{Domain: n, Action: "allow"})
	}
	return append(rules, sprites.NetworkPolicyRule{Domain: "*", Action: "deny"})
}

// hasTUN says whether Sprites of this user have an interface, for programs that ask no proxy.
func hasTUN() bool {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// tools are programs that people run in Sprites, each with how it reaches http://NAME:PORT. Where proxied is false the program asks no proxy.
var tools = []struct {
	name    string
	script  string
	want    string
	proxied bool
}{
	{"curl", `curl -sS http://$1:$2/hello`, "hello", true},
	{"curl past the proxy", `curl --noproxy '*' -sS http://$1:$2/hello`, "hello", false},
	{"git", `rm -rf /tmp/repo; git clone -q http://$1:$2/repo.git /tmp/repo && git -C /tmp/repo log --format=%s`, "hello\n", true},
	{"npm", `npm view --loglevel=error --registry=http://$1:$2/npm/ --fetch-retries=0 hello version`, "1.0.0\n", true},
	{"node", `node -e 'fetch("http://'$1:$2'/hello").then(r => r.text()).then(t => process.stdout.write(t), e => { console.error(String(e.cause)); process.exit(1) })'`, "hello", false},
	{"python", `/usr/bin/python3 -c 'import sys, urllib.request as u; print(u.urlopen("http://%s:%s/hello" % tuple(sys.argv[1:3])).read().decode())' $1 $2`, "hello\n", true},
}

func TestLimitedNetwork(t *testing.T) {
	t.Parallel()
	m, port := limited(t, allowed("model.test", "*.model.test", "rebind.test", "meta.test")...)
	for _, tool := range tools {
		t.Run(tool.name, func(t *testing.T) {
			t.Parallel()
			try := func(name string) result {
				return m.run(t.Context(), "net", nil, "timeout", "20", "sh", "-c", tool.script, "sh", name, port)
			}
			if tool.proxied || hasTUN() {
				if r := try("model.test"); r.code != 0 || r.stdout != tool.want {
					t.Errorf("an allowed name: exit %d, %v: %s%s", r.code, r.err, r.stdout, r.stderr)
				}
			}
			r := try("denied.test")
			if r.code == 124 || r.stdout == tool.want {
				t.Errorf("a denied name: exit %d, %v: %s%s", r.code, r.err, r.stdout, r.stderr)
			}
			if hasTUN() || tool.proxied {
				if reason := "denied.test:" + port + " is not on this sprite's network allow-list"; !strings.Contains(r.stderr+r.stdout, reason) && !strings.Contains(r.stderr, "denied.test is not on this sprite's") {
					t.Errorf("no reason in: %s%s", r.stdout, r.stderr)
				}
			}
		})
	}
}

func TestLimitedNetworkHasNoWayAround(t *testing.T) {
	t.Parallel()
	m, port := limited(t, allowed("model.test", "*.wild.test", "rebind.test", "meta.test")...)
	get := func(t *testing.T, how, host string) string {
		t.Helper()
		r := m.run(t.Context(), "net", nil, "sh", "-c", "curl -sS -m 10 "+how+" http://"+host+"/hello 2>&1; echo; curl -sS -o /dev/null -m 10 "+how+" -p http://"+host+"/hello")
		return r.stdout + r.stderr
	}
	for host, reason := range map[string]string{
		"www.model.test:" + port:     "www.model.test:" + port + " is not on this sprite's network allow-list",
		"wild.test":                  "wild.test:80 is not on this sprite's network allow-list",
		"model.test:1":               "model.test:1 is not on this sprite's network allow-list",
		"rebind.test":                "rebind.test resolves to 127.0.0.1, a private or local address",
		"meta.test":                  "meta.test resolves to 169.254.169.254, a private or local address",
		"127.0.0.1:" + port:          "IP addresses are not allowed",
		"2130706433:" + port:         "IP addresses are not allowed",
		"0x7f.1:" + port:             "IP addresses are not allowed",
		"0177.0.0.01:" + port:        "IP addresses are not allowed",
		"[::1]:" + port:              "IP addresses are not allowed",
		"[::ffff:127.0.0.1]:" + port: "IP addresses are not allowed",
		"169.254.169.254":            "IP addresses are not allowed",
		"203.0.113.7":                "IP addresses are not allowed",
		"localhost:" + port:          "not on this sprite's network allow-list",
		"model.test@denied.test":     "denied.test:80 is not on this sprite's network allow-list",
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			// The proxy is asked for local addresses too: nothing answers on the Sprite's own.
			if got := get(t, "--noproxy ''", host); !strings.Contains(got, reason) || strings.HasPrefix(got, "hello") {
				t.Errorf("%s", got)
			}
			if got := get(t, "--noproxy '*'", host); strings.HasPrefix(got, "hello") {
				t.Errorf("past the proxy: %s", got)
			}
		})
	}
	// Neither packets nor sockets of the host's network are in reach.
	abstract, err := net.Listen("unix", "@aod-test-"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	got := m.sh(t, "net", `perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0); print connect($s, pack_sockaddr_un("\0aod-test-`+port+`")) ? "connected\n" : "no socket\n"'
		perl -MSocket -e 'socket(my $s, AF_INET, SOCK_DGRAM, 0); send($s, "x", 0, pack_sockaddr_in(53, inet_aton("8.8.8.8"))); my $r = ""; vec($r, fileno($s), 1) = 1; print select($r, undef, undef, 0.3) && defined recv($s, my $b, 99, 0) ? "answered\n" : "no answer\n"'
		awk -F: 'NR > 2 { print $1 }' /proc/net/dev | grep -v -e lo -e eth0; true`)
	if got != "no socket\nno answer\n" {
		t.Errorf("%s", got)
	}
}

// Unrestricted is what is public: this machine and the networks around it are not.
func TestUnrestrictedNetworkIsPublic(t *testing.T) {
	t.Parallel()
	m, port := limited(t)
	for host, want := range map[string]string{
		"model.test:" + port:  "hello",
		"127.0.0.1:" + port:   "127.0.0.1 is a private or local address",
		"10.0.0.1":            "10.0.0.1 is a private or local address",
		"169.254.169.254":     "169.254.169.254 is a private or local address",
		"[::ffff:7f00:1]":     "127.0.0.1 is a private or local address",
		"rebind.test:" + port: "rebind.test resolves to 127.0.0.1, a private or local address",
	} {
		if got := m.sh(t, "net", "curl -sS -m 10 --noproxy '' http://"+host+"/hello 2>&1; true"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", host, got)
		}
	}
	if got := m.sh(t, "net", "curl -sS -m 10 --noproxy '*' http://model.test:"+port+"/hello 2>&1; true"); hasTUN() && got != "hello" {
		t.Errorf("past the proxy: %s", got)
	}
}

// What is refused is said among the error output of what runs in the Sprite.
func TestDenialsAreSeen(t *testing.T) {
	t.Parallel()
	m, _ := limited(t, allowed("model.test")...)
	r := m.run(t.Context(), "net", nil, "sh", "-c", "curl -s http://denied.test/ > /dev/null; read end; exit 3")
	if want := "aod: denied.test:80 is not on this sprite's network allow-list\n"; r.stderr != want || r.code != 3 && r.code != 1 {
		t.Errorf("exit %d, %v: %q", r.code, r.err, r.stderr)
	}
}

// A policy reaches a Sprite that runs, and what it forbids is cut.
func TestPolicyReachesARunningSprite(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "begun")
		if r.URL.Path == "/short" {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-held:
		}
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(held) })
	_, port, err := net.SplitHostPort(slow.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	opts := options(t)
	opts.AllowHosts = []string{"model.test:" + port + "=127.0.0.1", "127.0.0.1:" + port}
	m := openWith(t, opts)
	m.create(t, "net")
	ready := newWatcher("begun\n")
	cmd, _, _, err := m.start(t.Context(), "net", func(c *sprites.Cmd) { c.Stdout = ready }, "sh", "-c", "curl -sS -N http://model.test:"+port+"/; echo code $?; read end; exit 4")
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	m.allow(t, allowed("other.test")...)
	_ = cmd.Wait()
	if got := ready.String(); !strings.HasPrefix(got, "begun\ncode ") || strings.Contains(got, "code 0") {
		t.Errorf("%q", got)
	}
	policy, err := m.client.GetNetworkPolicy(t.Context(), "net")
	if err != nil || len(policy.Rules) != 2 || policy.Rules[0].Domain != "other.test" {
		t.Errorf("%+v %v", policy, err)
	}
	if got := m.sh(t, "net", "cat /.sprite/policy/network.json; echo x > /.sprite/policy/network.json; true"); got != `{"rules":[{"domain":"other.test","action":"allow"},{"domain":"*","action":"deny"}]}`+"\n" {
		t.Errorf("inside: %s", got)
	}
	// Loopback of the host that the operator lets in is at the same address inside, if the policy has it.
	if got := m.sh(t, "net", "curl -s -m 10 http://127.0.0.1:"+port+"/short; echo code $?"); strings.Contains(got, "begun") {
		t.Errorf("forward: %q", got)
	}
	m.allow(t, allowed("127.0.0.1:"+port)...)
	if got := m.sh(t, "net", "curl -s -m 10 http://127.0.0.1:"+port+"/short"); got != "begun\n" {
		t.Errorf("forward: %q", got)
	}
	for body, want := range map[string]string{
		`{"rules":[{"domain":"x.test"}]}`:                        "invalid policy: ",
		`{"rules":[{"domain":"x.test","action":"allow","z":1}]}`: "the body must be a JSON object",
		`{"rules":[{"domain":"bad name","action":"allow"}]}`:     "invalid policy: ",
	} {
		if status, text := m.request(t, "POST", "/v1/sprites/net/policy/network", body, token); status != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
}

// A policy is the Sprite's, not its shim's: the next one starts under it.
func TestPolicyOutlivesTheShim(t *testing.T) {
	t.Parallel()
	m, port := limited(t, allowed("model.test")...)
	shim, init := pids(t, m, "net")
	if err := unix.Kill(shim, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	untilGone(t, init)
	for name, want := range map[string]string{"model.test": "hello", "denied.test": "denied.test:" + port + " is not on this sprite's network allow-list"} {
		if got := m.sh(t, "net", "curl -sS -m 10 -p http://"+name+":"+port+"/hello 2>&1; curl -sS -m 10 http://"+name+":"+port+"/hello 2>&1; true"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What package managers install is there for the next command, and not on the host.
func TestPackagesPersist(t *testing.T) {
	t.Parallel()
	m, port := limited(t)
	m.sh(t, "net", "npm install -g --no-audit --no-fund --loglevel=error --registry=http://model.test:"+port+"/npm/ hello")
	if got := m.sh(t, "net", "hello"); got != "hello from npm\n" {
		t.Errorf("npm: %q", got)
	}
	if path, err := exec.LookPath("hello"); err == nil {
		t.Errorf("npm has installed to the host: %s", path)
	}
}
