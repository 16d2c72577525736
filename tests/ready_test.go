package tests

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-on-demand/aod/server"
)

const (
	readyBody    = `{"status":"ok","checks":{"serving":"ok","sessions":"ok","store":"ok","encryption":"ok"}}` + "\n"
	stoppingBody = `{"status":"unavailable","checks":{"serving":"failed","sessions":"ok","store":"ok","encryption":"ok"}}` + "\n"
	brokenBody   = `{"status":"unavailable","checks":{"serving":"ok","sessions":"ok","store":"ok","encryption":"failed"}}` + "\n"
	unableBody   = `{"status":"unavailable","checks":{"serving":"ok","sessions":"failed","store":"ok","encryption":"ok"}}` + "\n"
)

// ready waits until requests should be sent to the server.
func (a *api) ready() {
	a.t.Helper()
	waitFor(a.t, "the server does not become ready", func() bool { return a.get("/readyz").status == 200 })
}

// operator is the same server at its admin listener.
func (a *api) operator() *api {
	other := *a
	other.url, other.token = a.admin, ""
	return &other
}

func TestProbes(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.AdminAddr = "127.0.0.1:0" })
	a.ready()
	everywhere := func(check func(a *api)) {
		check(a.as(""))
		check(a.operator())
	}
	everywhere(func(a *api) {
		if got := a.get("/livez").want(200); got.body != `{"status":"ok"}`+"\n" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("got %v %s", got.header, got.body)
		}
		if got := a.get("/readyz").want(200); got.body != readyBody || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("got %v %s", got.header, got.body)
		}
	})
	for _, path := range []string{"/livez", "/readyz"} {
		got := a.as("").post(path, "")
		got.detail(405, "Method not allowed")
		if allow := got.header.Get("Allow"); allow != "GET" {
			t.Errorf("%s allows %q", path, allow)
		}
	}
	a.sql("UPDATE settings SET value = x'00' WHERE name = 'canary'")
	everywhere(func(a *api) {
		if got := a.get("/readyz").want(503); got.body != brokenBody {
			t.Errorf("got %s", got.body)
		}
		a.get("/livez").want(200)
	})
}

// What shows the insides of the server is on the admin listener, and the API is not.
func TestProfilesAreForTheOperatorAlone(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.AdminAddr = "127.0.0.1:0" })
	for path, want := range map[string]string{
		"/metrics": "aod_build_info", "/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile: total", "/debug/pprof/heap": "", "/debug/pprof/symbol": "num_symbols: 1",
	} {
		a.get(path).detail(404, "Not found")
		if got := a.operator().get(path).want(200); !strings.Contains(got.body, want) {
			t.Errorf("%s: %.200s", path, got.body)
		}
	}
	for _, path := range []string{"/agents", "/health", "/openapi.yaml", "/"} { // not as the document has it
		answer := a.operator().send(t.Context(), "GET", path, "", nil)
		answer.Body.Close()
		if answer.StatusCode != 404 {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	a.operator().post("/metrics", "").want(405)
	if closed := start(t); closed.admin != "" {
		t.Errorf("there is an admin listener at %s that nobody has asked for", closed.admin)
	}
}

func TestBadAdminAddressIsRefusedInOneLine(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for addr, want := range map[string]string{
		"9090":           "AOD_ADMIN_ADDR: address 9090: missing port in address",
		"localhost:8777": "AOD_ADMIN_ADDR: it is the same address as AOD_ADDR, 127.0.0.1:8777; choose another port, as in 127.0.0.1:9090",
		taken.Addr().String(): "listen for the operator (choose another address with --admin-addr or AOD_ADMIN_ADDR): listen tcp " +
			taken.Addr().String() + ": bind: address already in use",
	} {
		for _, how := range [][]string{{"AOD_ADMIN_ADDR=" + addr}, nil} {
			args := []string{"serve", "--data-dir", t.TempDir()}
			if how == nil {
				args = append(args, "--admin-addr", addr)
			}
			out, words, err := aod(t, how, args...)
			if err == nil || out != "" || words != "aod: "+want+"\n" {
				t.Errorf("%s: %v %q %q, want %q", addr, err, out, words, want)
			}
		}
	}
}

func TestAdminListenerForEverybodyIsWarnedOf(t *testing.T) {
	t.Parallel()
	for addr, warned := range map[string]bool{":0": true, "127.0.0.1:0": false} {
		a := spawn(t, os.Getuid(), "AOD_ADMIN_ADDR="+addr)
		if !strings.HasPrefix(a.admin, "http://localhost:") {
			t.Errorf("the admin listener is at %q", a.admin)
		}
		a.operator().get("/livez").want(200)
		if err := a.signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if log := a.log(); strings.Contains(log, `"level":"WARN","msg":"the admin listener asks for no token and can be reached from other machines`) != warned {
			t.Errorf("%s: %s", addr, log)
		}
	}
}

// A server that is told to stop is unready at once and for as long as it is there: streams
// end, and what has begun is answered.
func TestStoppingServerIsNotReady(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a := spawnIn(t, dir, os.Getuid(), "AOD_ADMIN_ADDR=127.0.0.1:0")
	a.ready()
	stream := a.stream(a.session("sleep 1000"))
	stream.until(func(e event) bool { return e.Stage == "runtime_start" })

	const body = `{"name":"late","model":"local/bash","runtime":"shell"}`
	begun, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer begun.Close()
	fmt.Fprintf(begun, "POST /agents HTTP/1.1\r\nHost: aod\r\nExpect: 100-continue\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", a.token, len(body))
	answers := bufio.NewReader(begun)
	if line, err := answers.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" { // so it is in its handler
		t.Fatal(line, err)
	}
	if _, err := answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}

	ended := make(chan error, 1)
	go func() { ended <- a.signal(syscall.SIGTERM) }()
	waitFor(t, "a server that stops is ready", func() bool { return a.operator().get("/readyz").status == 503 })
	if got := a.operator().get("/readyz"); got.body != stoppingBody {
		t.Errorf("got %s", got.body)
	}
	a.operator().get("/livez").want(200)
	a.operator().get("/metrics").want(200)
	for _, e := range stream.rest() {
		t.Errorf("the stream has %+v after the signal", e)
	}
	fmt.Fprint(begun, body)
	answer, err := http.ReadResponse(answers, nil)
	if err != nil || answer.StatusCode != 201 {
		t.Errorf("what had begun: %v %v", answer, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, a.log())
	}
	spawnIn(t, dir, os.Getuid()) // ends the session
}
