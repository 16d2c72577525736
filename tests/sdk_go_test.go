package tests

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/agent-on-demand/aod/sdk/go"
	"github.com/agent-on-demand/aod/server"
)

// sdk is a client of the server, or of what stands before it.
func (a *api) sdk(at string, options ...sdk.Option) *sdk.Client {
	a.t.Helper()
	client, err := sdk.New(at, a.token, append([]sdk.Option{sdk.WithPauses(time.Millisecond, 10*time.Millisecond)}, options...)...)
	if err != nil {
		a.t.Fatal(err)
	}
	return client
}

// before puts a proxy before the server that may do something else with a request.
func (a *api) before(meddle func(w http.ResponseWriter, r *http.Request, server http.Handler)) string {
	a.t.Helper()
	target, err := url.Parse(a.url)
	if err != nil {
		a.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	proxy.ErrorLog = nil
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { meddle(w, r, proxy) }))
	a.t.Cleanup(front.Close)
	return front.URL
}

// short is an answer that is cut after so many bytes.
type short struct {
	http.ResponseWriter
	left int
}

func (s *short) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p[:min(len(p), s.left)])
	s.left -= n
	s.ResponseWriter.(http.Flusher).Flush()
	if s.left == 0 && err == nil {
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// Unwrap is for the flushes of the proxy.
func (s *short) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// A stream that is cut 50 times in mid-turn, wherever that is, is followed to its end as if it had not been.
func TestGoFollowsAStreamThatIsDropped50Times(t *testing.T) {
	t.Parallel()
	const drops = 50
	a := start(t)
	var mu sync.Mutex
	connections := 0
	front := a.before(func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		mu.Lock()
		connections++
		n := connections
		mu.Unlock()
		if n <= drops {
			w = &short{w, 230 + n*37%300} // in the middle of something
		}
		server.ServeHTTP(w, r)
	})
	id := a.session("for i in $(seq 300); do echo line $i; sleep 0.03; done; echo over >&2")
	var got []string
	var text strings.Builder
	for e, err := range a.sdk(front, sdk.WithReconnects(drops)).Sessions.Follow(t.Context(), id, 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e.Raw))
		if e.Stream == "stdout" {
			text.WriteString(e.Data)
		}
	}
	if connections != drops+1 {
		t.Errorf("%d connections", connections)
	}
	var lines strings.Builder
	for i := range 300 {
		fmt.Fprintf(&lines, "line %d\n", i+1)
	}
	if text.String() != lines.String() {
		t.Errorf("stdout is\n%s", text.String())
	}
	var want []string
	for e, err := range a.sdk(a.url).Sessions.Stream(t.Context(), id, 0) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(e.Raw))
	}
	if !slices.Equal(got, want) {
		t.Errorf("followed are\n%s\nthe stream has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	after := 0
	for e, err := range a.sdk(a.url).Sessions.Follow(t.Context(), id, 10) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == sdk.EventOutput && e.ID <= 10 {
			t.Errorf("row %d comes after row 10", e.ID)
		}
		after++
	}
	if after == 0 {
		t.Error("nothing after row 10")
	}
}

// A create whose answer is lost is made again and done once.
func TestGoCreatesOnceWhateverIsLost(t *testing.T) {
	t.Parallel()
	a := start(t)
	agent := a.shell()
	var mu sync.Mutex
	tries := 0
	front := a.before(func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		if r.Method != "POST" {
			server.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		tries++
		n := tries
		mu.Unlock()
		switch n {
		case 1: // refused on the way
			w.Header().Set("Retry-After", "0")
			http.Error(w, "not now", http.StatusServiceUnavailable)
		case 2: // done, and the answer is lost
			server.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case 3: // done, and the answer is cut
			server.ServeHTTP(&short{w, 20}, r)
		default:
			server.ServeHTTP(w, r)
		}
	})
	session, err := a.sdk(front).Sessions.Create(t.Context(), sdk.SessionCreate{AgentID: agent, Prompt: "echo once"})
	if err != nil || tries != 4 {
		t.Fatal(err, tries)
	}
	var all []sdk.Session
	for s, err := range a.sdk(front).Sessions.List(t.Context(), sdk.SessionFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if len(all) != 1 || all[0].ID != session.ID {
		t.Errorf("sessions %+v", all)
	}
}

// Every refusal of the real server is what errors.Is and errors.As say.
func TestGoTellsRefusalsApart(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.MaxSessions = 1 })
	client, ctx := a.sdk(a.url), t.Context()
	running := a.blocked()
	_, full := client.Sessions.Create(ctx, sdk.SessionCreate{AgentID: a.shell(), Prompt: "true"})
	_, missing := client.Agents.Get(ctx, nobodys)
	_, busy := client.Sessions.Prompt(ctx, running, sdk.SessionPrompt{Prompt: "true"})
	_, wrong := client.Agents.Create(ctx, sdk.AgentCreate{Name: "x", Runtime: new("nothing"), Model: new("x/y")})
	_, unfit := client.Agents.Create(ctx, sdk.AgentCreate{Name: strings.Repeat("x", 201), Runtime: new("shell")})
	_, nobody := a.as("aod_nobody").sdk(a.url).Agents.Get(ctx, nobodys)
	for _, c := range []struct {
		err    error
		kind   error
		status int
		detail string
	}{
		{full, sdk.ErrRateLimit, 429, "Concurrent session limit reached (1/1). Terminate an active session before starting a new one."},
		{missing, sdk.ErrNotFound, 404, "Agent not found"},
		{busy, sdk.ErrConflict, 409, "Session is already running"},
		{wrong, sdk.ErrValidation, 400, "Unknown runtime: nothing. Must be one of: ['claude', 'codex', 'gemini', 'opencode', 'shell']"},
		{unfit, sdk.ErrValidation, 422, "name: String should have at most 200 characters"},
		{nobody, sdk.ErrUnauthorized, 401, "Invalid API key"},
	} {
		var refused *sdk.Error
		if !errors.As(c.err, &refused) || !errors.Is(c.err, c.kind) || refused.StatusCode != c.status || refused.Detail != c.detail {
			t.Errorf("%v, want %d %s", c.err, c.status, c.detail)
		}
	}
	var refused *sdk.Error
	if errors.As(full, &refused); refused.Limit != 1 || refused.Active != 1 {
		t.Errorf("%+v", refused)
	}
	if errors.As(unfit, &refused); len(refused.Problems) != 1 || refused.Problems[0].Type != "string_too_long" {
		t.Errorf("%+v", refused)
	}
	for _, err := range client.Sessions.Follow(ctx, nobodys, 0) {
		if !errors.Is(err, sdk.ErrNotFound) {
			t.Error(err)
		}
	}
}

