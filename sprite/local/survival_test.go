package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local"
	"github.com/superfly/sprites-go"
	"golang.org/x/sys/unix"
)

// hostDir makes the test binary a host over that folder, which listens on host.sock in it and lives until it is killed.
const (
	hostDir      = "AOD_TEST_HOST_DIR"
	hostSkeleton = "AOD_TEST_HOST_SKELETON"
)

func serveHost(dir string) error {
	h, err := local.Open(context.Background(), local.Options{
		Dir: filepath.Join(dir, "sprites"), Skeleton: os.Getenv(hostSkeleton), Token: token, Idle: time.Minute, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	ln, err := net.Listen("unix", filepath.Join(dir, "host.sock"))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		far, err := ln.Accept()
		if err != nil {
			return err
		}
		near, err := h.DialContext(context.Background(), "", "")
		if err != nil {
			return err
		}
		go func() { _, _ = io.Copy(near, far); near.Close() }()
		go func() { _, _ = io.Copy(far, near); far.Close() }()
	}
}

// killable is a host in a process of its own.
type killable struct {
	*machine
	dir string
	cmd *exec.Cmd
}

func openKillable(t *testing.T) *killable {
	t.Helper()
	k := &killable{dir: t.TempDir()}
	k.machine = &machine{opts: local.Options{Dir: filepath.Join(k.dir, "sprites")}, reach: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(k.dir, "host.sock"))
	}}
	k.client = sprites.New(token, sprites.WithBaseURL("http://localhost"), sprites.WithDisableControl(),
		sprites.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: k.reach, DisableKeepAlives: true}}))
	k.start(t)
	t.Cleanup(func() { k.kill(t) })
	return k
}

func (k *killable) start(t *testing.T) {
	t.Helper()
	if err := os.Remove(filepath.Join(k.dir, "host.sock")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	k.cmd = exec.Command("/proc/self/exe")
	k.cmd.Env = append(os.Environ(), hostDir+"="+k.dir, hostSkeleton+"="+skeleton)
	k.cmd.Stderr = os.Stderr
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := io.ReadAll(io.LimitReader(out, 6)); string(line) != "ready\n" {
		t.Fatalf("the host says %q, %v", line, err)
	}
}

func (k *killable) kill(t *testing.T) {
	t.Helper()
	if err := k.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = k.cmd.Wait() // killed
}

// reader is a client's view of a session over as many connections as it takes.
type reader struct {
	mu        sync.Mutex
	more      sync.Cond
	out, errs bytes.Buffer
	id        chan string
	once      sync.Once
}

func newReader() *reader {
	r := &reader{id: make(chan string, 1)}
	r.more.L = &r.mu
	return r
}

func (r *reader) prepare(c *sprites.Cmd) {
	c.Stdout, c.Stderr = locked{r, &r.out}, locked{r, &r.errs}
	c.TextMessageHandler = func(b []byte) {
		var m struct {
			ID string `json:"session_id"`
		}
		if json.Unmarshal(b, &m) == nil && m.ID != "" {
			r.once.Do(func() { r.id <- m.ID })
		}
	}
}

func (r *reader) seen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Len() + r.errs.Len()
}

// await returns when so many bytes have come.
func (r *reader) await(bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.out.Len()+r.errs.Len() < bytes {
		r.more.Wait()
	}
}

type locked struct {
	*reader
	b *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.more.Broadcast()
	return l.b.Write(b)
}

// numbered writes so many numbered lines to both outputs, now and then resting, and ends with 7.
const numbered = `i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; [ $((i%3)) -eq 0 ] && echo $i >&2; [ $((i%500)) -eq 0 ] && sleep 0.01; done; exit 7`

// A host that is killed while a command runs takes nothing with it: the next host has the rest of the output, once, and the exit code.
func TestKilledHostLosesNothing(t *testing.T) {
	t.Parallel()
	killedHost(t, 50)
}

func killedHost(t *testing.T, times int) {
	t.Helper()
	var out, errs strings.Builder
	for i := 1; i <= 3000; i++ {
		fmt.Fprintln(&out, i)
		if i%3 == 0 {
			fmt.Fprintln(&errs, i)
		}
	}
	k := openKillable(t)
	k.create(t, "survivor")
	for round := range times {
		r := newReader()
		cmd, _, _, err := k.startQuery(t.Context(), "survivor", "max_run_after_disconnect=0", r.prepare, "sh", "-c", numbered)
		if err != nil {
			t.Fatal(err)
		}
		id := <-r.id
		r.await(rand.IntN(out.Len() + errs.Len()))
		k.kill(t)
		_ = cmd.Wait() // the connection is gone
		k.start(t)
		seen := r.seen()
		cmd, _, _, err = k.attach(t.Context(), "survivor", id, seen, r.prepare)
		if err != nil {
			t.Fatalf("round %d, after %d bytes: %v", round, seen, err)
		}
		_ = cmd.Wait()
		if cmd.ExitCode() != 7 || r.out.String() != out.String() || r.errs.String() != errs.String() {
			t.Fatalf("round %d, killed after %d bytes: exit %d, %d and %d bytes instead of %d and %d", round, seen, cmd.ExitCode(), r.out.Len(), r.errs.Len(), out.Len(), errs.Len())
		}
	}
	if err := k.client.DeleteSprite(t.Context(), "survivor"); err != nil {
		t.Error(err)
	}
}

