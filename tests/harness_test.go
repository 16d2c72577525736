package tests

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-on-demand/aod/gen"
	"github.com/agent-on-demand/aod/server"
	"github.com/agent-on-demand/aod/store"
)

// patience is how long a test waits for what has to happen. Installing a runtime is part of that on a machine that has not done so before.
const patience = 3 * time.Minute

// api is a running server and a user of it.
type api struct {
	t      *testing.T
	url    string
	admin  string // URL of the admin listener, if there is one
	token  string
	dir    string
	client *gen.ClientWithResponses
	via    *http.Client          // that requests go through
	stop   func()                // of a server in this process
	signal func(os.Signal) error // to one of its own; returns how it ended
	log    func() string         // of one of its own that has ended
	said   func() string         // what that printed after its greeting
}

// start runs a server of its own for the test.
func start(t *testing.T, change ...func(*server.Config)) *api {
	t.Helper()
	return startIn(t, t.TempDir(), change...)
}

// startIn runs a server over the data directory dir until the test ends or stop
// is called. When the test ends, its sessions are ended first, so that no Sprite
// outlives it.
func startIn(t *testing.T, dir string, change ...func(*server.Config)) *api {
	t.Helper()
	ready := make(chan server.Ready, 1)
	c := server.Config{
		Addr: "127.0.0.1:0", DataDir: dir, MaxSessions: 100, Executable: binary, RuntimesDir: runtimesDir(t), Version: "test",
		Log:   slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Ready: func(r server.Ready) { ready <- r },
	}
	for _, do := range change {
		do(&c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, c) }()
	a := &api{t: t, dir: dir, via: http.DefaultClient}
	select {
	case r := <-ready:
		a.url, a.admin, a.token = r.URL, r.Admin, r.Token.Reveal()
	case err := <-ended:
		cancel()
		t.Fatal("server did not start:", err)
	}
	stopped := false
	a.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error("server:", err)
		}
	}
	t.Cleanup(func() {
		if !stopped {
			a.endSessions()
		}
		a.stop()
	})
	if a.token == "" {
		a.token = c.Token.Reveal()
	}
	return a.as(a.token)
}

