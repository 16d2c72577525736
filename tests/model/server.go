// Package model is a scripted model service on loopback, for tests of runtimes.
//
// It answers what the newest prompt asks for in directives, one tool call for
// each [[write]], [[bash]] and [[tool]] in their order, and then with a text:
//
//	[[write PATH CONTENT]]  have a file written with the runtime's own tool
//	[[bash COMMAND]]        have a command run with the runtime's own tool
//	[[tool NAME {JSON}]]    have the tool called whose name ends in NAME
//	[[text ANYTHING]]       say this
//	[[status 429]]          refuse, also when asked again
//	[[sleep 1.5]]           wait so many seconds before the first answer
//	[[cut]]                 close the connection in the middle of the first answer
//	[[stall]]               say no more from there on until the client leaves
//	[[fail]]                end the first answer there in the vendor's error
//
// The text is "TOOL RESULT: …" after a tool, "Hello from the stub model. …"
// otherwise. It speaks Anthropic Messages, OpenAI Responses and Chat Completions,
// and Gemini. Each [protocol] has its file; what is said is decided in reply.go,
// and with which tool in tool.go, for all of them.
//
// At /mcp is an MCP server with one tool, stub_echo. [MCPProgram] is the same one
// on stdin and stdout.
package model

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Server is a running service. Its methods may be called at any time from
// anywhere.
type Server struct {
	http   *httptest.Server
	closed chan struct{}

	mu       sync.Mutex
	requests []Request
	gate     *Gate
	key      string
	calls    []MCPCall
}

// Start runs a service until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{closed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages", s.speak(anthropic{}))
	mux.HandleFunc("POST /v1/messages/count_tokens", s.countTokens)
	mux.HandleFunc("POST /v1/responses", s.speak(responses{}))
	mux.HandleFunc("GET /v1/responses", s.upgrade)
	mux.HandleFunc("POST /v1/chat/completions", s.speak(chat{}))
	mux.HandleFunc("POST /v1beta/models/{call}", s.generate)
	mux.HandleFunc("GET /v1/models", s.models)
	mux.HandleFunc("GET /v1beta/models", s.models)
	mux.HandleFunc("/mcp", s.mcp)
	mux.HandleFunc("/", s.unknown)
	s.http = httptest.NewServer(mux)
	t.Cleanup(s.close)
	return s
}

// URL is the base of the service's addresses, without a slash at the end.
func (s *Server) URL() string { return s.http.URL }

// Require makes every later request for a model's words bring this key, or be
// refused with 401. Before, and with an empty key, any will do.
func (s *Server) Require(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// Requests are the requests so far, in the order of their arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) close() {
	close(s.closed)
	s.http.CloseClientConnections()
	s.http.Close()
}

// unknown answers what is no part of a protocol. HEAD is how claude looks whether
// anybody is there.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	s.record(Request{}, r)
	if r.Method != http.MethodHead {
		http.NotFound(w, r)
	}
}

// wait keeps the answer back for as long as it has to. It is false if nobody
// waits for the answer any more.
func (s *Server) wait(r *http.Request, gate *Gate, pause time.Duration) bool {
	if gate != nil {
		gate.enter()
		if !until(s, r, gate.released) {
			return false
		}
	}
	if pause <= 0 {
		return true
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	return until(s, r, timer.C)
}

func until[T any](s *Server, r *http.Request, pass <-chan T) bool {
	select {
	case <-pass:
		return true
	case <-r.Context().Done():
		return false
	case <-s.closed:
		return false
	}
}
