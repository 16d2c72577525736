package model

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// responses is OpenAI's protocol of that name.
type responses struct{}

// responsesRequest is the part of a Responses request that matters here.
type responsesRequest struct {
	Model        string          `json:"model"`
	Stream       bool            `json:"stream"`
	Instructions string          `json:"instructions"`
	Input        responsesInput  `json:"input"`
	Tools        []responsesTool `json:"tools"`
}

type responsesItem struct {
	Type    string          `json:"type"`
	Role    string          `json:"role"`
	Content texts           `json:"content"` // of a message
	Output  texts           `json:"output"`  // of a tool
	Tools   []responsesTool `json:"tools"`   // that were searched for or added
}

// responsesInput may be a plain string on the wire.
type responsesInput []responsesItem

func (i *responsesInput) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*i = responsesInput{{Role: "user", Content: texts{text}}}
		return nil
	}
	return json.Unmarshal(data, (*[]responsesItem)(i))
}

// responsesTool is a tool, or a namespace of tools.
type responsesTool struct {
	Type       string          `json:"type"`
	Name       string          `json:"name"`
	Parameters schema          `json:"parameters"`
	Tools      []responsesTool `json:"tools"`
}

// injected is how the messages begin that codex adds in the user's name.
var injected = regexp.MustCompile(`^\s*(<(environment_context|user_instructions|permissions|turn_aborted|skills?|apps|recommended)\b|# AGENTS\.md)`)

func (responses) read(_ *http.Request, body []byte) (*conversation, error) {
	var q responsesRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	c := &conversation{model: q.Model, stream: q.Stream}
	c.offer("", q.Tools)
	system := []string{q.Instructions}
	for _, item := range q.Input {
		switch {
		case item.Type == "additional_tools" || item.Type == "tool_search_output":
			c.offer("", item.Tools)
		case strings.HasSuffix(item.Type, "_output"):
			c.results = append(c.results, item.Output.join())
		case item.Role == "developer" || item.Role == "system":
			system = append(system, item.Content.join())
		case item.Role == "user":
			if said := slices.DeleteFunc(item.Content, injected.MatchString); len(said) > 0 {
				c.ask(said.join())
			}
		}
	}
	c.system = strings.TrimSpace(strings.Join(system, "\n"))
	return c, nil
}

func (c *conversation) offer(space string, tools []responsesTool) {
	for _, t := range tools {
		switch {
		case t.Type == "namespace" && t.Name == "functions":
			c.offer("", t.Tools) // where OpenAI's models see what has no namespace
		case t.Type == "namespace":
			c.offer(t.Name, t.Tools)
		case t.Name == "":
			c.tools = append(c.tools, tool{name: t.Type, kind: t.Type}) // web_search and the like
		default:
			c.tools = append(c.tools, tool{space, t.Name, t.Type, t.Parameters.Properties})
		}
	}
}

// upgrade tells codex to do without WebSockets.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	s.record(Request{}, r)
	writeJSON(w, http.StatusUpgradeRequired, responses{}.refusal(http.StatusUpgradeRequired, "no WebSockets here"))
}

// models lists what there is, for clients of OpenAI, Anthropic and Gemini alike.
func (s *Server) models(w http.ResponseWriter, r *http.Request) {
	s.record(Request{}, r)
	writeJSON(w, http.StatusOK, fields{
		"object": "list", "data": []fields{{"id": "stub", "object": "model", "type": "model", "created": 0, "owned_by": "stub"}},
		"models": []any{}, // codex and Gemini
	})
}