// runtimesDir is where the runtimes' programs are kept between runs.
func runtimesDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(".cache", "runtimes"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// as returns the same server for the bearer of another token.
func (a *api) as(token string) *api {
	a.t.Helper()
	other := *a
	other.token = token
	client, err := gen.NewClientWithResponses(a.url, gen.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		a.t.Fatal(err)
	}
	other.client = client
	return &other
}

// promise checks one statement of the contract. Its name begins with the number of
// the section; README.md lists the sections.
func (a *api) promise(name string, check func(a *api)) {
	a.t.Helper()
	a.t.Run(name, func(t *testing.T) {
		inner := *a
		inner.t = t
		check(&inner)
	})
}

// anotherUser returns the same server for somebody else.
func (a *api) anotherUser() *api {
	a.t.Helper()
	st, err := server.OpenStore(a.t.Context(), server.Config{DataDir: a.dir})
	if err != nil {
		a.t.Fatal(err)
	}
	defer st.Close()
	var token store.Secret
	if token, _, err = st.CreateToken(a.t.Context(), "somebody else", "test", 0); err != nil {
		a.t.Fatal(err)
	}
	return a.as(token.Reveal())
}

// reply is an answer of the server.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// send makes a request and returns the beginning of its answer.
func (a *api) send(ctx context.Context, method, path, body string, header []string) *http.Response {
	a.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := a.via.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	return answer
}

// call makes a request. The body is sent as it is.
func (a *api) call(method, path, body string, header ...string) reply {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer := a.send(ctx, method, path, body, header)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	conforms(a.t, method, path, answer, string(text))
	return reply{a.t, answer.StatusCode, answer.Header, string(text)}
}

func (a *api) get(path string) reply        { a.t.Helper(); return a.call("GET", path, "") }
func (a *api) post(path, body string) reply { a.t.Helper(); return a.call("POST", path, body) }
func (a *api) put(path, body string) reply  { a.t.Helper(); return a.call("PUT", path, body) }
func (a *api) delete(path string) reply     { a.t.Helper(); return a.call("DELETE", path, "") }

// want fails the test unless the answer has that status; it returns the answer.
func (r reply) want(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// detail fails the test unless the answer is that refusal, word for word.
func (r reply) detail(status int, text string) {
	r.t.Helper()
	if want := `{"detail":` + quoted(text) + "}\n"; r.status != status || r.body != want {
		r.t.Errorf("got %d %swant %d %s", r.status, r.body, status, want)
	}
	if kind := r.header.Get("Content-Type"); kind != "application/json" {
		r.t.Errorf("content type %q", kind)
	}
}

// problem fails the test unless the answer is a 422 list with one entry at that
// place, with that text.
func (r reply) problem(kind, loc, msg string) {
	r.t.Helper()
	if got, want := r.problems(), kind+" "+loc+" "+msg+"\n"; got != want {
		r.t.Errorf("got %swant %s", got, want)
	}
}

// problems returns the entries of a 422 list, one a line: type, loc and msg.
func (r reply) problems() string {
	r.t.Helper()
	var body struct {
		Detail []struct {
			Type, Msg string
			Loc       json.RawMessage
		}
	}
	r.want(422).into(&body)
	var b strings.Builder
	for _, p := range body.Detail {
		fmt.Fprintf(&b, "%s %s %s\n", p.Type, p.Loc, p.Msg)
	}
	return b.String()
}

func (r reply) into(v any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		r.t.Fatalf("%v: %s", err, r.body)
	}
}

// field returns a top-level field of the answer, as JSON.
func (r reply) field(name string) string {
	r.t.Helper()
	var fields map[string]json.RawMessage
	r.into(&fields)
	return string(fields[name])
}

// text returns a top-level field of the answer that is a string.
func (r reply) text(name string) string {
	r.t.Helper()
	var text string
	if err := json.Unmarshal([]byte(r.field(name)), &text); err != nil {
		r.t.Fatalf("%s: %v: %s", name, err, r.body)
	}
	return text
}

// keys returns the keys of the answer in their order.
func keys(t *testing.T, object string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(object))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprint(name))
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(names, " ")
}

