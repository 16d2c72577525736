package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/sprite/local"
	"github.com/gorilla/websocket"
	"github.com/superfly/sprites-go"
)

const token = "test-token"

// patience ends what a broken host would leave hanging, and lets the cleanup run. It is longer than a Sprite's usage of the disk may go
// unmeasured, a minute, while others free as much space as it takes.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	if dir := os.Getenv(hostDir); dir != "" {
		fmt.Fprintln(os.Stderr, serveHost(dir))
		os.Exit(1)
	}
	websocket.DefaultDialer.WriteBufferPool = new(sync.Pool)
	dir, err := os.MkdirTemp("", "aod-skeleton-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	skeleton = filepath.Join(dir, "skeleton")
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// skeleton is built once for all tests: it takes an ordinary user seconds.
var skeleton string

// machine is a host and a client of it.
type machine struct {
	*local.Host // nil if it is another process
	client      *sprites.Client
	opts        local.Options
	reach       func(ctx context.Context, network, addr string) (net.Conn, error)
}

func options(t *testing.T) local.Options {
	t.Helper()
	return local.Options{
		Dir: t.TempDir(), Skeleton: skeleton, Token: token, Idle: time.Minute,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// open starts a host over a fresh folder; every Sprite that is left at the end is destroyed.
func open(t *testing.T) *machine {
	t.Helper()
	return openWith(t, options(t))
}

func openWith(t *testing.T, opts local.Options) *machine {
	t.Helper()
	h, err := local.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{Host: h, opts: opts, reach: h.DialContext}
	transport := &http.Transport{DialContext: h.DialContext}
	m.client = sprites.New(token, sprites.WithBaseURL("http://localhost"), sprites.WithDisableControl(),
		sprites.WithHTTPClient(&http.Client{Transport: transport, Timeout: patience}), sprites.WithNetDialContext(m.dial))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if list, err := m.client.ListSprites(ctx, nil); err == nil {
			for _, s := range list.Sprites {
				if err := m.client.DeleteSprite(ctx, s.Name); err != nil {
					t.Errorf("destroy %s: %v", s.Name, err)
				}
			}
		}
		transport.CloseIdleConnections()
		if err := h.Close(ctx); err != nil {
			t.Errorf("close host: %v", err)
		}
	})
	return m
}

// dial obeys the value that start puts into the context, because the SDK's global dialer may carry the hook of another test's client.
func (m *machine) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if of, ok := ctx.Value(hostKey{}).(*machine); ok {
		m = of
	}
	c, err := m.reach(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if holder, ok := ctx.Value(holderKey{}).(*connection); ok {
		holder.Conn = c
	}
	return c, nil
}

type hostKey struct{}

// connection catches what is dialled, so that a test can hang up.
type connection struct{ net.Conn }

type holderKey struct{}

// create makes a Sprite.
func (m *machine) create(t *testing.T, name string) {
	t.Helper()
	if _, err := m.client.CreateSprite(t.Context(), name, nil); err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
}

// result is what came of an exec.
type result struct {
	stdout, stderr string
	code           int
	err            error
}

func (m *machine) start(ctx context.Context, sprite string, prepare func(*sprites.Cmd), argv ...string) (*sprites.Cmd, *bytes.Buffer, *bytes.Buffer, error) {
	return m.startQuery(ctx, sprite, "", prepare, argv...)
}

// startQuery adds parameters that the SDK has no field for.
func (m *machine) startQuery(ctx context.Context, sprite, query string, prepare func(*sprites.Cmd), argv ...string) (*sprites.Cmd, *bytes.Buffer, *bytes.Buffer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	context.AfterFunc(ctx, cancel)
	cmd := m.asking(query).Sprite(sprite).CommandContext(context.WithValue(ctx, hostKey{}, m), argv[0], argv[1:]...)
	out, errs, err := begin(cmd, prepare)
	return cmd, out, errs, err
}

// asking is a client whose execs have parameters that the SDK has no field for.
func (m *machine) asking(query string) *sprites.Client {
	return sprites.New(token, sprites.WithBaseURL("http://localhost?"+query), sprites.WithDisableControl(),
		sprites.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: m.reach, DisableKeepAlives: true}}), sprites.WithNetDialContext(m.dial))
}

