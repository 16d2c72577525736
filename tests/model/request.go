package model

import (
	"io"
	"net/http"
	"slices"
	"strings"
)

// Request is what a client sent.
type Request struct {
	Method string
	Path   string
	Header http.Header
	Body   []byte

	Model   string
	Prompts []string // of the user, oldest first, without what a runtime adds
	System  string   // with what a runtime says to the model as a developer
	Tools   []string // names of what it offers, codex's MCP tools as mcp__SERVER__TOOL
	Main    bool     // it brings tools: it is a turn's own, not for a title or the like
}

// record keeps a request in the order of arrival and says its number, from 1,
// and which gate it has to pass.
func (s *Server) record(q Request, r *http.Request) (number int, gate *Gate) {
	q.Method, q.Path, q.Header = r.Method, r.URL.Path, r.Header.Clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, q)
	if q.Main {
		gate = s.gate
	}
	return len(s.requests), gate
}

// admits says whether a request brings the key that is asked for, in the header
// of any vendor.
func (s *Server) admits(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	return s.key == "" || slices.Contains([]string{bearer, r.Header.Get("X-Api-Key"), r.Header.Get("X-Goog-Api-Key")}, s.key)
}

// body reads a request's body, or answers that it cannot.
func body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, false
	}
	return data, true
}
