package aod

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const token = "aod_token_of_the_tests"

// service is a server whose answers are a test's, one after the other; the last one stays.
type service struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string // method, path, key
}

func serve(t *testing.T, answers ...http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.calls)
		s.calls = append(s.calls, r.Method+" "+r.URL.Path+" "+r.Header.Get("Idempotency-Key"))
		s.mu.Unlock()
		if got := r.Header.Get("Authorization"); got != "Bearer "+token {
			t.Errorf("authorization %q", got)
		}
		io.Copy(io.Discard, r.Body)
		answers[min(n, len(answers)-1)](w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// made are the calls so far.
func (s *service) made() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *service) client(t *testing.T, options ...Option) *Client {
	t.Helper()
	c, err := New(s.URL, token, append([]Option{WithPauses(time.Millisecond, 2*time.Millisecond)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// cut breaks the connection in the middle of an answer.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	io.WriteString(w, `{"id":`)
	panic(http.ErrAbortHandler)
}

// dropped breaks the connection before an answer.
func dropped(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

var (
	created = answer(202, `{"id":"s","status":"pending","current_turn":1}`)
	away    = answer(503, `{"detail":"not now"}`, "Retry-After", "0")
	gateway = answer(502, "<html>bad gateway</html>")
	full    = answer(429, `{"detail":"Concurrent session limit reached (3/3). Terminate one.","limit":3,"active":3}`)
)

// A call that creates is made again with the same key until it is answered.
func TestCreatesAreRepeatedWithOneKey(t *testing.T) {
	t.Parallel()
	s := serve(t, dropped, gateway, away, cut, created)
	c := s.client(t, WithRetries(4))
	session, err := c.Sessions.Create(t.Context(), SessionCreate{AgentID: "a", Prompt: "p"})
	if err != nil || session.ID != "s" {
		t.Fatal(session, err)
	}
	if len(s.made()) != 5 || len(slices.Compact(s.made())) != 1 || len(s.made()[0]) < len("POST /sessions ")+20 {
		t.Errorf("calls %q", s.made())
	}
	if _, err := c.Sessions.Create(t.Context(), SessionCreate{AgentID: "a", Prompt: "p"}); err != nil {
		t.Fatal(err)
	}
	if s.made()[5] == s.made()[4] {
		t.Error("another call has the same key")
	}
}

// A call that might be done twice is made once, unless nothing was done.
func TestChangesAreNotRepeatedBlindly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []http.HandlerFunc
		calls   int
	}{
		"a broken connection": {[]http.HandlerFunc{dropped, answer(200, `{}`)}, 1},
		"a bad gateway":       {[]http.HandlerFunc{gateway, answer(200, `{}`)}, 1},
		"not available":       {[]http.HandlerFunc{away, answer(200, `{}`)}, 2},
	} {
		s := serve(t, c.answers...)
		client := s.client(t)
		if err := client.Sessions.Terminate(t.Context(), "s"); (err == nil) != (c.calls == 2) || len(s.made()) != c.calls {
			t.Errorf("%s: %v after %q", name, err, s.made())
		}
	}
	s := serve(t, dropped, gateway, answer(200, `{"id":"s"}`))
	if session, err := s.client(t).Sessions.Get(t.Context(), "s"); err != nil || session.ID != "s" || len(s.made()) != 3 {
		t.Errorf("reading: %v after %q", err, s.made())
	}
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, away)
	_, err := s.client(t, WithRetries(2)).Sessions.Get(t.Context(), "s")
	if !errors.Is(err, ErrServer) || len(s.made()) != 3 || !strings.Contains(err.Error(), "not now") {
		t.Errorf("%v after %q", err, s.made())
	}
}

// A server that is not there yet is waited for, whatever the call.
func TestCallsWaitForAServerThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	tries := 0
	transport := &http.Transport{}
	c, err := New("http://"+address, token, WithPauses(time.Millisecond, time.Millisecond), WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
		if tries++; tries == 3 {
			return answered(r, 200, `{"id":"s","status":"terminated"}`), nil
		}
		return transport.RoundTrip(r)
	})))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Sessions.Terminate(t.Context(), "s"); err != nil || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answered(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func TestQuotaIsWaitedForOnlyWhenAskedTo(t *testing.T) {
	t.Parallel()
	s := serve(t, full, full, created)
	_, err := s.client(t).Sessions.Create(t.Context(), SessionCreate{})
	var refused *Error
	if !errors.Is(err, ErrRateLimit) || !errors.As(err, &refused) || refused.Limit != 3 || refused.Active != 3 || len(s.made()) != 1 {
		t.Errorf("%v after %q", err, s.made())
	}
	s = serve(t, full, full, created)
	if _, err := s.client(t, WithQuotaWait()).Sessions.Create(t.Context(), SessionCreate{}); err != nil || len(s.made()) != 3 {
		t.Errorf("%v after %q", err, s.made())
	}
}

func TestRefusalsSayWhatAndWhere(t *testing.T) {
	t.Parallel()
	kinds := []error{ErrUnauthorized, ErrNotFound, ErrConflict, ErrValidation, ErrRateLimit, ErrServer}
	for _, c := range []struct {
		status       int
		body, detail string
		kind         error
	}{
		{401, `{"detail":"Invalid API key"}`, "Invalid API key", ErrUnauthorized},
		{403, ``, "Forbidden", ErrUnauthorized},
		{404, `{"detail":"Agent not found"}`, "Agent not found", ErrNotFound},
		{409, `{"detail":"Agent is already archived"}`, "Agent is already archived", ErrConflict},
		{400, `{"detail":"Invalid JSON"}`, "Invalid JSON", ErrValidation},
		{422, `{"detail":[{"type":"missing","loc":["name"],"msg":"Field required","input":{}},{"type":"value_error","loc":["skills",0],"msg":"Value error, no","input":1},{"type":"x","loc":[],"msg":"all"}]}`, "name: Field required; skills.0: no; all", ErrValidation},
		{422, `{"detail":"mismatch"}`, "mismatch", ErrValidation},
		{429, `{"detail":"full","limit":1,"active":2}`, "full", ErrRateLimit},
		{500, `<html>`, "Internal Server Error", ErrServer},
		{502, "upstream is gone\nmore", "upstream is gone", ErrServer},
		{405, `{"detail":{"a":1}}`, `{"a":1}`, nil},
		{301, ``, "the server is at https://elsewhere.test/", nil},
	} {
		s := serve(t, answer(c.status, c.body, "X-Request-Id", "r1", "Location", "https://elsewhere.test/"))
		_, err := s.client(t, WithRetries(0)).Agents.Get(t.Context(), "x y")
		var refused *Error
		if !errors.As(err, &refused) || refused.StatusCode != c.status || refused.Detail != c.detail || refused.Method != "GET" || refused.URL != s.URL+"/agents/x%20y" || refused.RequestID != "r1" {
			t.Errorf("%d %s: %#v", c.status, c.body, err)
			continue
		}
		if want := fmt.Sprintf("GET %s/agents/x%%20y -> %d: %s", s.URL, c.status, c.detail); err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		for _, kind := range kinds {
			if errors.Is(err, kind) != (kind == c.kind) {
				t.Errorf("%d: is %v: %v", c.status, kind, errors.Is(err, kind))
			}
		}
	}
}

func TestListsGoOnFromPageToPage(t *testing.T) {
	t.Parallel()
	var asked []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		switch r.URL.Query().Get("cursor") {
		case "":
			io.WriteString(w, `{"data":[{"id":"1"},{"id":"2"}],"has_more":true,"next_cursor":"c"}`)
		default:
			io.WriteString(w, `{"data":[{"id":"3"}],"has_more":false,"next_cursor":null}`)
		}
	})
	var ids []string
	for agent, err := range s.client(t).Agents.List(t.Context(), AgentFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, agent.ID)
	}
	if !slices.Equal(ids, []string{"1", "2", "3"}) || !slices.Equal(asked, []string{"limit=100", "limit=100&cursor=c"}) {
		t.Errorf("%q, asked %q", ids, asked)
	}
	for range s.client(t).Agents.List(t.Context(), AgentFilter{}) {
		break
	}
	if len(asked) != 3 {
		t.Errorf("asked %q", asked)
	}
	s = serve(t, answer(401, `{"detail":"Invalid API key"}`))
	for _, err := range s.client(t).Sessions.List(t.Context(), SessionFilter{}) {
		if !errors.Is(err, ErrUnauthorized) {
			t.Error(err)
		}
	}
}