// attach joins a session behind so many bytes of its output.
func (m *machine) attach(ctx context.Context, sprite, id string, offset int, prepare func(*sprites.Cmd)) (*sprites.Cmd, *bytes.Buffer, *bytes.Buffer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	context.AfterFunc(ctx, cancel)
	cmd := m.asking("output_offset="+strconv.Itoa(offset)).Sprite(sprite).AttachSessionContext(context.WithValue(ctx, hostKey{}, m), id)
	out, errs, err := begin(cmd, prepare)
	return cmd, out, errs, err
}

// begin starts a command whose output is kept.
func begin(cmd *sprites.Cmd, prepare func(*sprites.Cmd)) (out, errs *bytes.Buffer, err error) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.TextMessageHandler = func([]byte) {}
	if prepare != nil {
		prepare(cmd)
	}
	return out, errs, cmd.Start()
}

func (m *machine) run(ctx context.Context, sprite string, prepare func(*sprites.Cmd), argv ...string) result {
	cmd, out, errs, err := m.start(ctx, sprite, prepare, argv...)
	if err != nil {
		return result{code: -1, err: err}
	}
	err = cmd.Wait()
	r := result{stdout: out.String(), stderr: errs.String(), code: cmd.ExitCode()}
	var exit *sprites.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.err = err
	}
	return r
}

// sh runs a shell script that must succeed, and returns its output.
func (m *machine) sh(t *testing.T, sprite, script string) string {
	t.Helper()
	r := m.run(t.Context(), sprite, nil, "sh", "-c", script)
	if r.err != nil || r.code != 0 {
		t.Fatalf("sh -c %q: exit %d, error %v\n%s%s", script, r.code, r.err, r.stdout, r.stderr)
	}
	return r.stdout
}

func apiError(err error) *sprites.APIError {
	var api *sprites.APIError
	errors.As(err, &api)
	return api
}

func (m *machine) sessions(t *testing.T, sprite string) []*sprites.Session {
	t.Helper()
	list, err := m.client.ListSessions(t.Context(), sprite)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// post sends an empty body past the SDK.
func (m *machine) post(t *testing.T, path string) (int, string) {
	t.Helper()
	return m.request(t, http.MethodPost, path, "", token)
}

func (m *machine) request(t *testing.T, method, path, body, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	transport := &http.Transport{DialContext: m.reach, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Sprite-Version") != "0.1.0" {
		t.Errorf("%s %s: no Sprite-Version", method, path)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// processes is a script that prints the command line of every process of the Sprite.
const processes = `for p in /proc/[0-9]*; do tr '\0' ' ' < $p/cmdline 2>/dev/null; echo; done`

func count(text, line string) int {
	n := 0
	for l := range strings.Lines(text) {
		if strings.TrimSpace(l) == line {
			n++
		}
	}
	return n
}

// gone waits inside the Sprite until no process has the given command line.
func (m *machine) gone(t *testing.T, sprite, line string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for count(m.sh(t, sprite, processes), line) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%q lives on:\n%s", line, m.sh(t, sprite, processes))
		}
	}
}

// watcher is an output that tells when a text has arrived.
type watcher struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	text  string
	found chan struct{}
}

func newWatcher(text string) *watcher { return &watcher{text: text, found: make(chan struct{})} }

func (w *watcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(b)
	select {
	case <-w.found:
	default:
		if strings.Contains(w.buf.String(), w.text) {
			close(w.found)
		}
	}
	return len(b), nil
}

func (w *watcher) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func (w *watcher) wait(t *testing.T) {
	t.Helper()
	select {
	case <-w.found:
	case <-time.After(30 * time.Second):
		t.Fatalf("no %q in %q", w.text, w.String())
	}
}