// A session can be joined again, from any byte on, while it runs and for some time after; what it was has no more end than one.
func TestSessionsCanBeJoined(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "join")
	r := newReader()
	in, feed := io.Pipe()
	first, _, _, err := m.start(t.Context(), "join", func(c *sprites.Cmd) { r.prepare(c); c.Stdin = in }, "sh", "-c", "echo one; read x; echo $x; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	id := <-r.id
	ready := newWatcher("one\n")
	second, _, _, err := m.attach(t.Context(), "join", id, 0, func(c *sprites.Cmd) { c.Stdout = ready })
	if err != nil {
		t.Fatal(err)
	}
	ready.wait(t)
	third, out, _, err := m.attach(t.Context(), "join", id, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(feed, "two\n"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*sprites.Cmd{first, second, third} {
		if _ = c.Wait(); c.ExitCode() != 3 {
			t.Errorf("exit %d", c.ExitCode())
		}
	}
	if err := feed.Close(); err != nil {
		t.Error(err)
	}
	if r.out.String() != "one\ntwo\n" || ready.String() != "one\ntwo\n" || out.String() != "e\ntwo\n" {
		t.Errorf("%q, %q, %q", r.out.String(), ready.String(), out.String())
	}
	for offset, want := range map[int]string{0: "one\ntwo\n", 5: "wo\n", 8: ""} {
		again, out, _, err := m.attach(t.Context(), "join", id, offset, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _ = again.Wait(); again.ExitCode() != 3 || out.String() != want {
			t.Errorf("from %d: exit %d, %q", offset, again.ExitCode(), out.String())
		}
	}
	for path, want := range map[string]string{
		"/exec/none": "session_not_found", "/exec?id=..%2fshim": "session_not_found", "/exec/" + id + "?output_offset=9": "bad_request",
		"/exec/" + id + "?output_offset=x": "bad_request",
	} {
		if status, body := m.upgrade(t, "/v1/sprites/join"+path); !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// upgrade asks for a WebSocket that will be refused.
func (m *machine) upgrade(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"Authorization": "Bearer " + token, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
	} {
		req.Header.Set(k, v)
	}
	resp, err := (&http.Transport{DialContext: m.reach, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// A command that nobody reads goes on, and what is kept of its output is the newest.
func TestUnreadOutputIsBounded(t *testing.T) {
	t.Parallel()
	m := open(t)
	m.create(t, "unread")
	r := newReader()
	ctx := context.WithValue(t.Context(), holderKey{}, &connection{})
	quiet, feed := io.Pipe()
	defer feed.Close()
	cmd, _, _, err := m.startQuery(ctx, "unread", "max_run_after_disconnect=0", func(c *sprites.Cmd) { r.prepare(c); c.Stdin = quiet },
		"sh", "-c", "echo begin; sleep 0.3; head -c 200000000 /dev/zero; echo end")
	if err != nil {
		t.Fatal(err)
	}
	id := <-r.id
	if err := ctx.Value(holderKey{}).(*connection).Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	var first struct {
		Offset int `json:"output_offset"`
	}
	m.untilOver(t, "unread", id)
	again, out, _, err := m.attach(t.Context(), "unread", id, 0, func(c *sprites.Cmd) {
		c.TextMessageHandler = func(b []byte) {
			if first.Offset == 0 {
				_ = json.Unmarshal(b, &first)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Wait()
	const whole = len("begin\n") + 200000000 + len("end\n")
	if again.ExitCode() != 0 || first.Offset+out.Len() != whole || out.Len() < 60<<20 || out.Len() > 70<<20 || !strings.HasSuffix(out.String(), "\x00end\n") {
		t.Errorf("exit %d, %d bytes from %d on of %d", again.ExitCode(), out.Len(), first.Offset, whole)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(m.opts.Dir, "unread", "sessions", id), &st); err != nil || st.Blocks*512 > 80<<20 {
		t.Errorf("the journal takes %d bytes: %v", st.Blocks*512, err)
	}
}

// untilOver returns when a session is not listed any more.
func (m *machine) untilOver(t *testing.T, sprite, id string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		listed := false
		for _, s := range m.sessions(t, sprite) {
			listed = listed || s.ID == id
		}
		if !listed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("session %s goes on", id)
		}
	}
}

// What dies with its shim is lost, and said to be, not made up.
func TestSessionsOfADeadShimAreLost(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct{ boot, want string }{
		"shim":   {"", "the process that served the sprite was ended"},
		"reboot": {"another boot", "this machine was restarted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t)
			m.create(t, "dead")
			r := newReader()
			quiet, feed := io.Pipe()
			defer feed.Close()
			cmd, _, _, err := m.start(t.Context(), "dead", func(c *sprites.Cmd) { r.prepare(c); c.Stdin = quiet }, "sh", "-c", "setsid sleep 4717 & echo begun; sleep 4717")
			if err != nil {
				t.Fatal(err)
			}
			id := <-r.id
			shim, init := pids(t, m, "dead")
			if change.boot == "" { // it need not notice by itself
				if err := unix.Kill(init, unix.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			if err := unix.Kill(shim, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if cmd.ExitCode() != -1 {
				t.Errorf("exit %d", cmd.ExitCode())
			}
			untilGone(t, init)
			if change.boot != "" {
				path := filepath.Join(m.opts.Dir, "dead", "shim.json")
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, bytes.ReplaceAll(b, bytes.TrimSpace(boot), []byte(change.boot)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // cold, and served by the next shim
				if status, body := m.upgrade(t, "/v1/sprites/dead/exec/"+id); status != http.StatusGone || !strings.Contains(body, change.want) {
					t.Errorf("%d %s", status, body)
				}
				if got := m.sh(t, "dead", processes); count(got, "sleep 4717") > 0 {
					t.Errorf("left over:\n%s", got)
				}
			}
		})
	}
}

// untilGone returns when a process has ended.
func untilGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Second); ; {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives a second after its shim", pid)
		}
	}
}