func quoted(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	if err := e.Encode(text); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func jsonEqual(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// shell creates an agent of runtime shell and returns its id.
func (a *api) shell() string {
	a.t.Helper()
	return a.post("/agents", `{"name":"hello","model":"local/bash","runtime":"shell"}`).want(201).text("id")
}

// session starts a session of a new shell agent and returns its id.
func (a *api) session(prompt string) string {
	a.t.Helper()
	return a.post("/sessions", `{"agent_id":"`+a.shell()+`","prompt":`+quoted(prompt)+`,"timeout":120}`).want(202).text("id")
}

// oneWinner makes n requests at once and fails the test unless one succeeds and each
// of the others is a 409 with one of the texts.
func (a *api) oneWinner(n int, request func(i int) reply, texts ...string) {
	a.t.Helper()
	winners := 0
	for _, r := range atOnce(n, request) {
		if r.status < 300 {
			winners++
		} else if r.status != 409 || !slices.Contains(texts, r.text("detail")) {
			a.t.Errorf("got %d %s", r.status, r.body)
		}
	}
	if winners != 1 {
		a.t.Errorf("%d of %d win", winners, n)
	}
}

// atOnce makes n requests at the same time.
func atOnce(n int, request func(i int) reply) []reply {
	replies := make([]reply, n)
	var wg sync.WaitGroup
	for i := range replies {
		wg.Go(func() { replies[i] = request(i) })
	}
	wg.Wait()
	return replies
}

// event is one event of a stream.
type event struct {
	ID      string // of the id line, empty without one
	Type    string `json:"type"`
	Number  int64  `json:"id"`
	Stage   string `json:"stage"`
	State   string `json:"state"`
	Message string `json:"message"`
	Stream  string `json:"stream"`
	Data    string `json:"data"`
	Turn    int    `json:"turn"`
	Code    *int   `json:"code"`
}

// events is an open stream.
type events struct {
	t      *testing.T
	lines  *bufio.Reader
	raw    bytes.Buffer
	header http.Header
	close  func()
}

// stream opens the stream of a session after a row.
func (a *api) stream(session string, header ...string) *events {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	answer := a.send(ctx, "GET", "/sessions/"+session+"/stream", "", header)
	if answer.StatusCode != 200 {
		a.t.Fatal(answer.Status)
	}
	e := &events{t: a.t, header: answer.Header, close: func() { cancel(); answer.Body.Close() }}
	e.lines = bufio.NewReader(io.TeeReader(answer.Body, &e.raw))
	a.t.Cleanup(e.close)
	return e
}

// next returns the next event, or false when the server has closed the stream.
func (e *events) next() (event, bool) {
	e.t.Helper()
	var ev event
	for {
		line, err := e.lines.ReadString('\n')
		if err == io.EOF && line == "" {
			return event{}, false
		}
		if err != nil {
			e.t.Fatalf("stream: %v after\n%s", err, e.raw.String())
		}
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == "" && ev.Type != "":
			return ev, true
		case strings.HasPrefix(line, "id: "):
			ev.ID = line[4:]
		case strings.HasPrefix(line, "data: "):
			if err := json.Unmarshal([]byte(line[6:]), &ev); err != nil {
				e.t.Fatalf("%v: %s", err, line)
			}
			isEvent(e.t, line[6:])
		case line != "" && !strings.HasPrefix(line, ":"):
			e.t.Fatalf("unexpected line %q", line)
		}
	}
}

// until returns the events up to the first that fits.
func (e *events) until(fits func(event) bool) []event {
	e.t.Helper()
	var all []event
	for {
		ev, ok := e.next()
		if !ok {
			e.t.Fatalf("the stream ended too early:\n%s", e.raw.String())
		}
		all = append(all, ev)
		if fits(ev) {
			return all
		}
	}
}

// rest returns the events up to the end of the stream.
func (e *events) rest() []event {
	e.t.Helper()
	var all []event
	for ev, ok := e.next(); ok; ev, ok = e.next() {
		all = append(all, ev)
	}
	return all
}

// output is what a turn wrote to a stream.
func output(all []event, stream string, turn int) string {
	var b strings.Builder
	for _, ev := range all {
		if ev.Type == "output" && ev.Stream == stream && ev.Turn == turn {
			b.WriteString(ev.Data)
		}
	}
	return b.String()
}

// run starts a session and returns its events, to the last.
func (a *api) run(prompt string) (session string, all []event) {
	a.t.Helper()
	session = a.session(prompt)
	return session, a.stream(session).rest()
}

// endSessions terminates every session of the user and waits until their Sprites
// are gone.
func (a *api) endSessions() {
	var list struct{ Data []struct{ ID string } }
	a.get("/sessions").want(200).into(&list)
	for _, s := range list.Data {
		a.post("/sessions/"+s.ID+"/terminate", "")
	}
	a.waitForNoSprite()
}

// waitForNoSprite returns when the data directory holds no Sprite.
func (a *api) waitForNoSprite() {
	a.t.Helper()
	waitFor(a.t, "sprites are still there", func() bool {
		left, err := os.ReadDir(filepath.Join(a.dir, "sprites"))
		if err != nil {
			return os.IsNotExist(err)
		}
		for _, entry := range left {
			if strings.HasPrefix(entry.Name(), "aod-") {
				return false
			}
		}
		return true
	})
}

// waitFor asks again and again for what happens outside the process.
func waitFor(t *testing.T, what string, fact func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for !fact() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Error(what)
			return
		}
	}
}

// with returns a JSON object with the field set to a value, which is JSON too.
func with(object, field, value string) string {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(object), &fields); err != nil {
		panic(err)
	}
	fields[field] = json.RawMessage(value)
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// without returns a JSON object without the field.
func without(object, field string) string {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(object), &fields); err != nil {
		panic(err)
	}
	delete(fields, field)
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(text)
}
