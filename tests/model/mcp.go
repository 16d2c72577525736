package model

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
)

// MCPProgram is a Python program that is an MCP server on stdin and stdout, with
// the tool stub_echo. It appends every call, as a JSON line with its text and its
// environment env, to the file that $STUB_MCP_CALLS names, if any.
//
//go:embed mcp.py
var MCPProgram string

// MCPCall is a call of the tool at /mcp.
type MCPCall struct {
	Header http.Header
	Text   string
}

// MCPCalls are the calls of the tool at /mcp so far, in the order of arrival.
func (s *Server) MCPCalls() []MCPCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// mcp speaks streamable HTTP without streams and without sessions. What it hears
// is no request to a model and not among Requests.
func (s *Server) mcp(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	data, ok := body(w, r)
	if !ok {
		return
	}
	var q struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params struct {
			Version   string `json:"protocolVersion"`
			Arguments struct {
				Text string `json:"text"`
			} `json:"arguments"`
		} `json:"params"`
	}
	if err := json.Unmarshal(data, &q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if q.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	result := fields{}
	switch q.Method {
	case "initialize":
		result = fields{"protocolVersion": q.Params.Version, "capabilities": fields{"tools": fields{}}, "serverInfo": fields{"name": "stub", "version": "1"}}
	case "tools/list":
		result["tools"] = []fields{{"name": "stub_echo", "description": "Echo a text.", "inputSchema": fields{
			"type": "object", "properties": fields{"text": fields{"type": "string"}}, "required": []string{"text"},
		}}}
	case "tools/call":
		text := q.Params.Arguments.Text
		s.mu.Lock()
		s.calls = append(s.calls, MCPCall{r.Header.Clone(), text})
		s.mu.Unlock()
		result["content"] = []fields{{"type": "text", "text": "echo: " + text}}
	}
	writeJSON(w, http.StatusOK, fields{"jsonrpc": "2.0", "id": q.ID, "result": result})
}