func TestSettingsComeFromTheEnvironment(t *testing.T) {
	t.Setenv("AOD_API_URL", "https://aod.test/")
	t.Setenv("AOD_API_TOKEN", "")
	t.Setenv("AOD_API_TOKEN_FILE", "")
	if _, err := New("", ""); !errors.Is(err, ErrNoToken) {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AOD_API_TOKEN_FILE", file)
	c, err := New("", "")
	if err != nil || c.token != token || c.BaseURL() != "https://aod.test" {
		t.Errorf("%+v %v", c, err)
	}
	t.Setenv("AOD_API_TOKEN", "other")
	if _, err := New("", ""); err == nil || strings.Contains(err.Error(), "other") {
		t.Error(err)
	}
	if c, err = New("http://x.test/base/", "given"); err != nil || c.token != "given" || c.BaseURL() != "http://x.test/base" {
		t.Errorf("%+v %v", c, err)
	}
	for _, bad := range []string{"x.test", "ftp://x.test", "http://", "http://user:word@x.test", "http://x.test?q=1", "://"} {
		if _, err := New(bad, "given"); err == nil || strings.Contains(err.Error(), "word") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := New("http://x.test", "two words"); err == nil || strings.Contains(err.Error(), "words") {
		t.Error(err)
	}
}
