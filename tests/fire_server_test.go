package tests

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// target is a server under fire: the real binary as a process of its own, killed and
// started again over one data directory and at one address.
type target struct {
	t      *testing.T
	dir    string
	addr   string
	env    []string
	binary string
	client *http.Client
	ctx    context.Context // ends when the server cannot be started
	giveUp context.CancelFunc

	mu    sync.Mutex // held while the server is being killed and started
	cmd   *exec.Cmd
	kills atomic.Int64
}

const fireToken = "aod_token_of_the_tests_000"

// targets have addresses that no client of this machine gets by chance, so that a
// server that was killed finds its own free.
var targets atomic.Int64

// aim starts a server to fire at.
func aim(t *testing.T, env ...string) *target {
	t.Helper()
	n := targets.Add(1)
	g := &target{
		t: t, dir: dataDir(t), binary: binary, addr: fmt.Sprintf("127.77.%d.%d:%d", n>>8, n&255, 20000+os.Getpid()%40000),
		env:    append([]string{"PATH=" + os.Getenv("PATH"), "AOD_BOOTSTRAP_TOKEN=" + fireToken, "AOD_LOG_FORMAT=text", "AOD_LOG_LEVEL=debug"}, env...),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
	}
	g.ctx, g.giveUp = context.WithCancel(t.Context())
	t.Cleanup(g.giveUp)
	t.Cleanup(g.showLog)
	g.start()
	if t.Failed() {
		t.FailNow()
	}
	t.Cleanup(func() { _ = g.stop(syscall.SIGKILL) })
	return g
}

// start starts the server and returns when it answers.
func (g *target) start() {
	log, err := os.OpenFile(g.dir+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		g.t.Error(err)
		return
	}
	defer log.Close()
	cmd := exec.Command(g.binary, "serve", "--addr", g.addr, "--data-dir", g.dir)
	cmd.Env, cmd.Stderr = append(g.env, "HOME="+g.dir), log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		g.t.Error(err)
		return
	}
	g.cmd = cmd
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if !greeting.MatchString(line) {
		g.t.Errorf("the server does not start: %q %v", line, err)
		g.giveUp()
	}
	go io.Copy(io.Discard, lines)
}

// stop sends a signal to the server and returns how it ended.
func (g *target) stop(how syscall.Signal) error {
	if g.cmd == nil {
		return nil
	}
	cmd := g.cmd
	g.cmd = nil
	if err := cmd.Process.Signal(how); err != nil {
		return err
	}
	return cmd.Wait()
}

// strike kills the server where it stands, does what is to be done while nobody
// serves, and starts it again.
func (g *target) strike(meanwhile ...func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kills.Add(1)
	_ = g.stop(syscall.SIGKILL)
	for _, do := range meanwhile {
		do()
	}
	g.start()
}

// call makes a request, again and again until it is answered: what it asks for has to be safe to repeat, or have
// a key.
func (g *target) call(method, path, body, key string) reply {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.ctx, patience)
	defer cancel()
	for {
		answer, err := g.try(ctx, method, path, body, key)
		if err == nil {
			return answer
		}
		if !pause(ctx, 10*time.Millisecond) {
			g.t.Errorf("%s %s is not answered: %v", method, path, err)
			return reply{t: g.t}
		}
	}
}

func (g *target) try(ctx context.Context, method, path, body, key string) (reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+g.addr+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Authorization", "Bearer "+fireToken)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	answer, err := g.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return reply{}, err
	}
	conforms(g.t, method, path, answer, string(text))
	return reply{g.t, answer.StatusCode, answer.Header, string(text)}, nil
}

// agent creates an agent of runtime shell.
func (g *target) agent(more string) string {
	g.t.Helper()
	return g.call("POST", "/agents", `{"name":"fire","model":"local/bash","runtime":"shell"`+more+`}`, "").want(201).text("id")
}

// pause waits, and reports whether there is still a reason to go on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// nothingLeft fails the test if a Sprite or a process has outlived its session. The
// server is stopped first.
func (g *target) nothingLeft() {
	g.t.Helper()
	g.nothingLeftIn(g.dir)
}

// nothingLeftIn is nothingLeft where the Sprites are in the data directory of a host of their own.
func (g *target) nothingLeftIn(host string) {
	g.t.Helper()
	sprites := func() []string {
		found, err := filepath.Glob(filepath.Join(host, "sprites", "aod-*"))
		if err != nil {
			g.t.Error(err)
		}
		return found
	}
	waitFor(g.t, "Sprites have outlived their sessions", func() bool { return len(sprites()) == 0 })
	if left := sprites(); len(left) > 0 {
		g.t.Errorf("%d Sprites are left: %v", len(left), left)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.stop(syscall.SIGTERM); err != nil {
		g.t.Errorf("the server ends with %v", err)
	}
	waitFor(g.t, "processes have outlived the server and its Sprites", func() bool { return len(processesOf(g.dir)) == 0 })
	if left := processesOf(g.dir); len(left) > 0 {
		g.t.Errorf("%d processes are left: %q", len(left), left)
	}
}

// processesOf lists the processes of this machine that have anything open, or are
// at home, below the folder.
func processesOf(dir string) []string {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, kind := range []string{"cwd", "root"} {
		more, _ := filepath.Glob("/proc/[0-9]*/" + kind)
		links = append(links, more...)
	}
	seen := map[string]string{}
	for _, link := range links {
		pid := strings.Split(link, "/")[2]
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, dir+"/") { // of those that have ended it fails
			name, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			seen[pid] = fmt.Sprintf("%s %s %s", pid, strings.ReplaceAll(string(name), "\x00", " "), to)
		}
	}
	var all []string
	for _, text := range seen {
		all = append(all, text)
	}
	return all
}

// showLog shows the end of what all the processes logged, if the test has failed.
func (g *target) showLog() {
	text, err := os.ReadFile(g.dir + ".log")
	if g.t.Failed() {
		g.t.Logf("log of the server: %v\n%s", err, text[max(0, len(text)-32<<10):])
	}
	_ = os.Remove(g.dir + ".log")
}