// The whole life of an agent, an environment and a session, and a wait for a place.
func TestGoGoesThroughAWholeLife(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *server.Config) { c.MaxSessions = 1 })
	client, ctx := a.sdk(a.url, sdk.WithQuotaWait(), sdk.WithRetries(1_000_000)), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	health, err := client.Health(ctx)
	if err != nil || health.Status != "ok" {
		t.Fatal(health, err)
	}
	env, err := client.Environments.Create(ctx, sdk.EnvironmentCreate{Name: "e", EnvVars: map[string]string{"A": "1"}})
	must(err)
	env, err = client.Environments.Update(ctx, env.ID, sdk.EnvironmentUpdate{Version: env.Version, EnvVars: map[string]string{"A": "2"}})
	must(err)
	agent, err := client.Agents.Create(ctx, sdk.AgentCreate{Name: "a", Runtime: new("shell"), EnvironmentID: &env.ID})
	must(err)
	agent, err = client.Agents.Update(ctx, agent.ID, sdk.AgentUpdate{Version: 1, Name: new("b")})
	must(err)
	blocked := a.blocked()
	go func() { a.post("/sessions/"+blocked+"/terminate", "") }()
	session, err := client.Sessions.Create(ctx, sdk.SessionCreate{AgentID: agent.ID, Prompt: "echo $A"})
	must(err)
	said := ""
	for e, err := range client.Sessions.Follow(ctx, session.ID, 0) {
		must(err)
		said += e.Data
	}
	turn, err := client.Sessions.Prompt(ctx, session.ID, sdk.SessionPrompt{Prompt: "exit 5"})
	must(err)
	var last sdk.Event
	for e, err := range client.Sessions.Follow(ctx, session.ID, 0) {
		must(err)
		last = e
	}
	turns, err := client.Sessions.Turns(ctx, session.ID)
	must(err)
	if said != "2\n" || last.Code != 5 || !last.Ends() || turn.CurrentTurn != 2 || len(turns) != 2 || turns[1].Status != "failed" {
		t.Errorf("said %q, ended with %+v, turns %+v", said, last, turns)
	}
	got, err := client.Sessions.Get(ctx, session.ID)
	if err != nil || got.Status != sdk.SessionFailed || *got.ExitCode != 5 {
		t.Errorf("%+v %v", got, err)
	}
	must(client.Sessions.Terminate(ctx, session.ID))
	must(client.Sessions.Delete(ctx, session.ID))
	agents, err := client.Agents.Versions(ctx, agent.ID)
	if err != nil || len(agents) != 2 {
		t.Errorf("%+v %v", agents, err)
	}
	environments, err := client.Environments.Versions(ctx, env.ID)
	if err != nil || len(environments) != 2 {
		t.Errorf("%+v %v", environments, err)
	}
	_, err = client.Agents.Archive(ctx, agent.ID)
	must(err)
	_, err = client.Environments.Archive(ctx, env.ID)
	must(err)
	must(client.Environments.Delete(ctx, env.ID))
	for range 3 {
		_, err := client.Environments.Create(ctx, sdk.EnvironmentCreate{Name: fmt.Sprint(len(environments))})
		must(err)
		environments = append(environments, sdk.EnvironmentVersion{})
	}
	count := 0
	for _, err := range client.Environments.List(ctx, sdk.EnvironmentFilter{Limit: new(2)}) {
		must(err)
		count++
	}
	if count != 3 {
		t.Errorf("%d environments", count)
	}
	raw, err := client.API().GetAgent(ctx, agent.ID)
	must(err)
	body, err := io.ReadAll(raw.Body)
	if want := a.get("/agents/" + agent.ID).body; err != nil || string(body) != want {
		t.Errorf("%s %v", body, err)
	}
}
